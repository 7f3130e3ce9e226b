/*
 * Tasks as threads, on a kernel and a machine made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/unit/fake_cpus.h"
#include "tests/unit/fake_stack.h"

#include "target/linux.h"

/* Page tables of a process, and what they map at USER: all of the image. */
enum { TOP_TABLE = 0x14000, USER_PUD = 0x15000, USER_PMD = 0x16000, BASE = 10000000 };

#define USER UINT64_C(0x40000000)

/* Where the sleeper's saved registers are in the image. */
enum { SAVED = FAKE_STACK + 0x800 };

struct fixture {
	struct fake_kernel *f;
	struct mem *mem; /* the machine's; the Linux target has one of its own */
	struct fake_cpus *beneath;
	struct target *t;
	size_t running, sleeper, other; /* tasks in the image */
	bool has_facts;
	struct buf monitor; /* lines for the callback */
	struct buf output;
};

static struct err *facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	const struct fixture *x = user;

	if (!x->has_facts)
		return err_create(ERR_NOT_FOUND, "no facts");
	memcpy(ret, x->f->facts, sizeof(x->f->facts));
	return NULL;
}

static struct err *monitor(void *user, const char *line, target_output output, void *output_user, bool *ret_known)
{
	struct fixture *x = user;

	*ret_known = strncmp(line, "ps", 2) == 0;
	if (*ret_known) {
		buf_puts(&x->monitor, line);
		output("tasks\n", 6, output_user);
	}
	return NULL;
}

static void take_output(const char *text, size_t len, void *user)
{
	buf_append(user, text, len);
}

/* The sleeper's registers, and page tables of its own. */
static void make_sleeper(struct fixture *x)
{
	struct fake_kernel *f = x->f;

	fake_put64(f, x->sleeper + FAKE_TASK_STACK, fake_direct(f, FAKE_STACK));
	fake_put64(f, x->sleeper + FAKE_TASK_SP, fake_direct(f, SAVED));
	fake_put64(f, SAVED + FAKE_INACTIVE_RBX, 0xb);
	fake_put64(f, SAVED + FAKE_INACTIVE_RBP, 0xbb);
	fake_put64(f, SAVED + FAKE_INACTIVE_RIP, FAKE_TEXT + 0x150);
	fake_put64(f, FAKE_MM + FAKE_MM_PGD, fake_direct(f, TOP_TABLE));
	fake_put64(f, TOP_TABLE, (f->phys + USER_PUD) | 7);
	fake_put64(f, USER_PUD + (USER >> 30) * 8, (f->phys + USER_PMD) | 7);
	fake_put64(f, USER_PMD, f->phys | 0x87);
}

static void make_target(struct fixture *x, const char *tasks)
{
	const struct linux_params params = {
		.mem = fake_mem(x->f),
		.build_id = FAKE_BUILD_ID,
		.tasks = tasks,
		.facts = facts,
		.monitor = monitor,
		.user = x,
	};

	target_destroy(x->t);
	x->beneath = fake_cpus_create(2, x->mem);
	x->t = linux_target_create(&params, &x->beneath->target);
	/* The target counts its CPUs the other way round. The second one is in user mode. */
	fake_cpus_set(x->beneath, 1, "gs_base", fake_direct(x->f, FAKE_PER_CPU + 0x1000));
	fake_cpus_set(x->beneath, 1, "rax", 0xa1);
	fake_cpus_set(x->beneath, 2, "gs_base", 0x1234);
	fake_cpus_set(x->beneath, 2, "k_gs_base", fake_direct(x->f, FAKE_PER_CPU));
}

