/*
 * Stops of a machine as the Linux target makes events of them: hooks, a kernel that appears while
 * it runs, and the wishes of the client's that come in between.
 */
#include "linux_fixture.h"

/* --- Hooks --- */

static void plants_hooks_when_it_goes_on(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_int_equal(x->m->breaks.n, 0);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
	assert_int_equal(planted(x, FREE), 1);
	assert_int_equal(target_timeout_ms(x->t), -1);
}

/* Whose list is not changed by it: one that failed early, say. */
static void passes_by_what_is_no_news(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 2, DO_INIT);
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->resumed, 2);
	assert_int_equal(x->m->how.over, 2);
	assert_int_equal(x->m->how.step, 0);
}

static void a_breakpoint_of_the_client_at_a_hook(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	assert_int_equal(planted(x, DO_INIT), 2);
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	/* It is the client's to go past its own. */
	go(x);
	assert_int_equal(x->m->how.over, 0);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	/* What it also was comes next, and nothing has run. */
	go(x);
	assert_false(x->m->runs);
	assert_int_equal(target_timeout_ms(x->t), 0);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	/* Without it the hook is passed. */
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	assert_int_equal(planted(x, DO_INIT), 1);
	go(x);
	assert_int_equal(x->m->how.over, 1);
	assert_not_found(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
}

/* The client has removed its breakpoint between the two events. */
static void what_is_held_back_is_looked_at_again(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->how.over, 1);
}

static void an_interrupt_at_a_hook_is_not_lost(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 2, DO_INIT);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_SIGNAL, 2, SIGNAL_INT);
	go(x);
	assert_int_equal(x->m->how.over, 2);
	/* Together with news. */
	fake_module(x->fake, "vfat");
	hit(x, 2, DO_INIT);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_LIBRARIES, 2, SIGNAL_TRAP);
	go(x);
	expect(x, TARGET_REASON_SIGNAL, 2, SIGNAL_INT);
	go(x);
	assert_true(x->m->runs);
}

static void an_interrupt_before_news_is_not_lost(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, false);
	fake_module(x->fake, "vfat");
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, DO_INIT));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	go(x);
	assert_null(target_interrupt(x->t));
	assert_int_equal(x->m->interrupted, 0);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	go(x);
	assert_true(x->m->runs);
}

/* --- Steps --- */

static void a_step_onto_a_hook_stays_a_step(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, false);
	fake_module(x->fake, "vfat");
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, DO_INIT));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	/* The news comes when the client lets it run. */
	go(x);
	assert_false(x->m->runs);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	assert_int_equal(x->m->how.over, 1);
}

static void a_hook_of_another_cpu_does_not_disturb_a_step(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, true);
	hit(x, 2, DO_INIT);
	expect_none(x);
	assert_int_equal(x->m->how.step, 1);
	assert_int_equal(x->m->how.over, 2);
	/* The step was done when the other one came there. */
	x->m->pc[0] = at(x, ELSEWHERE + 1);
	hit(x, 2, DO_INIT);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
}

/* --- The kernel's coming --- */

static void wait_for_a_look(void)
{
	usleep(25000);
}

static void plants_hooks_when_the_kernel_appears(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8), first, slide;

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	assert_not_found(target_offsets(x->t, &first, &slide));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->breaks.n, 0);
	assert_in_range(target_timeout_ms(x->t), 1, 21);
	wait_for_a_look();
	expect_none(x);
	assert_int_equal(x->m->interrupted, 0);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	usleep(30000);
	expect_none(x);
	assert_int_equal(x->m->interrupted, 1);
	/* The stop that was wanted: nothing to the client. */
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(planted(x, DO_INIT), 1);
	assert_int_equal(x->m->resumed, 2);
	assert_int_equal(target_timeout_ms(x->t), -1);
}

static void the_clients_interrupt_while_hooks_are_planted(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8);

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	wait_for_a_look();
	expect_none(x);
	assert_int_equal(x->m->interrupted, 1);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	assert_null(x->e.message);
	assert_false(x->m->runs);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
}

static void a_breakpoint_while_hooks_are_wanted(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8);

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	wait_for_a_look();
	hit(x, 2, ELSEWHERE);
	/* It is read before anybody looks. */
	expect(x, TARGET_REASON_BREAKPOINT, 2, SIGNAL_TRAP);
}

