/*
 * Tasks of a kernel made by hand, whole and torn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/task.h"
#include "tests/unit/fake_kernel.h"

static int setup(void **state)
{
	*state = fake_fixture_create(0x1400000, 0x600000);
	return 0;
}

static void reads_a_process(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	size_t at = fake_process(x->fake, "init");

	fake_thread(x->fake, 0, "worker");
	fake_process(x->fake, "sh");
	assert_null(task_list_read(x->kernel, false, &list));
	assert_true(list.complete);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.tasks[0].known, TASK_KNOWS_ALL);
	assert_int_equal(list.tasks[0].address, fake_direct(x->fake, at));
	assert_int_equal(list.tasks[0].pid, 1);
	assert_int_equal(list.tasks[0].tgid, 1);
	assert_int_equal(list.tasks[0].ppid, 0);
	assert_int_equal(list.tasks[0].uid, 1000);
	assert_int_equal(list.tasks[0].cpu, 0);
	assert_int_equal(list.tasks[0].state, 'S');
	assert_false(list.tasks[0].kernel_thread);
	/* Three kinds of pages, 10 + 3 - 1 of each. */
	assert_int_equal(list.tasks[0].rss, 3 * 12 * 4096);
	/* Two threads, and what ended ones had. */
	assert_int_equal(list.tasks[0].time, 2010);
	assert_string_equal(list.tasks[0].comm, "init");
	assert_int_equal(list.tasks[1].pid, 3);
	assert_string_equal(list.tasks[1].comm, "sh");
}

static void reads_threads(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;

	fake_process(x->fake, "init");
	fake_thread(x->fake, 0, "worker");
	fake_process(x->fake, "sh");
	assert_null(task_list_read(x->kernel, true, &list));
	assert_true(list.complete);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.tasks[1].comm, "worker");
	assert_int_equal(list.tasks[1].tgid, 1);
	assert_int_equal(list.tasks[1].pid, 2);
	assert_int_equal(list.tasks[1].time, 1000);
	assert_int_equal(list.tasks[1].cpu, 1);
	/* The pages of the mm that it shares. */
	assert_int_equal(list.tasks[1].rss, 3 * 12 * 4096);
}

static void no_tasks_are_no_error(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;

	assert_null(task_list_read(x->kernel, true, &list));
	assert_true(list.complete);
	assert_int_equal(list.n, 0);
}

static void a_torn_list_is_not_complete(void **state)
{
	struct fake_fixture *x = *state;
	size_t at;

	fake_process(x->fake, "a");
	at = fake_process(x->fake, "b");
	fake_process(x->fake, "c");
	/* As list_del_rcu() leaves it. */
	fake_put64(x->fake, at + FAKE_TASK_TASKS + 8, UINT64_C(0xdead000000000122));
	for (int threads = 0; threads < 2; threads++) {
		_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;

		assert_null(task_list_read(x->kernel, threads, &list));
		assert_false(list.complete);
		assert_int_equal(list.n, 1);
		assert_string_equal(list.tasks[0].comm, "a");
	}
}

static void a_list_that_goes_round_ends(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	size_t a = fake_process(x->fake, "a"), b = fake_process(x->fake, "b");

	fake_put64(x->fake, b + FAKE_TASK_TASKS, fake_direct(x->fake, a + FAKE_TASK_TASKS));
	assert_null(task_list_read(x->kernel, true, &list));
	assert_false(list.complete);
	assert_in_range(list.n, 0, 2);
}

static void torn_threads_leave_the_process(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	size_t at;

	fake_process(x->fake, "a");
	at = fake_thread(x->fake, 0, "thread");
	fake_process(x->fake, "b");
	fake_put64(x->fake, at + FAKE_TASK_THREAD_NODE, 42);
	assert_null(task_list_read(x->kernel, false, &list));
	assert_int_equal(list.n, 2);
	/* What the process's threads took can't be known. */
	assert_int_equal(list.tasks[0].known, TASK_KNOWS_ALL & ~TASK_KNOWS_TIME);
	assert_int_equal(list.tasks[1].known, TASK_KNOWS_ALL);
	assert_true(list.complete);
	/* Who wants to see each of them is told that some are missing. */
	task_list_deinit(&list);
	assert_null(task_list_read(x->kernel, true, &list));
	assert_int_equal(list.n, 2);
	assert_false(list.complete);
}

