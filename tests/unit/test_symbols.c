/*
 * The symbol table of this very program, and of copies of it that were cut short or overwritten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "debuginfo/old_names.h"
#include "debuginfo/symbols.h"

enum { PROGRAM_MAX = 64 << 20 };

/* What a kernel would have. */
int kernel_clone(void);
int __x64_sys_openat(void);
int __x64_sys_read(void);
int sys_present(void);
int __x64_sys_present(void);
int ktb_test_clone_only(void) __asm__("ktb_test_clone_only.isra.0");

int kernel_clone(void)
{
	return 1;
}

int __x64_sys_openat(void)
{
	return 2;
}

int __x64_sys_read(void)
{
	return 3;
}

int sys_present(void)
{
	return 4;
}

int __x64_sys_present(void)
{
	return 5;
}

int ktb_test_clone_only(void)
{
	return 6;
}

static struct symbols *open_own(void)
{
	struct symbols *s = NULL;

	assert_null(symbols_open("/proc/self/exe", &s));
	return s;
}

static void test_finds_functions(void **state)
{
	_cleanup_(symbols_destroy) struct symbols *s = open_own();
	uint64_t address = 0;

	(void)state;
	assert_true(symbols_functions_n(s) > 10);
	assert_true(symbols_find_function(s, "kernel_clone", &address));
	assert_int_not_equal(address, 0);
	assert_false(symbols_find_function(s, "kernel_clon", NULL));
	assert_false(symbols_find_function(s, "kernel_clone2", NULL));
	assert_false(symbols_find_function(s, "", NULL));
	/* Data is no function. */
	assert_false(symbols_find_function(s, "log_level", NULL));
}

static void test_finds_what_only_has_a_clone(void **state)
{
	_cleanup_(symbols_destroy) struct symbols *s = open_own();

	(void)state;
	assert_true(symbols_find_function(s, "ktb_test_clone_only", NULL));
	assert_true(symbols_find_function(s, "ktb_test_clone_only.isra.0", NULL));
	assert_false(symbols_find_function(s, "ktb_test_clone", NULL));
}

static void check_nearest(const struct symbols *s, const char *wanted, const char *expected)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;

	symbols_near(s, wanted, 5, &near);
	assert_true(near.n > 0 && near.n <= 5);
	assert_string_equal(near.v[0], expected);
}

static void test_near_names(void **state)
{
	_cleanup_(symbols_destroy) struct symbols *s = open_own();
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;

	(void)state;
	check_nearest(s, "kernel_clnoe", "kernel_clone");
	check_nearest(s, "kernel_clon", "kernel_clone");
	check_nearest(s, "__x64_sys_opena", "__x64_sys_openat");
	check_nearest(s, "sys_openat", "__x64_sys_openat");
	check_nearest(s, "ktb_test_clone_onl", "ktb_test_clone_only");
	symbols_near(s, "qqqqqqqqqqqqqq", 5, &near);
	assert_int_equal(near.n, 0);
	symbols_near(s, "kernel_clon", 0, &near);
	assert_int_equal(near.n, 0);
	symbols_near(s, "", 5, &near);
	symbols_near(s, "s", 1000, &near);
	assert_true(near.n <= 1000);
}

/* As the file at path, but written from memory. The caller closes the descriptor, which keeps it alive. */
static struct err *open_bytes(const char *data, size_t len, struct symbols **ret)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);

	assert_true(fd >= 0);
	assert_null(write_all(fd, data, len));
	return symbols_open(path, ret);
}

/* Whatever the bytes are: an answer or an error, and nothing that the sanitizers object to. */
static void try_bytes(const char *data, size_t len)
{
	_cleanup_(symbols_destroy) struct symbols *s = NULL;
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	struct err *e = open_bytes(data, len, &s);

	if (e) {
		assert_null(s);
		err_destroy(e);
		return;
	}
	symbols_find_function(s, "kernel_clone", NULL);
	symbols_near(s, "kernel_clon", 5, &near);
}

static void test_truncated(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_null(read_file("/proc/self/exe", PROGRAM_MAX, &b));
	for (size_t len = 0; len < 200; len++)
		try_bytes(b.data, len);
	for (size_t i = 1; i < 64; i++)
		try_bytes(b.data, b.len * i / 64);
}

static void test_garbled(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	uint64_t headers;

	(void)state;
	assert_null(read_file("/proc/self/exe", PROGRAM_MAX, &b));
	/* The file's header, each byte, and the section headers, each other byte. */
	for (size_t i = 4; i < 64; i++) {
		char old = b.data[i];

		b.data[i] = (char)0xff;
		try_bytes(b.data, b.len);
		b.data[i] = old;
	}
	memcpy(&headers, b.data + 40, sizeof(headers));
	for (size_t i = (size_t)headers; i < b.len; i += 2) {
		char old = b.data[i];

		b.data[i] = (char)~old;
		try_bytes(b.data, b.len);
		b.data[i] = old;
	}
}

static void test_not_elf(void **state)
{
	struct symbols *s = NULL;
	struct err *e = open_bytes("#!/bin/sh\n", 10, &s);

	(void)state;
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
	e = symbols_open("/nonexistent/vmlinux", &s);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_OS);
	err_destroy(e);
	assert_null(s);
}

static void check_translated(const struct symbols *s, const char *old, const char *now, const char *in_note)
{
	_cleanup_(free) char *name = NULL, *note = NULL;

	assert_true(old_name_translate(s, old, &name, &note));
	assert_string_equal(name, now);
	assert_non_null(strstr(note, in_note));
	assert_non_null(strstr(note, old));
}

static void check_left(const struct symbols *s, const char *name)
{
	char *now = NULL, *note = NULL;

	assert_false(old_name_translate(s, name, &now, &note));
	assert_null(now);
	assert_null(note);
}

static void test_old_names(void **state)
{
	_cleanup_(symbols_destroy) struct symbols *s = open_own();

	(void)state;
	check_translated(s, "do_fork", "kernel_clone", "5.10");
	check_translated(s, "_do_fork", "kernel_clone", "5.10");
	check_translated(s, "sys_open", "__x64_sys_openat", "__x64_sys_open");
	check_translated(s, "SyS_open", "__x64_sys_openat", "__x64_sys_open");
	check_translated(s, "sys_read", "__x64_sys_read", "4.17");
	check_translated(s, "SyS_read", "__x64_sys_read", "4.17");
	/* It exists under this name; the new one doesn't exist; it never was an old name. */
	check_left(s, "sys_present");
	check_left(s, "sys_nonexistent");
	check_left(s, "kernel_clone");
	check_left(s, "sys_");
	check_left(s, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_functions), cmocka_unit_test(test_finds_what_only_has_a_clone),
		cmocka_unit_test(test_near_names),      cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_garbled),         cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_old_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
