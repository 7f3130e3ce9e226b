/*
 * Growing buffers: what was put in comes out, and a NUL follows it always.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"

static void is_empty_at_first(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(free) char *stolen = NULL;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
	buf_truncate(&b, 10);
	buf_consume(&b, 10);
	buf_append(&b, NULL, 0);
	assert_int_equal(b.len, 0);
	stolen = buf_steal(&b);
	assert_string_equal(stolen, "");
}

static void takes_text(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "ab");
	buf_putc(&b, 'c');
	buf_printf(&b, "%d-%s", 12, "x");
	buf_append(&b, "yz", 1);
	assert_string_equal(buf_str(&b), "abc12-xy");
	assert_int_equal(b.len, 8);
}

static void takes_bytes_that_are_zero(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	buf_append(&b, "a\0b", 3);
	buf_putc(&b, '\0');
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "a\0b\0", 5);
}

static void grows_over_many_sizes(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		buf_putc(&b, (char)('a' + i % 26));
		assert_int_equal(b.len, i + 1);
		assert_true(b.cap > b.len);
		assert_int_equal(b.data[b.len], '\0');
	}
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
}

static void loses_its_head(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "abcdef");
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "cdef");
	buf_consume(&b, 100);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
}

static void loses_its_tail(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "abcdef");
	buf_truncate(&b, 6);
	buf_truncate(&b, 7);
	assert_string_equal(buf_str(&b), "abcdef");
	buf_truncate(&b, 2);
	assert_string_equal(buf_str(&b), "ab");
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
}

static void gives_room(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	char *to;

	(void)state;
	buf_puts(&b, "a");
	to = buf_reserve(&b, 1000);
	memset(to, 'x', 1000);
	buf_commit(&b, 3);
	assert_string_equal(buf_str(&b), "axxx");
}

static void hands_over_what_it_holds(void **state)
{
	struct buf b = BUF_INIT;
	_cleanup_(free) char *s = NULL;

	(void)state;
	buf_puts(&b, "abc");
	s = buf_steal(&b);
	assert_string_equal(s, "abc");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
}

static void writes_numbers(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	buf_number(&b, 0, 0, ' ');
	buf_number(&b, 42, 5, ' ');
	buf_putc(&b, '.');
	buf_number(&b, 7, 6, '0');
	buf_putc(&b, ' ');
	buf_number(&b, 1234567, 3, '0');
	buf_putc(&b, ' ');
	buf_number(&b, UINT64_MAX, 99, '-');
	assert_string_equal(buf_str(&b), "0   42.000007 1234567 18446744073709551615");
}

static void prints_what_is_longer_than_expected(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	char text[300];

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		memset(text, 'x', n);
		text[n] = '\0';
		buf_clear(&b);
		buf_printf(&b, "<%s>", text);
		assert_int_equal(b.len, n + 2);
		assert_int_equal(b.data[n + 1], '>');
		assert_int_equal(strlen(b.data), n + 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_numbers),
		cmocka_unit_test(prints_what_is_longer_than_expected),
		cmocka_unit_test(is_empty_at_first),
		cmocka_unit_test(takes_text),
		cmocka_unit_test(takes_bytes_that_are_zero),
		cmocka_unit_test(grows_over_many_sizes),
		cmocka_unit_test(loses_its_head),
		cmocka_unit_test(loses_its_tail),
		cmocka_unit_test(gives_room),
		cmocka_unit_test(hands_over_what_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
