#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/gdb_args.h"

/* Compares the whole vector with a list ended by NULL. */
static void check_args(const struct gdb_start *start, const char *const *expected)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	size_t i = 0;

	gdb_args_build(start, &argv);
	for (; expected[i]; i++) {
		assert_true(i < argv.n);
		assert_string_equal(argv.v[i], expected[i]);
	}
	assert_int_equal(argv.n, i);
}

static void test_least(void **state)
{
	const struct gdb_start start = {
		.program = "/usr/bin/gdb", .major = 13, .vmlinux = "/b/vmlinux", .port = 1234
	};
	static const char *const expected[] = {
		"/usr/bin/gdb", "-q",         "-iex", "set tcp auto-retry off",       "-iex",
		"set sysroot",  "/b/vmlinux", "-ex",  "target remote 127.0.0.1:1234", NULL,
	};

	(void)state;
	check_args(&start, expected);
}

static void test_everything_in_order(void **state)
{
	char *const moved_list[] = { (char *)"/old/build", (char *)"/new build", (char *)"/old", (char *)"/new" };
	char *const rest_list[] = { (char *)"-batch", (char *)"-ex", (char *)"bt" };
	const struct strv moved = { (char **)moved_list, 4, 4 }, rest = { (char **)rest_list, 3, 3 };
	const struct gdb_break breaks[] = { { (char *)"kernel_clone if x", false }, { (char *)"fuse_open", true } };
	const struct gdb_start start = {
		.program = "gdb",
		.major = 13,
		.vmlinux = "/b/vmlinux",
		.port = 65535,
		.index_dir = "/cache/gdb-index",
		.scripts = "/b/vmlinux-gdb.py",
		.scripts_target = "/src/scripts/gdb/vmlinux-gdb.py",
		.moved = &moved,
		.breaks = breaks,
		.breaks_n = 2,
		.rest = &rest,
	};
	static const char *const expected[] = {
		"gdb",
		"-q",
		"-iex",
		"set index-cache directory /cache/gdb-index",
		"-iex",
		"set index-cache enabled on",
		"-iex",
		"add-auto-load-safe-path /b/vmlinux-gdb.py",
		"-iex",
		"add-auto-load-safe-path /src/scripts/gdb/vmlinux-gdb.py",
		"-iex",
		"set substitute-path /old/build '/new build'",
		"-iex",
		"set substitute-path /old /new",
		"-iex",
		"set tcp auto-retry off",
		"-iex",
		"set sysroot",
		"/b/vmlinux",
		"-ex",
		"target remote 127.0.0.1:65535",
		"-ex",
		"break kernel_clone if x",
		"-ex",
		"set breakpoint pending on",
		"-ex",
		"break fuse_open",
		"-ex",
		"set breakpoint pending auto",
		"-batch",
		"-ex",
		"bt",
		NULL,
	};

	(void)state;
	check_args(&start, expected);
}

/* GDB loads the scripts by itself only where they are called like the symbol file. */
static void test_scripts_elsewhere(void **state)
{
	const struct gdb_start start = {
		.program = "gdb",
		.major = 11,
		.vmlinux = "/x/vmlinux.dbg",
		.port = 1,
		.index_dir = "/i",
		.scripts = "/b/vmlinux-gdb.py",
	};
	static const char *const expected[] = {
		"gdb",
		"-q",
		"-iex",
		"set index-cache directory /i",
		"-iex",
		"set index-cache on",
		"-iex",
		"add-auto-load-safe-path /b/vmlinux-gdb.py",
		"-iex",
		"set tcp auto-retry off",
		"-iex",
		"set sysroot",
		"/x/vmlinux.dbg",
		"-ex",
		"source /b/vmlinux-gdb.py",
		"-ex",
		"target remote 127.0.0.1:1",
		NULL,
	};

	(void)state;
	check_args(&start, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_everything_in_order),
		cmocka_unit_test(test_scripts_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