static int setup(void **state)
{
	struct fixture *x = xcalloc(1, sizeof(*x));
	struct kernel *k;

	x->f = fake_create(0x400000, 0);
	x->running = fake_process(x->f, "runs");
	x->sleeper = fake_process(x->f, "sleeper");
	x->other = fake_thread(x->f, 1, "helper");
	fake_stacks(x->f, x->running);
	fake_put32(x->f, x->running + FAKE_TASK_ON_CPU, 1);
	fake_put64(x->f, FAKE_PER_CPU + 0x1000 + FAKE_CPU_CURRENT, FAKE_TEXT + FAKE_INIT_TASK);
	memcpy(x->f->image + FAKE_INIT_TASK + FAKE_TASK_COMM, "swapper/1", 10);
	make_sleeper(x);
	x->mem = fake_mem(x->f);
	if (kernel_open(x->mem, FAKE_BUILD_ID, x->f->facts, &k))
		return -1;
	kernel_destroy(k);
	x->has_facts = true;
	make_target(x, "all");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	target_destroy(x->t);
	mem_destroy(x->mem);
	buf_deinit(&x->monitor);
	buf_deinit(&x->output);
	free(x->f);
	free(x);
	return 0;
}

static void expect_code(struct err *e, enum err_code code)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	err_destroy(e);
}

/* All threads, as "ID CORE NAME, ..." */
static void expect_threads(struct fixture *x, const char *expected)
{
	_cleanup_(target_threads_deinit) struct target_threads list = TARGET_THREADS_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	assert_null(target_threads(x->t, &list));
	for (size_t i = 0; i < list.n; i++)
		buf_printf(&text, "%s%u %u %s", i ? ", " : "", list.v[i].id, list.v[i].core, list.v[i].name);
	assert_string_equal(buf_str(&text), expected);
}

#define CPUS "1 1 CPU 1: swapper/1, 2 0 CPU 0: runs/1"
#define SLEEPER ", 10000002 1 sleeper/2 S"

static void names_cpus_and_lists_sleepers(void **state)
{
	struct fixture *x = *state;

	/* The third one has no stack: it could not be looked at. */
	expect_threads(x, CPUS SLEEPER);
	assert_true(target_has_thread(x->t, 2));
	assert_false(target_has_thread(x->t, 3));
	assert_true(target_has_thread(x->t, BASE + 2));
	assert_false(target_has_thread(x->t, BASE + 1));
	assert_false(target_has_thread(x->t, BASE + 3));
}

static void recognizes_a_cpu_by_its_stack(void **state)
{
	struct fixture *x = *state;

	fake_cpus_set(x->beneath, 1, "gs_base", 0);
	fake_cpus_set(x->beneath, 1, "rsp", fake_direct(x->f, FAKE_PER_CPU + FAKE_IRQ_STACK + 0x100));
	fake_cpus_set(x->beneath, 2, "k_gs_base", 0);
	/* Of the second nothing is known: it counts as the target does. */
	expect_threads(x, "1 0 CPU 0: runs/1, 2 1 CPU 1: swapper/1" SLEEPER);
}

static void lists_what_is_asked_for(void **state)
{
	static const struct {
		const char *line, *threads;
	} cases[] = {
		{ "tasks off", CPUS },          { "tasks 2", CPUS SLEEPER },
		{ "  tasks\t3 ", CPUS },        { "tasks leep", CPUS SLEEPER },
		{ "tasks er/2", CPUS SLEEPER }, { "tasks nobody", CPUS },
		{ "tasks all", CPUS SLEEPER },  { "tasks 99999999999999999999999", NULL },
		{ "tasks a b", NULL },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err *e = target_monitor(x->t, 1, cases[i].line, take_output, &x->output);

		if (cases[i].threads) {
			assert_null(e);
			expect_threads(x, cases[i].threads);
		} else {
			expect_code(e, ERR_USAGE);
		}
	}
	assert_null(x->beneath->line);
	make_target(x, "off");
	expect_threads(x, CPUS);
	make_target(x, NULL);
	expect_threads(x, CPUS);
	buf_clear(&x->output);
	assert_null(target_monitor(x->t, 1, "tasks", take_output, &x->output));
	assert_non_null(strstr(buf_str(&x->output), "no tasks are listed"));
}

