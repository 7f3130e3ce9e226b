/*
 * A panic found in what the guest prints, however it is cut up, and in nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "vm/panic.h"

static const char report[] =
	"[    0.912345] Run /init as init process\r\n"
	"[    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n"
	"[    1.234600] CPU: 0 PID: 1 Comm: init Not tainted 6.1.192 #1\r\n"
	"[    1.240000] Kernel Offset: disabled\r\n"
	"[    1.250000] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100 ]---\r\n";

static const char first_line[] = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100";

static void feed(struct panic_watch *w, const char *text)
{
	panic_watch_feed(w, text, strlen(text));
}

static void a_report_is_found_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t step = 1; step < sizeof(report); step += step < 4 ? 1 : 37) {
		struct panic_watch w = { 0 };

		assert_null(panic_watch_line(&w));
		assert_false(panic_watch_init_run(&w));
		for (size_t i = 0; i < sizeof(report) - 1; i += step)
			panic_watch_feed(&w, report + i, MIN(step, sizeof(report) - 1 - i));
		assert_non_null(panic_watch_line(&w));
		assert_string_equal(panic_watch_line(&w), first_line);
		assert_true(panic_watch_init_run(&w));
	}
}

static void the_first_one_says_why(void **state)
{
	struct panic_watch w = { 0 };

	(void)state;
	feed(&w, report);
	feed(&w, "Kernel panic - not syncing: Fatal exception in interrupt\n");
	assert_string_equal(panic_watch_line(&w), first_line);
	/* The closing line alone, as after a log that was cut, is no first line. */
	w = (struct panic_watch){ 0 };
	feed(&w, "---[ end Kernel panic - not syncing: x ]---\n");
	assert_null(panic_watch_line(&w));
}

static void an_orderly_restart_forgets_it(void **state)
{
	struct panic_watch w = { 0 };

	(void)state;
	feed(&w, "Kernel panic - not syncing: said by echo\n");
	assert_non_null(panic_watch_line(&w));
	feed(&w, "[    5.0] reboot: Restarting system\r\n");
	assert_null(panic_watch_line(&w));
	feed(&w, "Kernel panic - not syncing: now really\n");
	assert_string_equal(panic_watch_line(&w), "Kernel panic - not syncing: now really");
}

static void only_a_whole_line_counts(void **state)
{
	struct panic_watch w = { 0 };

	(void)state;
	feed(&w, "Kernel panic - not syncing: cut");
	assert_null(panic_watch_line(&w));
	feed(&w, " off\n");
	assert_string_equal(panic_watch_line(&w), "Kernel panic - not syncing: cut off");
}

static void hostile_bytes_are_kept_out_of_the_message(void **state)
{
	static const char nasty[] = "\x1b[31m\0Kernel panic - not syncing: \x1b]0;x\x07 \xff\xfe(a)\tb\n";
	struct panic_watch w = { 0 };

	(void)state;
	panic_watch_feed(&w, nasty, sizeof(nasty) - 1);
	assert_string_equal(panic_watch_line(&w), "Kernel panic - not syncing: ]0;x (a)b");
}

static void long_lines_are_cut(void **state)
{
	struct panic_watch w = { 0 };
	char line[2000];

	(void)state;
	memset(line, 'y', sizeof(line));
	panic_watch_feed(&w, line, sizeof(line));
	feed(&w, "Kernel panic - not syncing: behind the cut\n");
	assert_null(panic_watch_line(&w));
	feed(&w, "Kernel panic - not syncing: ");
	panic_watch_feed(&w, line, sizeof(line));
	feed(&w, "\n");
	assert_non_null(panic_watch_line(&w));
	assert_int_equal(strlen(panic_watch_line(&w)), sizeof(w.first_line) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_is_found_however_it_is_cut),
		cmocka_unit_test(the_first_one_says_why),
		cmocka_unit_test(an_orderly_restart_forgets_it),
		cmocka_unit_test(only_a_whole_line_counts),
		cmocka_unit_test(hostile_bytes_are_kept_out_of_the_message),
		cmocka_unit_test(long_lines_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
