/*
 * What the end of a console says about the guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/console_text.h"

static struct console_text read_text(const char *text)
{
	struct console_text t;

	console_text_read(text, strlen(text), &t);
	return t;
}

static void says_nothing_of_nothing(void **state)
{
	struct console_text t = read_text("");

	(void)state;
	assert_false(t.at_kdb || t.awaits_kgdb || t.booted);
	assert_string_equal(t.panic, "");
	assert_string_equal(t.trouble, "");
}

static void knows_the_prompt_of_kdb_at_the_end_only(void **state)
{
	(void)state;
	assert_true(read_text("Entering kdb (current=0xff) on processor 0 due to Keyboard Entry\r\n[0]kdb> ").at_kdb);
	assert_true(read_text("\033[1m[12]kdb> \033[0mbt").at_kdb);
	assert_true(read_text("a\nmore> ").at_kdb);
	assert_true(read_text("[0]kdb> \r\n\r\n").at_kdb);
	assert_false(read_text("[0]kdb> go\r\n[    1.5] Run /init as init process\r\n").at_kdb);
	assert_false(read_text("# echo '[0]kdb> '").at_kdb);
	assert_false(read_text("[]kdb> ").at_kdb);
	assert_false(read_text("[    0.5] kdb> ").at_kdb);
}

static void knows_kgdb_waiting(void **state)
{
	static const char waiting[] = "[    0.9] KGDB: Waiting for connection from remote gdb...\r\n";

	(void)state;
	assert_true(read_text(waiting).awaits_kgdb);
	assert_true(
		read_text("[0]kdb> kgdb\r\nEntering please attach debugger or use $D#44+ or $3#33\r\n").awaits_kgdb);
	assert_false(read_text("KGDB: Waiting for connection from remote gdb...\n[    1.0] on\n").awaits_kgdb);
}

static void knows_why_the_root_stays(void **state)
{
	(void)state;
	assert_string_equal(read_text("init: can't mount /dev/vda: x\r\n[    1.0] y\r\n"
				      "init: the root stays the initramfs\r\ndebugvm:~# ")
				    .root,
			    "can't mount /dev/vda: x");
	assert_string_equal(read_text("init: the root stays the initramfs\n").root, "the root stays the initramfs");
	assert_string_equal(read_text("init: something\nroot stays the initramfs\n").root, "");
}

static void knows_what_has_booted(void **state)
{
	(void)state;
	assert_true(read_text("[    1.050421] Run /init as init process\r\n").booted);
	assert_true(read_text("x\nRun /sbin/init as init process\nshell# ").booted);
	assert_false(read_text("[    1.0] something as init process\n").booted);
	assert_true(read_text("\r\ndebugvm:~# ").booted);
	assert_true(read_text("quiet\n/ $ ").at_shell);
	assert_false(read_text("/ $ echo\r\nx\r\n").at_shell);
	assert_false(read_text("[    1.0] that is # ").booted);
}

static void keeps_the_first_trouble_and_the_panic(void **state)
{
	struct console_text t = read_text("[    2.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1\r\n"
					  "[    2.1] BUG: unable to handle page fault\r\n"
					  "[    2.2] Kernel panic - not syncing: Fatal exception\r\n");

	(void)state;
	assert_string_equal(t.trouble, "WARNING: CPU: 0 PID: 1 at kernel/x.c:1");
	assert_non_null(strstr(t.panic, "Kernel panic - not syncing: Fatal exception"));
	assert_string_equal(read_text("he said BUG: x\n").trouble, "");
}

static void long_lines_are_cut(void **state)
{
	char text[2000] = "BUG: ";

	(void)state;
	memset(text + 5, 'x', sizeof(text) - 6);
	assert_int_equal(strlen(read_text(text).trouble), 255);
}

static void advises_on_each_panic(void **state)
{
	(void)state;
	assert_non_null(strstr(console_text_panic_advice("Kernel panic - not syncing: VFS: Unable to mount root fs on "
							 "unknown-block(0,0)"),
			       "rdinit="));
	assert_non_null(
		strstr(console_text_panic_advice("Kernel panic - not syncing: Attempted to kill init!"), "init="));
	assert_non_null(strstr(console_text_panic_advice("Kernel panic - not syncing: something new"), "ktb gdb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_nothing_of_nothing), cmocka_unit_test(knows_the_prompt_of_kdb_at_the_end_only),
		cmocka_unit_test(knows_kgdb_waiting),      cmocka_unit_test(knows_why_the_root_stays),
		cmocka_unit_test(knows_what_has_booted),   cmocka_unit_test(keeps_the_first_trouble_and_the_panic),
		cmocka_unit_test(long_lines_are_cut),      cmocka_unit_test(advises_on_each_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