static void passes_other_lines_on(void **state)
{
	struct fixture *x = *state;

	assert_null(target_monitor(x->t, 1, "ps -l", take_output, &x->output));
	assert_string_equal(buf_str(&x->monitor), "ps -l");
	assert_null(x->beneath->line);
	assert_null(target_monitor(x->t, 1, "tasksx", take_output, &x->output));
	assert_string_equal(x->beneath->line, "tasksx");
	assert_string_equal(buf_str(&x->output), "tasks\nfake\n");
}

static uint64_t word_at(const struct buf *b, const char *name, const struct fixture *x)
{
	uint64_t value = 0;

	assert_true(description_value(description_find(&x->beneath->description, name), b->data, b->len, &value));
	return value;
}

static void has_saved_registers(void **state)
{
	static const char *const unknown[] = { "rax", "rdi", "r8", "eflags", "gs_base" };
	struct fixture *x = *state;
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT, known = BUF_INIT, one = BUF_INIT;
	uint64_t pc;

	assert_null(target_read_registers(x->t, BASE + 2, &bytes));
	assert_null(target_known_registers(x->t, BASE + 2, &known));
	assert_int_equal(bytes.len, x->beneath->description.size);
	assert_int_equal(known.len, bytes.len);
	assert_int_equal(word_at(&bytes, "rbx", x), 0xb);
	assert_int_equal(word_at(&bytes, "rbp", x), 0xbb);
	assert_int_equal(word_at(&bytes, "rip", x), FAKE_TEXT + 0x150);
	assert_int_equal(word_at(&bytes, "rsp", x), fake_direct(x->f, SAVED + FAKE_INACTIVE_SIZE));
	assert_int_equal(known.data[description_find(&x->beneath->description, "rip")->offset], 1);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		const struct description_register *r = description_find(&x->beneath->description, unknown[i]);

		assert_int_equal(known.data[r->offset], 0);
		assert_null(target_read_register(x->t, BASE + 2, r->number, &one));
		assert_int_equal(one.len, 0);
	}
	assert_null(target_read_register(x->t, BASE + 2, 1, &one));
	assert_int_equal(one.len, 8);
	assert_int_equal(one.data[0], 0xb);
	expect_code(target_read_register(x->t, BASE + 2, 1000, &one), ERR_NOT_FOUND);
	assert_null(target_program_counter(x->t, BASE + 2, &pc));
	assert_int_equal(pc, FAKE_TEXT + 0x150);
}

static void cpus_are_as_beneath(void **state)
{
	struct fixture *x = *state;
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT, known = BUF_INIT;

	assert_null(target_read_registers(x->t, 1, &bytes));
	assert_int_equal(word_at(&bytes, "rax", x), 0xa1);
	assert_null(target_known_registers(x->t, 1, &known));
	assert_int_equal(known.len, 0);
	assert_null(target_write_registers(x->t, 2, "\x07", 1));
	assert_int_equal(x->beneath->registers[1][0], 7);
}

static void expect_refused(struct err *e)
{
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "thread 10000002 is the sleeping task sleeper/2"));
	expect_code(e, ERR_UNSUPPORTED);
}

static void sleepers_are_only_looked_at(void **state)
{
	const struct target_resume step = { .step = BASE + 2 }, over = { .over = BASE + 2 },
				   only = { .only = BASE + 2 }, on = { .step = 1 };
	struct fixture *x = *state;

	expect_refused(target_write_registers(x->t, BASE + 2, "", 1));
	expect_refused(target_write_register(x->t, BASE + 2, 0, "", 1));
	expect_refused(target_resume(x->t, &step));
	expect_refused(target_resume(x->t, &over));
	expect_refused(target_resume(x->t, &only));
	assert_int_equal(x->beneath->resumed, 0);
	assert_null(target_resume(x->t, &on));
	assert_int_equal(x->beneath->how.step, 1);
}

