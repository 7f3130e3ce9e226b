/*
 * Text from outside, made fit for a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/printable.h"

static void expect_shown(const char *bytes, size_t n, const char *shown)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(free) char *text = printable(bytes, n);

	printable_append(&b, bytes, n);
	assert_string_equal(buf_str(&b), shown);
	assert_string_equal(text, shown);
}

#define EXPECT(bytes, shown) expect_shown(bytes, sizeof(bytes) - 1, shown)

static void shows_what_is_harmless(void **state)
{
	(void)state;
	EXPECT("", "");
	EXPECT("plain ~", "plain ~");
	EXPECT("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	EXPECT("\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7");
}

static void escapes_the_rest(void **state)
{
	(void)state;
	EXPECT("a\033[2Jb\n\x7f", "a\\x1b[2Jb\\x0a\\x7f");
	EXPECT("\xc2\x9b"
	       "1m",
	       "\\xc2\\x9b1m");
	EXPECT("\xff\xc3", "\\xff\\xc3");
	EXPECT("a\0b", "a\\x00b");
	/* A character that is cut off where the bytes end. */
	expect_shown("\xc3\xbc", 1, "\\xc3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_what_is_harmless),
		cmocka_unit_test(escapes_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
