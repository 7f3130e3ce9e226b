/*
 * Transcripts that GDB 13.1 really printed (their paths shortened), whole and with a part taken out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fs.h"
#include "cmd/demo_check.h"

static const char *const transcripts[] = { "demo-6.1.txt", "demo-6.12.txt" };

static void load(const char *name, struct buf *b)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", TEST_DATA, name);

	assert_null(read_file(path, 1 << 20, b));
}

static void check_passes(const char *text)
{
	_cleanup_(err_destroy) struct err *e = demo_check_transcript(text);

	assert_null(e);
}

static void check_fails(const char *text, const char *in_message)
{
	_cleanup_(err_destroy) struct err *e = demo_check_transcript(text);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_non_null(strstr(err_message(e), in_message));
}

/* The transcript without the lines in which `what` stands, and with `instead` at its end. */
static void check_without(const char *text, const char *what, const char *instead, const char *in_message)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	while (*text) {
		size_t len = strcspn(text, "\n") + 1;
		_cleanup_(free) char *line = xstrndup(text, len);

		if (!strstr(line, what))
			buf_puts(&b, line);
		text += strlen(line);
	}
	buf_puts(&b, instead);
	check_fails(buf_str(&b), in_message);
}

static void test_real(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT;

		load(transcripts[i], &b);
		check_passes(buf_str(&b));
		check_without(buf_str(&b), " hit Breakpoint ", "", "did not stop");
		check_without(buf_str(&b), "#0 ", "", "no backtrace");
		check_without(buf_str(&b), "_64 (", "", "system call");
		check_without(buf_str(&b), "rip ", "", "registers");
		check_without(buf_str(&b), " init\n", "", "lx-ps");
		check_without(buf_str(&b), " kthreadd\n", "", "lx-ps");
		check_without(buf_str(&b), "] Linux version ", "", "lx-dmesg");
	}
}

/* Frames without file and line are what is printed where debug information is missing. */
static void test_no_lines(void **state)
{
	(void)state;
	check_fails("Thread 1 hit Breakpoint 1, 0xffffffff810556d0 in kernel_clone ()\n", "did not stop");
	check_fails("Thread 1 hit Breakpoint 1, kernel_clone (args=0x1) at kernel/fork.c:1\n"
		    "#0  0xffffffff810556d0 in kernel_clone ()\n",
		    "no backtrace");
	check_fails("Thread 1 hit Breakpoint 1, kernel_clone (args=0x1) at kernel/fork.c:1\n"
		    "#0  kernel_clone (args=0x1) at kernel/fork.c:1\n#1  0xffffffff81055ac9 in do_syscall_64 ()\n",
		    "system call");
}

static void test_what_gdb_said(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	load(transcripts[0], &b);
	check_without(buf_str(&b), "] Linux version ", "Undefined command: \"lx-dmesg\".  Try \"help\".\n",
		      "it said: Undefined command: \"lx-dmesg\"");
	check_fails("127.0.0.1:1234: Connection refused.\n", "it said: 127.0.0.1:1234: Connection refused");
}

static void test_nothing(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n\n", "#", "#0", "#0 ", "rip", "[", "0x 1 init", "at :" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_fails(texts[i], "did not stop");
}

static void test_commands(void **state)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;

	(void)state;
	demo_gdb_args(&args);
	assert_string_equal(args.v[0], "-batch");
	assert_true(strv_contains(&args, "lx-ps"));
	assert_string_equal(args.v[args.n - 1], "detach");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),    cmocka_unit_test(test_no_lines), cmocka_unit_test(test_what_gdb_said),
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