static void the_list_lasts_for_a_stop(void **state)
{
	const struct target_resume on = { 0 };
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;
	struct fixture *x = *state;

	expect_threads(x, CPUS SLEEPER);
	memcpy(x->f->image + x->sleeper + FAKE_TASK_COMM, "other", 6);
	expect_threads(x, CPUS SLEEPER);
	assert_null(target_resume(x->t, &on));
	expect_threads(x, CPUS ", 10000002 1 other/2 S");
	/* It goes: its saved registers with it. */
	fake_put64(x->f, x->sleeper + FAKE_TASK_STACK, 0);
	expect_code(target_read_registers(x->t, BASE + 2, &bytes), ERR_FAULT);
	assert_null(target_resume(x->t, &on));
	expect_threads(x, CPUS);
	assert_false(target_has_thread(x->t, BASE + 2));
	expect_code(target_read_registers(x->t, BASE + 2, &bytes), ERR_NOT_FOUND);
	assert_int_equal(bytes.len, 0);
}

static void a_thread_has_one_number(void **state)
{
	struct fixture *x = *state;

	fake_put64(x->f, x->other + FAKE_TASK_STACK, fake_direct(x->f, FAKE_STACK));
	fake_put64(x->f, x->other + FAKE_TASK_SP, fake_direct(x->f, SAVED));
	expect_threads(x, CPUS SLEEPER ", 10000003 0 helper/3 S");
	assert_null(target_monitor(x->t, 1, "tasks 2", take_output, &x->output));
	expect_threads(x, CPUS SLEEPER ", 10000003 0 helper/3 S");
	/* The guest lies. */
	fake_put32(x->f, x->other + FAKE_TASK_PID, 2);
	assert_null(target_monitor(x->t, 1, "tasks all", take_output, &x->output));
	expect_threads(x, CPUS SLEEPER);
	fake_put32(x->f, x->other + FAKE_TASK_PID, 0xfffffff0);
	assert_null(target_monitor(x->t, 1, "tasks all", take_output, &x->output));
	expect_threads(x, CPUS SLEEPER);
}

static void reads_memory_as_the_task_sees_it(void **state)
{
	struct fixture *x = *state;
	uint64_t word = 0;
	size_t n;

	fake_put64(x->f, FAKE_AREA, 0x1122334455667788);
	assert_null(target_read_memory(x->t, BASE + 2, fake_direct(x->f, FAKE_AREA), &word, 8, &n));
	assert_int_equal(n, 8);
	assert_int_equal(word, 0x1122334455667788);
	word = 0;
	assert_null(target_read_memory(x->t, BASE + 2, USER + FAKE_AREA, &word, 8, &n));
	assert_int_equal(word, 0x1122334455667788);
	expect_code(target_read_memory(x->t, BASE + 2, 0x1000, &word, 8, &n), ERR_FAULT);
	expect_code(target_read_memory(x->t, BASE + 9, FAKE_TEXT, &word, 8, &n), ERR_NOT_FOUND);
	/* Beneath it is known for no CPU: the kernel's own tables have it. */
	x->beneath->mem = NULL;
	word = 0;
	assert_null(target_read_memory(x->t, BASE + 2, fake_direct(x->f, FAKE_AREA), &word, 8, &n));
	assert_int_equal(word, 0x1122334455667788);
	expect_code(target_read_memory(x->t, 1, fake_direct(x->f, FAKE_AREA), &word, 8, &n), ERR_FAULT);
	/* A kernel thread has no other memory. */
	fake_put64(x->f, x->sleeper + FAKE_TASK_MM, 0);
	expect_code(target_read_memory(x->t, BASE + 2, USER, &word, 8, &n), ERR_FAULT);
}

