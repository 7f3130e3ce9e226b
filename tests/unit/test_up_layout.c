/*
 * What ktb up tells tmux.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/up_layout.h"

static const struct strv none = STRV_INIT;

static struct up_layout layout(void)
{
	return (struct up_layout){ .tmux = "/usr/bin/tmux",
				   .ktb = "/a b/ktb",
				   .folder = "/tmp/it's",
				   .name = "vm",
				   .rows = 24,
				   .cols = 80,
				   .vm_args = &none,
				   .gdb_args = &none,
				   .gdb_rest = &none };
}

static bool splits(uint16_t cols, const char *how)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct up_layout l = layout();

	l.cols = cols;
	up_tmux_argv(&l, &argv);
	for (size_t i = 0; i + 1 < argv.n; i++) {
		if (streq(argv.v[i], "split-window"))
			return streq(argv.v[i + 1], how);
	}
	return false;
}

static void narrow_terminals_have_one_above_the_other(void **state)
{
	(void)state;
	assert_true(splits(80, "-v"));
	assert_true(splits(139, "-v"));
	assert_true(splits(140, "-h"));
	assert_true(splits(300, "-h"));
}

static void nested_it_has_no_prefix(void **state)
{
	_cleanup_(buf_deinit) struct buf plain = BUF_INIT, nested = BUF_INIT;
	struct up_layout l = layout();

	(void)state;
	up_tmux_conf(&l, &plain);
	l.nested = true;
	up_tmux_conf(&l, &nested);
	assert_non_null(strstr(buf_str(&plain), "prefix C-b\n"));
	assert_non_null(strstr(buf_str(&nested), "prefix None\n"));
	assert_non_null(strstr(buf_str(&nested), "bind -n F12 "));
}

static void what_goes_to_the_shell_is_quoted(void **state)
{
	_cleanup_(strv_deinit) struct strv vm = STRV_INIT, gdb = STRV_INIT, rest = STRV_INIT;
	_cleanup_(buf_deinit) struct buf vm_script = BUF_INIT, gdb_script = BUF_INIT;
	struct up_layout l = layout();

	(void)state;
	strv_add(&vm, "--append=a b");
	strv_add(&gdb, "--break=vfs_read if count > 1");
	strv_add(&rest, "-ex");
	strv_add(&rest, "print $pc");
	l.vm_args = &vm;
	l.gdb_args = &gdb;
	l.gdb_rest = &rest;
	up_vm_script(&l, &vm_script);
	up_gdb_script(&l, &gdb_script);
	assert_non_null(strstr(buf_str(&vm_script), "'/a b/ktb' vm '--append=a b'\n"));
	assert_non_null(
		strstr(buf_str(&gdb_script), "'/a b/ktb' gdb '--break=vfs_read if count > 1' -- -ex 'print $pc'\n"));
	assert_null(strstr(buf_str(&vm_script), " /tmp/it's"));
	assert_null(strstr(buf_str(&gdb_script), " /tmp/it's"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(narrow_terminals_have_one_above_the_other),
		cmocka_unit_test(nested_it_has_no_prefix),
		cmocka_unit_test(what_goes_to_the_shell_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
