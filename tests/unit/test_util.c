/*
 * Text, numbers, string vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>

#include "base/util.h"

#define assert_ok(expr) assert_null(expr)

static void assert_fails(struct err *e, enum err_code code)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	err_destroy(e);
}

static void finds_prefixes_and_suffixes(void **state)
{
	(void)state;
	assert_string_equal(skip_prefix("CONFIG_X", "CONFIG_"), "X");
	assert_string_equal(skip_prefix("x", ""), "x");
	assert_null(skip_prefix("CONF", "CONFIG_"));
	assert_true(has_suffix("a.tar.xz", ".xz"));
	assert_true(has_suffix(".xz", ".xz"));
	assert_false(has_suffix("xz", ".xz"));
}

static void strips_white_space(void **state)
{
	char text[] = " \t a b \r\n", blank[] = " \n", empty[] = "";

	(void)state;
	assert_string_equal(strip(text), "a b");
	assert_string_equal(strip(blank), "");
	assert_string_equal(strip(empty), "");
}

static void parses_numbers(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_ok(parse_u64("0", 10, &n));
	assert_int_equal(n, 0);
	assert_ok(parse_u64("010", 10, &n));
	assert_int_equal(n, 10);
	assert_ok(parse_u64("0xfF", 255, &n));
	assert_int_equal(n, 255);
	assert_ok(parse_u64("18446744073709551615", UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
}

static void refuses_what_is_no_number(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "0x", "0x-1", "x", "1x", "0X1", "1.5", "0b1" };
	uint64_t n = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fails(parse_u64(bad[i], UINT64_MAX, &n), ERR_BAD_DATA);
	assert_fails(parse_u64("11", 10, &n), ERR_BAD_DATA);
	assert_fails(parse_u64("18446744073709551616", UINT64_MAX, &n), ERR_BAD_DATA);
	assert_int_equal(n, 42);
}

static void parses_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "5", 5 * MIB },        { "0", 0 },
		{ "2G", 2048 * MIB },    { "2g", 2048 * MIB },
		{ "2GB", 2048 * MIB },   { "2GiB", 2048 * MIB },
		{ "512m", 512 * MIB },   { "4k", 4096 },
		{ "1T", 1048576 * MIB }, { "0x10K", 16384 },
		{ "0x1B", 27 * MIB },
	};
	uint64_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_ok(parse_size(sizes[i].text, MIB, &n));
		assert_int_equal(n, sizes[i].bytes);
	}
}

static void refuses_what_is_no_size(void **state)
{
	static const char *const bad[] = { "",    "G",   "B",   "5B",  "5i",   "5iB",   "1.5G",      "-1G",
					   "2G ", "2GX", "2Gi", "2KM", "1GBB", "1GiBx", "16777216T", "2 G" };
	uint64_t n = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fails(parse_size(bad[i], MIB, &n), ERR_BAD_DATA);
	assert_int_equal(n, 42);
}

static void writes_durations(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} durations[] = {
		{ 0, "0.0 s" },
		{ 440, "0.4 s" },
		{ 9900, "9.9 s" },
		{ 12345, "12 s" },
		{ 59999, "59 s" },
		{ 62000, "1 min 02 s" },
		{ 324000, "5 min 24 s" },
		{ 3600000 + 59000, "1 h 00 min" },
		{ 7384000, "2 h 03 min" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		_cleanup_(free) char *text = format_duration(durations[i].ms * NSEC_PER_MSEC);

		assert_string_equal(text, durations[i].text);
	}
}

static void measures_how_far_words_are_apart(void **state)
{
	char at_limit[66];

	(void)state;
	assert_int_equal(edit_distance("", ""), 0);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("memory", "memory"), 0);
	assert_int_equal(edit_distance("memroy", "memory"), 1);
	assert_int_equal(edit_distance("memry", "memory"), 1);
	assert_int_equal(edit_distance("memoryy", "memory"), 1);
	assert_int_equal(edit_distance("kitten", "sitting"), 3);
	assert_int_equal(edit_distance("ba", "ab"), 1);
	memset(at_limit, 'a', sizeof(at_limit));
	at_limit[64] = '\0';
	assert_int_equal(edit_distance(at_limit, ""), 64);
	assert_int_equal(edit_distance("", at_limit), 64);
	at_limit[64] = 'a';
	at_limit[65] = '\0';
	assert_int_equal(edit_distance(at_limit, ""), INT_MAX);
	assert_int_equal(edit_distance("", at_limit), INT_MAX);
}

static void knows_utf8(void **state)
{
	(void)state;
	assert_int_equal(utf8_length(""), 0);
	assert_int_equal(utf8_length("a"), 1);
	assert_int_equal(utf8_length("\x1b"), 1);
	assert_int_equal(utf8_length("\xc3\xa4"), 2);
	assert_int_equal(utf8_length("\xe2\x82\xac"), 3);
	assert_int_equal(utf8_length("\xf0\x9f\x98\x80x"), 4);
	assert_int_equal(utf8_length("\xf4\x8f\xbf\xbf"), 4);
	/* cut off, overlong, a surrogate, too large, no start byte */
	assert_int_equal(utf8_length("\xc3"), 0);
	assert_int_equal(utf8_length("\xe2\x82"), 0);
	assert_int_equal(utf8_length("\xc0\xaf"), 0);
	assert_int_equal(utf8_length("\xe0\x80\xaf"), 0);
	assert_int_equal(utf8_length("\xed\xa0\x80"), 0);
	assert_int_equal(utf8_length("\xf0\x80\x80\xaf"), 0);
	assert_int_equal(utf8_length("\xf4\x90\x80\x80"), 0);
	assert_int_equal(utf8_length("\x80"), 0);
	assert_int_equal(utf8_length("\xff"), 0);
}

