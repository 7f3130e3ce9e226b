/*
 * Modules that come and go, as the Linux target tells of them: the lists that GDB and LLDB get, and what is said where there is none.
 */
#include "linux_fixture.h"

/* --- They come and go --- */

static void tells_of_modules_that_come_and_go(void **state)
{
	struct fixture *x = *state;
	size_t module;

	attach(x);
	go(x);
	module = fake_module(x->fake, "vfat");
	fake_put32(x->fake, module, 1);
	hit(x, 2, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 2, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 1);
	assert_int_equal(x->asked, 1);
	/* The client goes on, past the hook. */
	go(x);
	assert_int_equal(x->m->how.over, 2);
	fake_put32(x->fake, module, 0);
	/* Its exit function runs: it is there yet. */
	fake_put32(x->fake, module, 2);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	assert_int_equal(x->m->how.over, 0);
	x->m->argument[0] = fake_direct(x->fake, module);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->how.over, 1);
	assert_int_equal(x->asked, 1);
}

static void a_client_without_libraries_is_told_nothing(void **state)
{
	struct fixture *x = *state;

	go(x);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect_none(x);
	assert_int_equal(x->asked, 0);
}

/* GDB doesn't remove what it had in a module that is unloaded. */
static void breakpoints_in_a_freed_module_are_lost(void **state)
{
	struct fixture *x = *state;
	uint64_t inside = fake_direct(x->fake, FAKE_MODULE_AREAS) + 4;
	size_t module = fake_module(x->fake, "vfat");

	/* The module's .text has that of the file, which is empty or larger than a fake one: the area is made larger. */
	fake_put32(x->fake, module + FAKE_MODULE_MEM + 8, 0x7fffffff);
	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_null(target_insert(x->t, TARGET_WATCH_WRITE, inside, 4));
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, ELSEWHERE), 1));
	go(x);
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	fake_put32(x->fake, module, 2);
	x->m->argument[0] = fake_direct(x->fake, module);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_null(breaks_find(&x->m->breaks, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_true(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_false(target_lost(x->t, TARGET_WATCH_WRITE, inside, 4));
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, at(x, ELSEWHERE), 1));
	/* And it can be there again. */
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
}

/* Once it goes on from there it is too late to see which one. */
static void a_step_onto_an_unload_tells_of_it_too(void **state)
{
	struct fixture *x = *state;
	size_t module = fake_module(x->fake, "vfat");

	attach(x);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	fake_put32(x->fake, module, 2);
	x->m->argument[0] = fake_direct(x->fake, module);
	step(x, 1, false);
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, FREE));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	x->m->argument[0] = 0;
	go(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
}

static void a_reset_leaves_no_modules_to_ask_for(void **state)
{
	struct fixture *x = *state;

	fake_module(x->fake, "vfat");
	attach(x);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, at(x, ELSEWHERE));
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	assert_int_equal(count_libraries(x), 0);
	x->m->mem = NULL;
	go(x);
	assert_true(x->m->runs);
	assert_true(target_timeout_ms(x->t) >= 0);
}

/* --- Copies that are placed --- */

static void expect_placed(struct fixture *x, const char *first, const char *second)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_null(target_libraries(x->t, true, &b));
	assert_int_equal(!first, !strstr(buf_str(&b), "<library "));
	if (first)
		assert_non_null(strstr(buf_str(&b), first));
	if (second)
		assert_non_null(strstr(buf_str(&b), second));
	else if (first)
		assert_null(strstr(strstr(buf_str(&b), first) + 1, "<library "));
}

/* LLDB would lose what comes to the place of what goes in the same list, and doesn't heed an empty list. */
static void placed_copies_come_after_others_have_gone(void **state)
{
	struct fixture *x = *state;
	size_t vfat, fat;

	expect_placed(x, NULL, NULL);
	go(x);
	vfat = fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	/* The first one is nowhere. */
	expect_placed(x, "\"/placed/2\"", NULL);
	expect_placed(x, "\"/placed/2\"", NULL);
	go(x);
	x->m->argument[0] = fake_direct(x->fake, vfat);
	fake_put32(x->fake, vfat, 2);
	fat = fake_module(x->fake, "fat");
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/1\"", NULL);
	expect_placed(x, "\"/placed/3\"", NULL);
	go(x);
	fake_module(x->fake, "msdos");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/3\"", "\"/placed/4\"");
	go(x);
	x->m->argument[0] = fake_direct(x->fake, fat);
	fake_put32(x->fake, fat, 2);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/4\"", NULL);
}

static void what_cant_be_placed_is_reported(void **state)
{
	struct fixture *x = *state;

	expect_placed(x, NULL, NULL);
	go(x);
	fake_module(x->fake, "vfat");
	x->unplaceable = true;
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module vfat has no symbols here: it can't be placed"));
	expect_placed(x, NULL, NULL);
}

/* --- What can't be known --- */

static void a_stale_file_is_reported_once(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	x->stale = true;
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module vfat has no symbols here: /proc/self/exe was built again"));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	free(x->file);
	x->file = NULL;
	fake_module(x->fake, "fat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module fat has no symbols here: its file was not found"));
	assert_null(strstr(x->e.message, "vfat"));
	go(x);
	hit(x, 1, DO_INIT);
	expect_none(x);
	assert_int_equal(x->asked, 2);
}

static void no_vmlinux_costs_only_what_it_would_have_added(void **state)
{
	struct fixture *x = *state;
	uint64_t first, slide;

	x->fake->facts[FACT_PHYS_BASE].found = false;
	assert_not_found(target_offsets(x->t, &first, &slide));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->breaks.n, 0);
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_null(x->e.message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_of_modules_that_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_without_libraries_is_told_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(breakpoints_in_a_freed_module_are_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_onto_an_unload_tells_of_it_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_leaves_no_modules_to_ask_for, setup, teardown),
		cmocka_unit_test_setup_teardown(placed_copies_come_after_others_have_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cant_be_placed_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_file_is_reported_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_vmlinux_costs_only_what_it_would_have_added, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
