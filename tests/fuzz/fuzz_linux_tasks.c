/*
 * Fuzzes tasks as threads, and culprits: a kernel's image is damaged, and a debugger looks at all of it. Input: a line for `monitor`, its end,
 * and pieces of what fake_damage() takes. The first half of them is there from the beginning, the others come while the machine
 * runs. Then the kernel says in every way that something went wrong.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "target/linux.h"
#include "tests/unit/fake_cpus.h"
#include "tests/unit/fake_stack.h"

enum { PIECES_MAX = 32, LINE_MAX_LEN = 40, SAVED = FAKE_STACK + 0x800, SAVED_FROM = 9000000 };

/* In the image: functions with a hook, and what they are called with. */
enum { HOOKS = 0x400, HOOK_SIZE = 0x20, TEXT = 0x2b000, REGS = 0x2b400, STACK = 0x2b800 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum kernel_fact hooks[] = { FACT_DIE, FACT_DIE_INNER, FACT_DIE_ADDRESS, FACT_PANIC, FACT_WARN };

static struct fake_kernel *make_image(void)
{
	struct fake_kernel *f = fake_create(0x400000, 0);
	size_t running = fake_process(f, "runs"), sleeper;

	fake_stacks(f, running);
	for (int i = 0; i < 4; i++) {
		sleeper = i & 1 ? fake_thread(f, 1, "thread") : fake_process(f, "process");
		fake_put64(f, sleeper + FAKE_TASK_STACK, fake_direct(f, FAKE_STACK));
		fake_put64(f, sleeper + FAKE_TASK_SP, fake_direct(f, SAVED));
	}
	fake_put64(f, FAKE_MM + FAKE_MM_PGD, fake_direct(f, FAKE_PGD));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		fake_symbol(f, hooks[i], HOOKS + i * HOOK_SIZE, HOOK_SIZE);
	memcpy(f->image + TEXT, "Oops", 4);
	fake_record(f, 1, "BUG: what went wrong", 20, 2);
	fake_put64(f, REGS + FAKE_REGS_RIP, FAKE_TEXT);
	return f;
}

static struct err *facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	const struct fake_kernel *f = user;

	memcpy(ret, f->facts, sizeof(f->facts));
	return NULL;
}

static void drop(const char *text, size_t len, void *user)
{
	(void)text;
	(void)len;
	(void)user;
}

static void look_at(struct target *t, uint32_t thread)
{
	static const uint64_t addresses[] = { FAKE_DIRECT + 0x400000 + FAKE_TASKS, FAKE_TEXT, 0x1000, UINT64_MAX - 3 };
	const struct target_resume step = { .step = thread };
	struct buf bytes = BUF_INIT, known = BUF_INIT;
	uint8_t memory[64];
	struct err *e;
	int64_t value;
	uint64_t pc;

	if (!target_has_thread(t, thread))
		abort();
	e = target_read_registers(t, thread, &bytes);
	if (!e)
		e = target_known_registers(t, thread, &known);
	if (!e && known.len && known.len != bytes.len)
		abort();
	err_ignore(e);
	err_ignore(target_program_counter(t, thread, &pc));
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		size_t n = 0;

		e = target_read_memory(t, thread, addresses[i], memory, sizeof(memory), &n);
		if (!e && (!n || n > sizeof(memory)))
			abort();
		err_ignore(e);
		err_ignore(target_write_memory(t, thread, addresses[i], "x", 1));
	}
	for (unsigned int i = 1; i <= 3; i++)
		err_ignore(target_variable(t, thread, i, &value));
	if (thread > SAVED_FROM) {
		e = target_resume(t, &step);
		if (!e)
			abort();
		err_ignore(e);
	}
	buf_deinit(&bytes);
	buf_deinit(&known);
}

static void look(struct target *t)
{
	struct target_threads list = TARGET_THREADS_INIT;
	struct err *e = target_threads(t, &list);

	if (e)
		abort();
	for (size_t i = 0; i < list.n; i++) {
		if (i && list.v[i].id <= list.v[i - 1].id)
			abort();
		look_at(t, list.v[i].id);
	}
	target_threads_deinit(&list);
}

static void go_wrong(struct fake_kernel *f, struct fake_cpus *beneath, struct target *t)
{
	static const char *const arguments[] = { "rsi", "r8" };
	const struct target_resume on = { 0 };

	fake_cpus_set(beneath, 1, "rdi", fake_direct(f, TEXT));
	fake_cpus_set(beneath, 1, "rsp", fake_direct(f, STACK));
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++)
		fake_cpus_set(beneath, 1, arguments[i], fake_direct(f, REGS));
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;

		err_ignore(target_resume(t, &on));
		fake_cpus_set(beneath, 1, "rip", FAKE_TEXT + HOOKS + i * HOOK_SIZE);
		beneath->event = (struct target_event){
			.kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_BREAKPOINT, .thread = 1, .signo = 5
		};
		err_ignore(target_next_event(t, &e));
		look(t);
	}
}

static void run(struct fake_kernel *f, const char *line, const uint8_t *pieces, size_t n)
{
	const struct linux_params params = {
		.mem = fake_mem(f),
		.build_id = FAKE_BUILD_ID,
		.tasks = "all",
		.stop_on = "oops,panic,warn",
		.facts = facts,
		.user = f,
	};
	struct mem *mem = fake_mem(f);
	struct fake_cpus *beneath = fake_cpus_create(2, mem);
	struct target *t = linux_target_create(&params, &beneath->target);
	const struct target_resume on = { 0 };

	fake_cpus_set(beneath, 1, "gs_base", fake_direct(f, FAKE_PER_CPU));
	fake_cpus_set(beneath, 2, "rsp", fake_direct(f, FAKE_STACK + 0x100));
	for (size_t i = 0; i < n / 2; i++)
		fake_damage(f, pieces + i * FAKE_DAMAGE);
	look(t);
	err_ignore(target_resume(t, &on));
	for (size_t i = n / 2; i < n; i++)
		fake_damage(f, pieces + i * FAKE_DAMAGE);
	err_ignore(target_monitor(t, 1, line, drop, NULL));
	look(t);
	go_wrong(f, beneath, t);
	target_destroy(t);
	mem_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_kernel *whole;
	_cleanup_(free) struct fake_kernel *f = xmalloc(sizeof(*f));
	const uint8_t *end = size ? memchr(data, '\n', MIN(size, (size_t)LINE_MAX_LEN)) : NULL;
	_cleanup_(free) char *line = end ? xstrndup((const char *)data, (size_t)(end - data)) : xstrdup("tasks all");
	const uint8_t *pieces = end ? end + 1 : data;

	log_level = LOG_LEVEL_QUIET;
	if (!whole)
		whole = make_image();
	memcpy(f, whole, sizeof(*f));
	run(f, line, pieces, MIN((size - (size_t)(pieces - data)) / FAKE_DAMAGE, (size_t)PIECES_MAX));
	return 0;
}
