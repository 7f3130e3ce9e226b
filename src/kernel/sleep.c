/*
 * Where a task sleeps, by what the kernel itself follows stacks: frame pointers, or ORC. Debug information is not asked, which
 * would take longer than all else that is said of a task.
 */
#include "kernel/cpu.h"
#include "kernel/kernel_private.h"
#include "kernel/orc.h"
#include "kernel/stack.h"

enum { WORD = 8 };

struct sleeper {
	const struct kernel *k;
	struct stack_range stack;
};

static bool is_scheduler(const struct kernel *k, uint64_t address)
{
	return address >= symbol(k, FACT_SCHED_TEXT_START) && address < symbol(k, FACT_SCHED_TEXT_END);
}

static bool read_word(uint64_t address, uint64_t *ret, void *user)
{
	const struct sleeper *s = user;

	return address >= s->stack.start && address < s->stack.end && s->stack.end - address >= WORD &&
	       read_number(s->k, address, WORD, ret);
}

/* A frame is the caller's frame pointer and the return address. */
static bool step_by_frame_pointer(struct sleeper *s, struct registers *r)
{
	struct registers caller = { 0 };
	uint64_t frame, next, address;

	if (!register_get(r, REGISTER_RBP, &frame) || !read_word(frame, &next, s) ||
	    !read_word(frame + WORD, &address, s))
		return false;
	register_set(&caller, REGISTER_RBP, next);
	register_set(&caller, REGISTER_RSP, frame + (uint64_t)2 * WORD);
	register_set(&caller, REGISTER_RIP, address);
	*r = caller;
	return true;
}

static bool step_by_orc(struct sleeper *s, struct registers *r)
{
	struct registers caller;
	uint64_t pc, regs;

	if (!register_get(r, REGISTER_RIP, &pc) ||
	    orc_unwind(s->k, pc - 1, r, read_word, s, &caller, &regs) != ORC_CALL)
		return false;
	*r = caller;
	return true;
}

/* The first one that is not the scheduler's. */
static bool find(struct sleeper *s, struct registers *r, uint64_t *ret)
{
	for (unsigned int i = 0; i < LIMIT_FRAMES; i++) {
		uint64_t sp, before;

		if (!register_get(r, REGISTER_RIP, ret) || !is_kernel_address(*ret))
			return false;
		if (!is_scheduler(s->k, *ret))
			return true;
		/* Frames go up. */
		if (!register_get(r, REGISTER_RSP, &before) ||
		    !(has(s->k, FACT_ORC_START) ? step_by_orc(s, r) : step_by_frame_pointer(s, r)) ||
		    !register_get(r, REGISTER_RSP, &sp) || sp <= before)
			return false;
	}
	return false;
}

bool task_sleeps_in(const struct kernel *k, const struct task *t, uint64_t *ret)
{
	struct sleeper s = { .k = k };

	if (!has(k, FACT_SCHED_TEXT_START) || !has(k, FACT_SCHED_TEXT_END) || !(t->known & TASK_KNOWS_STATE) ||
	    t->state == 'R')
		return false;
	for (unsigned int i = 0; i < LIMIT_TRIES; i++) {
		struct stack_moment before, after;
		struct registers r;
		uint64_t address;
		bool found;

		if (!stack_look_at(k, t->address, &before) || !task_stack(k, t->address, &s.stack) ||
		    !stack_saved_registers(k, t->address, &r))
			return false;
		found = find(&s, &r, &address);
		if (!stack_look_at(k, t->address, &after))
			return false;
		/* What was read while it ran is anything. */
		if (memcmp(&before, &after, sizeof(after)) != 0)
			continue;
		if (found)
			*ret = address;
		return found;
	}
	return false;
}