static void vectors_grow_and_end_with_null(void **state)
{
	static const char *const more[] = { "x", "y", NULL };
	_cleanup_(strv_deinit) struct strv sv = STRV_INIT;
	_cleanup_(free) char *nothing = strv_join(&sv, ",");
	_cleanup_(free) char *joined = NULL;

	(void)state;
	assert_string_equal(nothing, "");
	assert_false(strv_contains(&sv, "a"));
	strv_sort(&sv);
	for (int i = 0; i < 100; i++) {
		strv_addf(&sv, "%03d", 99 - i);
		assert_null(sv.v[sv.n]);
	}
	strv_sort(&sv);
	assert_string_equal(sv.v[0], "000");
	assert_string_equal(sv.v[99], "099");
	assert_true(strv_contains(&sv, "042"));
	strv_deinit(&sv);
	strv_add(&sv, "a");
	strv_take(&sv, xstrdup("b"));
	strv_add_all(&sv, more);
	joined = strv_join(&sv, ", ");
	assert_string_equal(joined, "a, b, x, y");
}

static void assert_split(const char *text, const char *expected)
{
	_cleanup_(strv_deinit) struct strv sv = STRV_INIT;
	_cleanup_(free) char *joined = NULL;

	assert_ok(strv_split_quoted(&sv, text));
	joined = strv_join(&sv, "|");
	assert_string_equal(joined, expected);
}

static void splits_like_a_shell(void **state)
{
	_cleanup_(strv_deinit) struct strv sv = STRV_INIT;

	(void)state;
	assert_split("", "");
	assert_split(" \t\n", "");
	assert_split("a  b\tc", "a|b|c");
	assert_split("'a b' \"c d\"", "a b|c d");
	assert_split("a'b'\"c\"d", "abcd");
	assert_split("'' \"\"", "|");
	assert_split("a\\ b \\\"", "a b|\"");
	assert_split("'a\\b'", "a\\b");
	assert_split("\"a\\\"b\\\\c\"", "a\"b\\c");
	assert_split("\"a\\nb\"", "a\\nb");
	assert_split("\"it's\"", "it's");
	assert_split("a\\", "a\\");
	assert_fails(strv_split_quoted(&sv, "a 'b"), ERR_BAD_DATA);
	assert_fails(strv_split_quoted(&sv, "\""), ERR_BAD_DATA);
	assert_fails(strv_split_quoted(&sv, "\"a\\\""), ERR_BAD_DATA);
}

static void quotes_so_that_splitting_gives_it_back(void **state)
{
	static const char *const texts[] = { "",  "a",   "a b", "it's", "\"", "$x",   "a\\b",
					     "*", "a;b", "~",   "'",    "\n", "a=b,c" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(strv_deinit) struct strv sv = STRV_INIT;
		_cleanup_(free) char *quoted = shell_quote(texts[i]);

		assert_ok(strv_split_quoted(&sv, quoted));
		assert_int_equal(sv.n, 1);
		assert_string_equal(sv.v[0], texts[i]);
	}
	_cleanup_(free) char *plain = shell_quote("console=ttyS0,115200");

	assert_string_equal(plain, "console=ttyS0,115200");
}

static void time_goes_on(void **state)
{
	uint64_t before = now_ns();

	(void)state;
	assert_true(before > 0);
	assert_true(now_ns() >= before);
}

static void allocates_nothing_too(void **state)
{
	_cleanup_(free) void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xreallocarray(NULL, 0, 8);
	_cleanup_(free) char *d = xstrndup("abc", 2);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_string_equal(d, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_prefixes_and_suffixes),
		cmocka_unit_test(strips_white_space),
		cmocka_unit_test(parses_numbers),
		cmocka_unit_test(refuses_what_is_no_number),
		cmocka_unit_test(parses_sizes),
		cmocka_unit_test(refuses_what_is_no_size),
		cmocka_unit_test(writes_durations),
		cmocka_unit_test(measures_how_far_words_are_apart),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(vectors_grow_and_end_with_null),
		cmocka_unit_test(splits_like_a_shell),
		cmocka_unit_test(quotes_so_that_splitting_gives_it_back),
		cmocka_unit_test(time_goes_on),
		cmocka_unit_test(allocates_nothing_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
