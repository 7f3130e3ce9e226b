/*
 * Kconfig fragments: how layers are merged, and what contradicts what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/fragment.h"

static struct err *parse(struct fragment_set *s, enum fragment_layer layer, const char *file, const char *text)
{
	return fragment_set_parse(s, layer, false, file, text, strlen(text));
}

static void is_error(struct err *e, enum err_code code, const char *message)
{
	assert_non_null(e);
	assert_string_equal(err_message(e), message);
	assert_int_equal(err_code(e), code);
	err_destroy(e);
}

static void is_request(const struct fragment_set *s, const char *name, const char *text, const char *place)
{
	const struct fragment_request *r = fragment_set_find(s, name);
	_cleanup_(free) char *has_text = NULL, *has_place = NULL;

	assert_non_null(r);
	has_text = fragment_request_text(r);
	has_place = fragment_request_place(r);
	assert_string_equal(has_text, text);
	assert_string_equal(has_place, place);
}

static void keeps_requests_in_order(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_null(parse(s, FRAGMENT_BUILTIN, "a.config",
			  "# about\nCONFIG_Z=y\n\n# CONFIG_B is not set\nCONFIG_NAME=\"-ktb\"\nCONFIG_N=0x10\n"));
	assert_int_equal(fragment_set_count(s), 4);
	is_request(s, "Z", "Z=y", "a.config:2");
	is_request(s, "B", "B=n", "a.config:4");
	is_request(s, "NAME", "NAME=\"-ktb\"", "a.config:5");
	assert_null(fragment_set_find(s, "A"));
	fragment_set_write(s, &b);
	assert_string_equal(buf_str(&b), "CONFIG_Z=y\n# CONFIG_B is not set\nCONFIG_NAME=\"-ktb\"\nCONFIG_N=0x10\n");
}

static void says_where_garbage_is(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();

	(void)state;
	is_error(parse(s, FRAGMENT_USER, "mine.config", "CONFIG_A=y\nCONFIG_B=true\n"), ERR_USAGE,
		 "mine.config:2: 'true' is neither y, m or n, nor a number, nor a string in double quotes");
}

static void refuses_contradictions_in_a_layer(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();

	(void)state;
	assert_null(parse(s, FRAGMENT_BUILTIN, "a.config", "CONFIG_A=y\n"));
	assert_null(parse(s, FRAGMENT_BUILTIN, "b.config", "CONFIG_A=y\nCONFIG_B=1\n"));
	is_error(parse(s, FRAGMENT_BUILTIN, "c.config", "\n# CONFIG_A is not set\n"), ERR_USAGE,
		 "A=n in c.config:2 contradicts A=y in a.config:1; take one of the two out");
	is_error(parse(s, FRAGMENT_USER, "d.config", "CONFIG_B=2\nCONFIG_B=\"2\"\n"), ERR_USAGE,
		 "B=\"2\" in d.config:2 contradicts B=2 in d.config:1; take one of the two out");
}

static void lets_higher_layers_override(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();
	const struct fragment_request *r;

	(void)state;
	assert_null(parse(s, FRAGMENT_BUILTIN, "a.config", "CONFIG_A=y\nCONFIG_B=y\n"));
	assert_null(parse(s, FRAGMENT_USER, "mine.config", "CONFIG_A=m\n"));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "n", "ktb.conf", 7));
	is_request(s, "A", "A=n", "ktb.conf:7");
	is_request(s, "B", "B=y", "a.config:2");
	r = fragment_set_find(s, "A")->overrides;
	assert_string_equal(r->file, "mine.config");
	assert_string_equal(r->overrides->file, "a.config");
	assert_null(r->overrides->overrides);
	assert_int_equal(fragment_set_count(s), 2);
}

static void lets_the_command_line_win(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();

	(void)state;
	assert_null(parse(s, FRAGMENT_BUILTIN, "a.config", "CONFIG_A=y\n"));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "1", "home.conf", 3));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "2", "ktb.conf", 4));
	is_error(fragment_set_add(s, FRAGMENT_CONFIG, "A", "3", "ktb.conf", 9), ERR_USAGE,
		 "A=3 in ktb.conf:9 contradicts A=2 in ktb.conf:4; take one of the two out");
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "4", "command line", 0));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "5", "command line", 0));
	is_request(s, "A", "A=5", "--kconfig");
	/* What it overrides is the other layer's, not the one of its own that it replaced. */
	assert_string_equal(fragment_set_find(s, "A")->overrides->file, "a.config");
}

static void knows_kinds_without_quotes(void **state)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();

	(void)state;
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "A", "-test", "ktb.conf", 1));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "B", "\"5\"", "ktb.conf", 2));
	assert_null(fragment_set_add(s, FRAGMENT_CONFIG, "C", "5", "ktb.conf", 3));
	is_request(s, "A", "A=\"-test\"", "ktb.conf:1");
	is_request(s, "B", "B=\"5\"", "ktb.conf:2");
	is_request(s, "C", "C=5", "ktb.conf:3");
	is_error(fragment_set_add(s, FRAGMENT_CONFIG, "A B", "y", "ktb.conf", 4), ERR_USAGE,
		 "'A B' is not the name of a kernel option");
	is_error(fragment_set_add(s, FRAGMENT_CONFIG, "D", "\"x", "ktb.conf", 5), ERR_USAGE,
		 "D: the string has no closing quote");
	is_error(fragment_set_add(s, FRAGMENT_CONFIG, "D", "x\nCONFIG_E=y", "ktb.conf", 6), ERR_USAGE,
		 "the value of D has more than one line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_requests_in_order),           cmocka_unit_test(says_where_garbage_is),
		cmocka_unit_test(refuses_contradictions_in_a_layer), cmocka_unit_test(lets_higher_layers_override),
		cmocka_unit_test(lets_the_command_line_win),         cmocka_unit_test(knows_kinds_without_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