static void writes_memory_beneath(void **state)
{
	struct fixture *x = *state;
	uint64_t kernel = fake_direct(x->f, FAKE_AREA);

	assert_null(target_write_memory(x->t, BASE + 2, kernel, "abc", 3));
	assert_int_equal(x->beneath->written_at, kernel);
	assert_memory_equal(x->beneath->written, "abc", 3);
	expect_code(target_write_memory(x->t, BASE + 2, 0x1000, "abc", 3), ERR_FAULT);
	/* By the map of all memory. */
	assert_null(target_write_memory(x->t, BASE + 2, USER + 0x123, "de", 2));
	assert_int_equal(x->beneath->written_at, fake_direct(x->f, 0x123));
	assert_memory_equal(x->beneath->written, "de", 2);
}

static int64_t variable(struct fixture *x, uint32_t thread, const char *name)
{
	const struct target_variable *list;
	int64_t value = -1;
	size_t n;

	list = target_variables(x->t, &n);
	for (size_t i = 0; i < n; i++) {
		if (streq(list[i].name, name))
			assert_null(target_variable(x->t, thread, list[i].number, &value));
	}
	return value;
}

static void has_variables(void **state)
{
	struct fixture *x = *state;
	int64_t value;

	fake_put32(x->f, x->running + FAKE_TASK_TGID, 77);
	assert_int_equal(variable(x, 1, "ktb_pid"), 0);
	assert_int_equal(variable(x, 1, "ktb_cpu"), 1);
	assert_int_equal(variable(x, 2, "ktb_pid"), 1);
	assert_int_equal(variable(x, 2, "ktb_tgid"), 77);
	assert_int_equal(variable(x, 2, "ktb_cpu"), 0);
	assert_int_equal(variable(x, BASE + 2, "ktb_pid"), 2);
	assert_int_equal(variable(x, BASE + 2, "ktb_cpu"), 1);
	expect_code(target_variable(x->t, 1, 99, &value), ERR_NOT_FOUND);
	expect_code(target_variable(x->t, BASE + 9, 1, &value), ERR_NOT_FOUND);
	/* Which CPU it is was found out once. */
	assert_int_equal(x->beneath->registers_read, 2);
	fake_put64(x->f, FAKE_PER_CPU + FAKE_CPU_CURRENT, 0);
	expect_code(target_variable(x->t, 2, 1, &value), ERR_FAULT);
}

static void does_without_a_kernel(void **state)
{
	struct fixture *x = *state;
	int64_t value;

	x->has_facts = false;
	make_target(x, "all");
	expect_threads(x, "1 0 CPU#0, 2 1 CPU#1");
	assert_false(target_has_thread(x->t, BASE + 2));
	expect_code(target_variable(x->t, 1, 1, &value), ERR_NOT_FOUND);
	assert_null(target_monitor(x->t, 1, "tasks", take_output, &x->output));
	assert_non_null(strstr(buf_str(&x->output), "once the kernel has come so far"));
}

static void forgets_all_at_a_reset(void **state)
{
	_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;
	struct fixture *x = *state;

	expect_threads(x, CPUS SLEEPER);
	memset(x->f->image + FAKE_ID, 0, 20);
	memset(x->f->image + FAKE_VMCOREINFO, 0, 0x100);
	x->beneath->event = (struct target_event){ .kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_RESET };
	assert_null(target_next_event(x->t, &e));
	expect_threads(x, "1 0 CPU#0, 2 1 CPU#1");
	assert_false(target_has_thread(x->t, BASE + 2));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_cpus_and_lists_sleepers), TEST(recognizes_a_cpu_by_its_stack),
		TEST(lists_what_is_asked_for),       TEST(passes_other_lines_on),
		TEST(has_saved_registers),           TEST(cpus_are_as_beneath),
		TEST(sleepers_are_only_looked_at),   TEST(the_list_lasts_for_a_stop),
		TEST(a_thread_has_one_number),       TEST(reads_memory_as_the_task_sees_it),
		TEST(writes_memory_beneath),         TEST(has_variables),
		TEST(does_without_a_kernel),         TEST(forgets_all_at_a_reset),
	};

	log_level = LOG_LEVEL_QUIET;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
