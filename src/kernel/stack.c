/*
 * Theory of operation. A step goes from the registers in one function to those in its caller. What knows how is asked in
 * this order:
 *
 * - ORC, where the kernel has it: it was made from the instructions, and also knows where code switches stacks, of which
 *   compilers tell debuggers nothing.
 * - Call frame information of vmlinux or of the module. Assembler has none.
 * - What the kernel's entry code leaves on the stack: a frame pointer with its lowest bit set leads to the registers
 *   (pt_regs) of what was interrupted; those of a system call are at the stack's very beginning.
 * - Frame pointers. Where assembler was interrupted, which mostly has none of its own, a word on top of the stack that a
 *   call may have put there is taken for the return address, and what follows is a guess until it has led to where the
 *   kernel was entered.
 *
 * Nothing of this is trusted. Only the stacks of the task and of its CPU are read, a step on one of them must lead upwards,
 * and each of them is left only once. So a walk ends, whatever is in memory.
 *
 * The stack of a task that sleeps is copied first, and the task looked at again afterwards: if it has run meanwhile, all
 * begins anew.
 */
#include "kernel/stack.h"

#include "base/util.h"
#include "kernel/cpu.h"
#include "kernel/kernel_private.h"
#include "kernel/orc.h"

enum { WORD = 8, RANGES_MAX = CPU_STACKS_MAX + 1, PADDING_MAX = 16, CALL_BYTES = 7 };

/* Privilege level in a code segment's selector. */
enum { CS_LEVEL = 3, CS_USER = 3 };

struct walk {
	const struct kernel *k;
	struct symbolizer *symbolizer;
	struct stack_range ranges[RANGES_MAX];
	bool left[RANGES_MAX];
	size_t ranges_n;
	size_t on; /* the range that the stack pointer is in */
	/* The task's stack from some point on, if it was copied. */
	uint8_t *copy;
	uint64_t copy_start, copy_size;
	struct registers r;
	bool is_return;
	bool reliable;
	uint64_t regs; /* the frame that is next was interrupted, and its registers are there */
	struct stack *stack;
};

void stack_deinit(struct stack *s)
{
	free(s->frames);
	*s = (struct stack)STACK_INIT;
}

/* --- Memory --- */

/* The stack that has all of these bytes; SIZE_MAX: none. */
static size_t find_range(const struct walk *w, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < w->ranges_n; i++) {
		uint64_t offset = address - w->ranges[i].start, length = w->ranges[i].end - w->ranges[i].start;

		if (offset < length && size <= length - offset)
			return i;
	}
	return SIZE_MAX;
}

static bool read_stack(const struct walk *w, uint64_t address, void *ret, uint64_t size)
{
	uint64_t offset = address - w->copy_start;

	if (find_range(w, address, size) == SIZE_MAX)
		return false;
	if (!w->copy)
		return mem_try_read(w->k->mem, address, ret, size);
	if (offset >= w->copy_size || size > w->copy_size - offset)
		return false;
	memcpy(ret, w->copy + offset, size);
	return true;
}

static bool read_word(uint64_t address, uint64_t *ret, void *user)
{
	return read_stack(user, address, ret, WORD);
}

static uint64_t get(const struct walk *w, enum register_number r)
{
	uint64_t value = 0;

	register_get(&w->r, r, &value);
	return value;
}

/* --- Code --- */

/* The address of the instruction that is meant. */
static uint64_t meant(const struct walk *w)
{
	return get(w, REGISTER_RIP) - (w->is_return ? 1 : 0);
}

static bool is_code(const struct walk *w, uint64_t pc, bool is_return)
{
	const struct place *p = symbolize(w->symbolizer, pc, is_return);

	return p->symbol || p->module;
}

