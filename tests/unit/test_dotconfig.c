/*
 * The parser of .config files, and of the lines that fragments share with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/dotconfig.h"

static struct dotconfig *parse(const char *text)
{
	struct dotconfig *c = NULL;

	assert_null(dotconfig_parse("test.config", text, strlen(text), &c));
	return c;
}

static void fails_with(const char *text, const char *message)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	struct dotconfig *c = NULL;

	e = dotconfig_parse("test.config", text, strlen(text), &c);
	assert_non_null(e);
	assert_null(c);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	if (!strstr(err_message(e), message))
		fail_msg("'%s' doesn't contain '%s'", err_message(e), message);
}

static void has_values_of_all_kinds(void **state)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *c = parse(
		"#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_A=y\nCONFIG_B=m\n"
		"# CONFIG_C is not set\n\nCONFIG_D=\"a \\\"b\\\" \\\\c\"\nCONFIG_E=0x1f\nCONFIG_F=-12\nCONFIG_G=\"\"");

	(void)state;
	assert_string_equal(dotconfig_get(c, "A"), "y");
	assert_string_equal(dotconfig_get(c, "B"), "m");
	assert_string_equal(dotconfig_get(c, "C"), "n");
	assert_string_equal(dotconfig_get(c, "D"), "a \"b\" \\c");
	assert_string_equal(dotconfig_get(c, "E"), "0x1f");
	assert_string_equal(dotconfig_get(c, "F"), "-12");
	assert_string_equal(dotconfig_get(c, "G"), "");
	assert_null(dotconfig_get(c, "H"));
	assert_null(dotconfig_get(c, ""));
}

static void takes_the_last_of_several(void **state)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *c = parse("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_A is not set\n");

	(void)state;
	assert_string_equal(dotconfig_get(c, "A"), "n");
	assert_string_equal(dotconfig_get(c, "B"), "y");
}

static void holds_many_options(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(dotconfig_destroy) struct dotconfig *c = NULL;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "CONFIG_OPTION_%d=%d\n", i, 2 * i);
	c = parse(buf_str(&b));
	assert_string_equal(dotconfig_get(c, "OPTION_0"), "0");
	assert_string_equal(dotconfig_get(c, "OPTION_4999"), "9998");
	assert_null(dotconfig_get(c, "OPTION_5000"));
}

static void forgives_white_space_and_comments(void **state)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *c = parse(
		"CONFIG_A=y  # why\r\n  CONFIG_B=\"x # y\" # z\n# CONFIG_C is not set  \n#CONFIG_D=y\n"
		"# CONFIG_E is not set by us\n");

	(void)state;
	assert_string_equal(dotconfig_get(c, "A"), "y");
	assert_string_equal(dotconfig_get(c, "B"), "x # y");
	assert_string_equal(dotconfig_get(c, "C"), "n");
	assert_null(dotconfig_get(c, "D"));
	assert_null(dotconfig_get(c, "E"));
}

static void refuses_garbage(void **state)
{
	(void)state;
	fails_with("CONFIG_A=y\nFOO=y\n", "test.config:2: 'FOO=y' is neither CONFIG_NAME=VALUE");
	fails_with("CONFIG_A\n", "test.config:1: 'CONFIG_A' is neither");
	fails_with("CONFIG_=y\n", "neither");
	fails_with("CONFIG_A-B=y\n", "neither");
	fails_with("CONFIG_A=\n", "neither y, m or n, nor a number");
	fails_with("CONFIG_A=yes\n", "'yes' is neither y, m or n, nor a number");
	fails_with("CONFIG_A=y n\n", "'y n' is neither");
	fails_with("CONFIG_A=\"x\n", "no closing quote");
	fails_with("CONFIG_A=\"x\"y\n", "behind the closing quote: 'y'");
	fails_with("CONFIG_A=\"x\\\"\n", "no closing quote");
}

static void refuses_nul_bytes(void **state)
{
	static const char text[] = "CONFIG_A=y\nCONFIG_B=\0y\n";
	_cleanup_(err_destroy) struct err *e = NULL;
	struct dotconfig *c = NULL;

	(void)state;
	e = dotconfig_parse("x", text, sizeof(text) - 1, &c);
	assert_string_equal(err_message(e), "x:2: there is a NUL byte in the line");
}

static void tells_kinds_apart(void **state)
{
	(void)state;
	assert_int_equal(dotconfig_kind_of("y"), DOTCONFIG_TRISTATE);
	assert_int_equal(dotconfig_kind_of("n"), DOTCONFIG_TRISTATE);
	assert_int_equal(dotconfig_kind_of("-5"), DOTCONFIG_NUMBER);
	assert_int_equal(dotconfig_kind_of("0xfF"), DOTCONFIG_NUMBER);
	assert_int_equal(dotconfig_kind_of("0x"), DOTCONFIG_STRING);
	assert_int_equal(dotconfig_kind_of("-ktb"), DOTCONFIG_STRING);
	assert_int_equal(dotconfig_kind_of("yes"), DOTCONFIG_STRING);
	assert_int_equal(dotconfig_kind_of(""), DOTCONFIG_STRING);
}

static void writes_what_it_reads(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(dotconfig_destroy) struct dotconfig *c = NULL;

	(void)state;
	dotconfig_write_line(&b, "A", DOTCONFIG_TRISTATE, "n");
	dotconfig_write_line(&b, "B", DOTCONFIG_STRING, "n");
	dotconfig_write_line(&b, "C", DOTCONFIG_STRING, "say \"\\n\"");
	dotconfig_write_line(&b, "D", DOTCONFIG_NUMBER, "7");
	assert_string_equal(buf_str(&b),
			    "# CONFIG_A is not set\nCONFIG_B=\"n\"\nCONFIG_C=\"say \\\"\\\\n\\\"\"\nCONFIG_D=7\n");
	c = parse(buf_str(&b));
	assert_string_equal(dotconfig_get(c, "C"), "say \"\\n\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_values_of_all_kinds), cmocka_unit_test(takes_the_last_of_several),
		cmocka_unit_test(holds_many_options),      cmocka_unit_test(forgives_white_space_and_comments),
		cmocka_unit_test(refuses_garbage),         cmocka_unit_test(refuses_nul_bytes),
		cmocka_unit_test(tells_kinds_apart),       cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