static void what_cannot_be_read_is_not_known(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	size_t at = fake_process(x->fake, "a");

	fake_put64(x->fake, at + FAKE_TASK_REAL_CRED, fake_direct(x->fake, 0x10000000));
	fake_put64(x->fake, at + FAKE_TASK_REAL_PARENT, 8);
	fake_put64(x->fake, at + FAKE_TASK_MM, 8);
	assert_null(task_list_read(x->kernel, false, &list));
	assert_int_equal(list.n, 1);
	assert_int_equal(list.tasks[0].known, TASK_KNOWS_ALL & ~(TASK_KNOWS_UID | TASK_KNOWS_PARENT | TASK_KNOWS_RSS));
	assert_string_equal(list.tasks[0].comm, "a");
}

static void says_what_the_kernel_lacks(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	_cleanup_(err_destroy) struct err *e = NULL;

	x->fake->facts[FACT_TASK_SIGNAL].found = false;
	assert_null(kernel_open(x->mem, FAKE_BUILD_ID, x->fake->facts, &k));
	e = task_list_read(k, false, &list);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	assert_non_null(strstr(err_message(e), "task_struct.signal"));
}

/* The kernel's own table: /proc/PID/stat has these letters. */
static void states_have_letters(void **state)
{
	(void)state;
	assert_int_equal(task_state_letter(0, 0), 'R');
	assert_int_equal(task_state_letter(0x1, 0), 'S');
	assert_int_equal(task_state_letter(0x2001, 0), 'S');
	assert_int_equal(task_state_letter(0x2, 0), 'D');
	assert_int_equal(task_state_letter(0x102, 0), 'D');
	assert_int_equal(task_state_letter(0x402, 0), 'I');
	assert_int_equal(task_state_letter(0x4, 0), 'T');
	assert_int_equal(task_state_letter(0x8, 0), 't');
	assert_int_equal(task_state_letter(0x80, 0x10), 'X');
	assert_int_equal(task_state_letter(0x80, 0x20), 'Z');
	assert_int_equal(task_state_letter(0x40, 0), 'P');
	assert_int_equal(task_state_letter(0x1000, 0), 'D');
	assert_int_equal(task_state_letter(0x8000, 0), 'D');
	assert_int_not_equal(task_state_letter(UINT32_MAX, UINT32_MAX), 0);
}

static void finds_where_it_sleeps(void **state)
{
	struct fake_fixture *x = *state;
	struct fake_kernel *f = x->fake;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	uint64_t text = FAKE_TEXT + f->slide, stack = fake_direct(f, FAKE_STACK), address = 0;
	size_t at = fake_process(f, "a");

	fake_put64(f, at + FAKE_TASK_STACK, stack);
	fake_put64(f, at + FAKE_TASK_SP, stack + 0x100);
	fake_put64(f, FAKE_STACK + 0x120, stack + 0x200);
	fake_put64(f, FAKE_STACK + 0x128, text + 0x180); /* of the scheduler */
	fake_put64(f, FAKE_STACK + 0x200, stack + 0x300);
	fake_put64(f, FAKE_STACK + 0x208, text + 0x1ff); /* this too */
	fake_put64(f, FAKE_STACK + 0x300, stack + 0x300);
	fake_put64(f, FAKE_STACK + 0x308, text + 0x250);
	assert_null(task_list_read(x->kernel, false, &list));
	assert_true(task_sleeps_in(x->kernel, &list.tasks[0], &address));
	assert_int_equal(address, text + 0x250);
	/* A stack that leads nowhere. */
	fake_put64(f, FAKE_STACK + 0x308, text + 0x150);
	assert_false(task_sleeps_in(x->kernel, &list.tasks[0], &address));
	list.tasks[0].state = 'R';
	assert_false(task_sleeps_in(x->kernel, &list.tasks[0], &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_a_process, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_threads, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(no_tasks_are_no_error, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_torn_list_is_not_complete, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_list_that_goes_round_ends, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(torn_threads_leave_the_process, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_known, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(says_what_the_kernel_lacks, setup, fake_fixture_teardown),
		cmocka_unit_test(states_have_letters),
		cmocka_unit_test_setup_teardown(finds_where_it_sleeps, setup, fake_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