/* Whether a call may end there: E8 and four bytes, or FF /2 in one of its lengths. */
static bool is_after_call(const struct walk *w, uint64_t pc)
{
	static const uint8_t lengths[] = { 2, 3, 4, 6, 7 };
	uint8_t code[CALL_BYTES];

	if (!mem_try_read(w->k->mem, pc - CALL_BYTES, code, sizeof(code)))
		return false;
	if (code[CALL_BYTES - 5] == 0xe8)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		const uint8_t *at = code + CALL_BYTES - lengths[i];

		if (at[0] == 0xff && (at[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

/* --- Steps --- */

static void finish(struct walk *w, enum stack_end end, const char *why)
{
	w->stack->end = end;
	w->stack->why = why;
}

/* On to the caller. False: that can't be. */
static bool go_on(struct walk *w, const struct registers *r, bool is_return, bool reliable, uint64_t regs)
{
	uint64_t before = get(w, REGISTER_RSP), sp, pc;
	size_t on;

	if (!register_get(r, REGISTER_RSP, &sp) || !register_get(r, REGISTER_RIP, &pc)) {
		finish(w, STACK_END_LOST, "the caller's stack pointer is not known");
		return false;
	}
	/* Where a stack begins, its pointer is just behind it. */
	on = sp == w->ranges[w->on].end ? w->on : find_range(w, sp, 1);
	if (on == SIZE_MAX || (on == w->on ? sp <= before : w->left[on])) {
		finish(w, STACK_END_LOST, "the stack pointer leads out of the stacks that are known");
		return false;
	}
	if (on != w->on)
		w->left[w->on] = true;
	w->on = on;
	w->r = *r;
	w->is_return = is_return;
	w->reliable = w->reliable && reliable;
	w->regs = regs;
	return true;
}

/* Registers that an entry into the kernel put on the stack; of all of them, or only of those that the CPU itself put there. */
static bool cross_regs(struct walk *w, uint64_t address, bool partial)
{
	static const struct {
		enum kernel_fact fact;
		enum register_number number;
		bool by_cpu;
	} members[] = {
		{ FACT_REGS_AX, REGISTER_RAX, false },  { FACT_REGS_DX, REGISTER_RDX, false },
		{ FACT_REGS_CX, REGISTER_RCX, false },  { FACT_REGS_BX, REGISTER_RBX, false },
		{ FACT_REGS_SI, REGISTER_RSI, false },  { FACT_REGS_DI, REGISTER_RDI, false },
		{ FACT_REGS_BP, REGISTER_RBP, false },  { FACT_REGS_R8, REGISTER_R8, false },
		{ FACT_REGS_R9, REGISTER_R9, false },   { FACT_REGS_R10, REGISTER_R10, false },
		{ FACT_REGS_R11, REGISTER_R11, false }, { FACT_REGS_R12, REGISTER_R12, false },
		{ FACT_REGS_R13, REGISTER_R13, false }, { FACT_REGS_R14, REGISTER_R14, false },
		{ FACT_REGS_R15, REGISTER_R15, false }, { FACT_REGS_SP, REGISTER_RSP, true },
		{ FACT_REGS_IP, REGISTER_RIP, true },
	};
	uint64_t size = w->k->facts[FACT_REGS].size, first = partial ? offset_of(w->k, FACT_REGS_IP) : 0, value, cs;
	struct registers r = partial ? w->r : (struct registers){ 0 };
	uint8_t copy[LIMIT_REGS] = { 0 };

	if (size > sizeof(copy) || first >= size || !read_stack(w, address + first, copy + first, size - first) ||
	    !member_of(w->k, copy, size, FACT_REGS_CS, &cs)) {
		finish(w, STACK_END_LOST, "the registers of what was interrupted can't be read");
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if ((!partial || members[i].by_cpu) && member_of(w->k, copy, size, members[i].fact, &value))
			register_set(&r, members[i].number, value);
	}
	if ((cs & CS_LEVEL) == CS_USER) {
		w->stack->user_regs = address;
		w->stack->user_pc = r.values[REGISTER_RIP];
		w->stack->user_sp = r.values[REGISTER_RSP];
		if (partial || !member_of(w->k, copy, size, FACT_REGS_ORIG_AX, &value))
			value = UINT64_MAX;
		w->stack->syscall = (int64_t)value;
		finish(w, STACK_END_USER, NULL);
		return false;
	}
	/* A kernel thread has registers there too, with nothing in them. */
	if (!cs) {
		finish(w, STACK_END_START, NULL);
		return false;
	}
	return go_on(w, &r, false, true, address);
}

/* Whether the stack begins not far from there: with no more than registers between. */
static bool is_at_beginning(const struct walk *w)
{
	return w->ranges[w->on].end - get(w, REGISTER_RSP) <= LIMIT_REGS;
}

/* Whether the stack pointer is where the registers of a system call are, and the task's stack begins. */
static bool is_at_entry(const struct walk *w)
{
	uint64_t size = w->k->facts[FACT_REGS].size, rest = w->ranges[w->on].end - get(w, REGISTER_RSP);

	return size && streq(w->ranges[w->on].name, "task") && rest >= size && rest - size <= PADDING_MAX;
}

static bool step_by_orc(struct walk *w, bool *ret)
{
	struct registers caller;
	uint64_t regs;

	switch (orc_unwind(w->k, meant(w), &w->r, read_word, w, &caller, &regs)) {
	case ORC_NONE:
		return false;
	case ORC_CALL:
		*ret = go_on(w, &caller, true, true, 0);
		return true;
	case ORC_REGS:
		*ret = cross_regs(w, regs, false);
		return true;
	case ORC_REGS_PARTIAL:
		*ret = cross_regs(w, regs, true);
		return true;
	case ORC_END:
		finish(w, STACK_END_START, NULL);
		*ret = false;
		return true;
	case ORC_FAULT:
		finish(w, STACK_END_LOST, "what the kernel's unwind tables lead to can't be read");
		*ret = false;
		return true;
	}
	return false;
}

static bool step_by_cfi(struct walk *w, bool *ret)
{
	uint64_t slide, pc = meant(w);
	struct cfi *cfi = symbolizer_cfi(w->symbolizer, pc, &slide);
	struct registers caller;

	if (!cfi)
		return false;
	switch (cfi_unwind(cfi, pc - slide, &w->r, read_word, w, &caller)) {
	case CFI_NONE:
		return false;
	case CFI_FOUND:
		*ret = go_on(w, &caller, true, true, 0);
		return true;
	case CFI_FAULT:
		finish(w, STACK_END_LOST, "what the call frame information leads to can't be read");
		*ret = false;
		return true;
	}
	return false;
}

/* The word on top of the stack, if it may be where the interrupted code returns to. */
static bool guess_leaf(struct walk *w, bool *ret)
{
	uint64_t sp = get(w, REGISTER_RSP), pc;
	struct registers caller = w->r;

	if (w->is_return || !read_word(sp, &pc, w) || !is_kernel_address(pc) || !is_code(w, pc, true) ||
	    !is_after_call(w, pc))
		return false;
	register_set(&caller, REGISTER_RSP, sp + WORD);
	register_set(&caller, REGISTER_RIP, pc);
	*ret = go_on(w, &caller, true, false, 0);
	return true;
}

static bool step_by_frame_pointer(struct walk *w)
{
	uint64_t bp = get(w, REGISTER_RBP), sp = get(w, REGISTER_RSP), words[2];
	struct registers caller = { 0 };
	bool known = is_code(w, get(w, REGISTER_RIP), w->is_return);

	if (!bp && known && is_at_beginning(w)) {
		finish(w, STACK_END_START, NULL);
		return false;
	}
	if (bp < sp || !read_stack(w, bp, words, sizeof(words)) || !is_kernel_address(words[1])) {
		finish(w, STACK_END_LOST,
		       known ? "it has no call frame information, and no frame pointer"
			     : "no code is known at this address");
		return false;
	}
	register_set(&caller, REGISTER_RBP, words[0]);
	register_set(&caller, REGISTER_RSP, bp + sizeof(words));
	register_set(&caller, REGISTER_RIP, words[1]);
	return go_on(w, &caller, true, known, 0);
}

/* The caller's registers into w. False: there is no caller that is known, and the stack says why. */
static bool step(struct walk *w)
{
	bool known = is_code(w, get(w, REGISTER_RIP), w->is_return), on;
	uint64_t bp = get(w, REGISTER_RBP);

	if (known && (step_by_orc(w, &on) || step_by_cfi(w, &on)))
		return on;
	if (bp & 1 && is_kernel_address(bp))
		return cross_regs(w, bp - 1, false);
	if (w->is_return && is_at_entry(w))
		return cross_regs(w, get(w, REGISTER_RSP), false);
	if (guess_leaf(w, &on))
		return on;
	return step_by_frame_pointer(w);
}

static void add_frame(struct walk *w)
{
	struct stack *s = w->stack;

	/* Doubled whenever it is a power of two. */
	if (!(s->n & (s->n - 1)))
		s->frames = xreallocarray(s->frames, s->n ? 2 * s->n : 1, sizeof(*s->frames));
	s->frames[s->n++] = (struct stack_frame){
		.pc = get(w, REGISTER_RIP),
		.sp = get(w, REGISTER_RSP),
		.is_return = w->is_return,
		.reliable = w->reliable,
		.regs = w->regs,
		.on = w->ranges[w->on].name,
	};
}

/* A guess that led to where the kernel was entered was right. */
static void confirm(const struct walk *w)
{
	struct stack *s = w->stack;

	if ((s->end != STACK_END_USER && s->end != STACK_END_START) || !is_at_beginning(w))
		return;
	for (size_t i = 0; i < s->n; i++)
		s->frames[i].reliable = true;
}

static void walk(struct walk *w)
{
	do {
		if (w->stack->n == LIMIT_STACK_FRAMES) {
			finish(w, STACK_END_LOST, "there are more frames than a stack has room for");
			return;
		}
		/* Not the return address that was taken for one: whatever is there, it is no code of the kernel's. */
		if (w->stack->n && !is_kernel_address(get(w, REGISTER_RIP))) {
			finish(w, STACK_END_LOST, "the return address is not in the kernel");
			return;
		}
		add_frame(w);
	} while (step(w));
	confirm(w);
}

/* --- Of a task --- */

static struct err *check_facts(const struct kernel *k)
{
	static const enum kernel_fact facts[] = {
		FACT_TASK_SP, FACT_TASK_STACK, FACT_INACTIVE_FRAME, FACT_INACTIVE_FRAME_BP,     FACT_REGS,
		FACT_REGS_IP, FACT_REGS_SP,    FACT_REGS_CS,        FACT_INACTIVE_FRAME_RETURN,
	};

	return need(k, "stacks", facts, ARRAY_SIZE(facts));
}

bool stack_look_at(const struct kernel *k, uint64_t task, struct stack_moment *ret)
{
	*ret = (struct stack_moment){ 0 };
	/* On kernels for one CPU there is no on_cpu. */
	if (has(k, FACT_TASK_ON_CPU) && !read_member(k, task, FACT_TASK_ON_CPU, &ret->on_cpu))
		return false;
	if (has(k, FACT_TASK_NVCSW) && !read_member(k, task, FACT_TASK_NVCSW, &ret->switches[0]))
		return false;
	if (has(k, FACT_TASK_NIVCSW) && !read_member(k, task, FACT_TASK_NIVCSW, &ret->switches[1]))
		return false;
	return read_member(k, task, FACT_TASK_SP, &ret->sp) && read_member(k, task, FACT_TASK_STACK, &ret->stack);
}

/* What __switch_to_asm() has put on the stack. False: that can't be read. */
static bool read_inactive_frame(const struct walk *w, uint64_t sp, struct registers *ret)
{
	static const struct {
		enum kernel_fact fact;
		enum register_number number;
	} members[] = {
		{ FACT_INACTIVE_FRAME_BX, REGISTER_RBX },     { FACT_INACTIVE_FRAME_BP, REGISTER_RBP },
		{ FACT_INACTIVE_FRAME_R12, REGISTER_R12 },    { FACT_INACTIVE_FRAME_R13, REGISTER_R13 },
		{ FACT_INACTIVE_FRAME_R14, REGISTER_R14 },    { FACT_INACTIVE_FRAME_R15, REGISTER_R15 },
		{ FACT_INACTIVE_FRAME_RETURN, REGISTER_RIP },
	};
	uint64_t size = w->k->facts[FACT_INACTIVE_FRAME].size, value;
	uint8_t copy[LIMIT_REGS];

	if (size > sizeof(copy) || !read_stack(w, sp, copy, size))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (member_of(w->k, copy, size, members[i].fact, &value))
			register_set(ret, members[i].number, value);
	}
	register_set(ret, REGISTER_RSP, sp + size);
	return true;
}

static bool take_inactive_frame(struct walk *w, uint64_t sp)
{
	const struct place *place;

	if (!read_inactive_frame(w, sp, &w->r))
		return false;
	/* A task that never ran begins at a function, rather than to return into one. */
	place = symbolize(w->symbolizer, get(w, REGISTER_RIP), false);
	w->is_return = !place->symbol || place->offset;
	return true;
}

/* Whether a task's stack pointer may be that of a task that sleeps. */
static bool is_saved_sp(const struct walk *w, uint64_t sp)
{
	return sp % WORD == 0 && find_range(w, sp, WORD) != SIZE_MAX;
}

/* The stack from sp on, if the task doesn't run meanwhile. False: it does. */
static bool copy_stack(struct walk *w, const struct task *t, const struct stack_moment *before)
{
	struct stack_moment after;

	w->copy_start = before->sp;
	w->copy_size = w->ranges[0].end - before->sp;
	w->copy = xreallocarray(w->copy, w->copy_size, 1);
	if (!mem_try_read(w->k->mem, before->sp, w->copy, w->copy_size)) {
		finish(w, STACK_END_LOST, "the stack can't be read");
		w->copy_size = 0;
		return true;
	}
	return stack_look_at(w->k, t->address, &after) && memcmp(before, &after, sizeof(after)) == 0;
}

/* False: the task ran meanwhile. */
static bool try_task(struct walk *w, const struct task *t)
{
	struct stack_moment before;

	if (!stack_look_at(w->k, t->address, &before)) {
		finish(w, STACK_END_LOST, "the task can't be read");
		return true;
	}
	if (before.on_cpu) {
		finish(w, STACK_END_RUNNING, NULL);
		return true;
	}
	if (!task_stack(w->k, t->address, &w->ranges[0])) {
		finish(w, STACK_END_GONE, NULL);
		return true;
	}
	w->ranges_n = 1;
	if (!is_saved_sp(w, before.sp)) {
		finish(w, STACK_END_LOST, "its saved stack pointer is not in its stack");
		return true;
	}
	if (!copy_stack(w, t, &before))
		return false;
	if (w->copy_size && !take_inactive_frame(w, before.sp))
		finish(w, STACK_END_LOST, "its saved registers can't be read");
	else if (w->copy_size)
		walk(w);
	return true;
}

struct err *stack_read(const struct kernel *k, struct symbolizer *s, const struct task *t, struct stack *ret)
{
	struct stack stack = STACK_INIT;
	struct walk w = { .k = k, .symbolizer = s, .stack = &stack, .reliable = true };
	bool done = false;

	TRY(check_facts(k));
	for (unsigned int i = 0; i < LIMIT_TRIES && !done; i++)
		done = try_task(&w, t);
	if (!done)
		finish(&w, STACK_END_CHANGED, NULL);
	free(w.copy);
	*ret = stack;
	return NULL;
}

bool stack_saved_registers(const struct kernel *k, uint64_t task, struct registers *ret)
{
	struct walk w = { .k = k, .ranges_n = 1 };
	struct stack_moment now;

	*ret = (struct registers){ 0 };
	return stack_look_at(k, task, &now) && !now.on_cpu && task_stack(k, task, &w.ranges[0]) &&
	       is_saved_sp(&w, now.sp) && read_inactive_frame(&w, now.sp, ret);
}

/* --- Of a CPU --- */

struct err *stack_read_cpu(const struct kernel *k, struct symbolizer *s, uint32_t cpu, const struct cpu_registers *regs,
			   struct stack *ret)
{
	struct stack stack = STACK_INIT;
	struct walk w = { .k = k, .symbolizer = s, .stack = &stack, .r = regs->r, .reliable = true };
	uint64_t task;

	TRY(check_facts(k));
	if ((regs->cs & CS_LEVEL) == CS_USER) {
		stack.user_pc = get(&w, REGISTER_RIP);
		stack.user_sp = get(&w, REGISTER_RSP);
		stack.syscall = -1;
		finish(&w, STACK_END_USER, NULL);
		*ret = stack;
		return NULL;
	}
	if (cpu_current(k, cpu, &task) && task_stack(k, task, &w.ranges[0]))
		w.ranges_n = 1;
	w.ranges_n += cpu_stacks(k, cpu, w.ranges + w.ranges_n);
	w.on = find_range(&w, get(&w, REGISTER_RSP), 1);
	if (w.on == SIZE_MAX) {
		w.on = 0;
		add_frame(&w);
		stack.frames[0].on = NULL;
		finish(&w, STACK_END_LOST, "the stack pointer is in no stack that is known");
	} else {
		walk(&w);
	}
	*ret = stack;
	return NULL;
}
