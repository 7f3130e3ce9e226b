/*
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/gdb_program.h"
#include "compile.h"

static void check(const char *text, unsigned int major, bool python)
{
	struct gdb_program p = GDB_PROGRAM_INIT;

	assert_null(gdb_program_parse(text, &p));
	assert_int_equal(p.major, major);
	assert_int_equal(p.python, python);
}

static void test_versions(void **state)
{
	(void)state;
	check("GNU gdb (Debian 13.1-3) 13.1\nCopyright\n  --with-python=/usr (relocatable)\n", 13, true);
	check("GNU gdb (GDB) Fedora Linux 14.1-1.fc39\n  --without-python\n", 14, false);
	check("GNU gdb (Ubuntu 9.2-0ubuntu1~20.04.1) 9.2\n", 9, false);
	check("GNU gdb (GDB; openSUSE Tumbleweed) 15.2\n  --with-python=/usr\n  --with-python-libdir=/usr/lib\n", 15,
	      true);
	check("GNU gdb (GDB) 16.0.50.20240807-git", 16, false);
}

static void test_not_gdb(void **state)
{
	static const char *const texts[] = {
		"", "\n", "lldb version 14.0.6\n", "GNU gdb\n", "GNU gdb (GDB) none\n", "GNU gdb 99999999999999999999\n"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct gdb_program p = GDB_PROGRAM_INIT;
		struct err *e = gdb_program_parse(texts[i], &p);

		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		err_destroy(e);
	}
}

/* A program that says what GDB says, and counts how often it is asked. */
static void test_asked_once(void **state)
{
	static const char script[] =
		"#!/bin/sh\necho x >> \"$0.asked\"\necho 'GNU gdb (GDB) 13.1'\necho --with-python=/\n";
	_cleanup_(free) char *folder = make_test_folder();
	_cleanup_(free) char *program = xasprintf("%s/gdb", folder), *asked = xasprintf("%s.asked", program);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
	assert_null(write_file_atomic(program, script, sizeof(script) - 1, 0700));
	for (int i = 0; i < 3; i++) {
		_cleanup_(gdb_program_deinit) struct gdb_program p = GDB_PROGRAM_INIT;

		assert_null(gdb_program_find(program, &p));
		assert_string_equal(p.path, program);
		assert_int_equal(p.major, 13);
		assert_true(p.python);
	}
	assert_null(read_file(asked, 100, &b));
	assert_string_equal(buf_str(&b), "x\n");
	assert_null(remove_tree(folder));
}

static void test_not_installed(void **state)
{
	struct gdb_program p = GDB_PROGRAM_INIT;
	struct err *e = gdb_program_find("no-such-gdb", &p);

	(void)state;
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_PREREQ);
	err_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_not_gdb),
		cmocka_unit_test(test_asked_once),
		cmocka_unit_test(test_not_installed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