static void says_where_it_was_moved_to_once(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8 * 4), first, slide;

	fake_put64(x->fake, FAKE_PMD + 8 * 4, 0);
	assert_not_found(target_offsets(x->t, &first, &slide));
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8 * 4, entry);
	wait_for_a_look();
	expect_none(x);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	assert_non_null(strstr(x->e.message, "symbol-file -o 0x600000 /b/vmlinux"));
	go(x);
	assert_true(x->m->runs);
	assert_int_equal(planted(x, DO_INIT), 1);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_null(x->e.message);
}

/* What is in memory after a reset may be what was there before. */
static void a_reset_forgets_all(void **state)
{
	struct fixture *x = *state;

	fake_module(x->fake, "vfat");
	attach(x);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, 0xfff0);
	x->m->mem = NULL;
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	assert_int_equal(x->m->breaks.n, 0);
	go(x);
	/* The client has the module yet. */
	assert_false(x->m->runs);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_true(x->m->runs);
	wait_for_a_look();
	expect_none(x);
	/* The CPUs don't see it: it is stopped for a look, and goes on. */
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->breaks.n, 0);
	x->m->mem = x->cpu_mem;
	usleep(60000);
	expect_none(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
}

/* Until it goes on, the CPUs are as they were, and so is memory. */
static void a_reset_to_come_shows_what_was(void **state)
{
	struct fixture *x = *state;
	uint64_t inside = fake_direct(x->fake, FAKE_MODULE_AREAS) + 4;
	size_t module = fake_module(x->fake, "vfat");

	fake_put32(x->fake, module + FAKE_MODULE_MEM + 8, 0x7fffffff);
	attach(x);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, at(x, ELSEWHERE));
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	/* A client that has not asked plants its breakpoints, and counts them as removed once it has. */
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	x->m->mem = NULL;
	go(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	assert_true(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_int_equal(x->m->breaks.n, 0);
}

/* By somebody else, while it stood still: there is no stop to tell of it. */
static void a_reset_behind_its_back_forgets_all(void **state)
{
	struct fixture *x = *state;

	fake_module(x->fake, "vfat");
	attach(x);
	go(x);
	/* That comes of a reset that will be told of. */
	target_reset_done(x->t);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_int_equal(planted(x, FREE), 1);
	target_reset_done(x->t);
	assert_int_equal(planted(x, FREE), 0);
	x->m->mem = NULL;
	go(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
}

static void far_away_it_is_found_and_looked_for_no_more(void **state)
{
	struct fixture *x = *state;
	size_t asked;

	attach(x);
	assert_non_null(linux_target_kernel(x->t));
	asked = x->line.asked;
	go(x);
	/* Nobody looks at it while it runs. */
	assert_int_equal(planted(x, DO_INIT), 1);
	assert_int_equal(target_timeout_ms(x->t), -1);
	expect_none(x);
	assert_int_equal(x->line.asked, asked);
}

static void far_away_another_kernel_is_told_once(void **state)
{
	struct fixture *x = *state;
	uint64_t first, slide;
	size_t asked;

	x->fake->image[FAKE_ID]++;
	assert_not_found(target_offsets(x->t, &first, &slide));
	assert_null(linux_target_kernel(x->t));
	asked = x->line.asked;
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "doesn't match: its build ID is " FAKE_BUILD_ID));
	assert_non_null(strstr(x->e.message, "aabbcc"));
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_null(x->e.message);
	assert_int_equal(x->line.asked, asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plants_hooks_when_it_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(passes_by_what_is_no_news, setup, teardown),
		cmocka_unit_test_setup_teardown(a_breakpoint_of_the_client_at_a_hook, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_held_back_is_looked_at_again, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupt_at_a_hook_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupt_before_news_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_onto_a_hook_stays_a_step, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hook_of_another_cpu_does_not_disturb_a_step, setup, teardown),
		cmocka_unit_test_setup_teardown(plants_hooks_when_the_kernel_appears, setup, teardown),
		cmocka_unit_test_setup_teardown(the_clients_interrupt_while_hooks_are_planted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_breakpoint_while_hooks_are_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(says_where_it_was_moved_to_once, setup_slid, teardown),
		cmocka_unit_test_setup_teardown(a_reset_forgets_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_to_come_shows_what_was, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_behind_its_back_forgets_all, setup, teardown),
		cmocka_unit_test_setup_teardown(far_away_it_is_found_and_looked_for_no_more, setup_distant, teardown),
		cmocka_unit_test_setup_teardown(far_away_another_kernel_is_told_once, setup_distant, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
