/*
 * What menuconfig changed, as a fragment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/config_edit.h"

#include "kconfig_files.h"

static const char kconfig[] = "config NET\n\tbool \"net\"\n"
			      "config CARD\n\tbool \"card\"\n\tdepends on NET\n\tselect CRC\n"
			      "config FAST\n\tbool \"fast\"\n\tdepends on CARD\n\tdefault y\n"
			      "config SLOW\n\tbool \"slow\"\n\tdepends on CARD\n"
			      "config QUEUE\n\tint \"queue\"\n\tdepends on CARD\n\tdefault 5\n"
			      "config CRC\n\tbool\n"
			      "config NAME\n\tstring \"name\"\n";

static void assert_changes(const char *old, const char *new, const char *expected)
{
	struct kconfig_file files[] = { { "Kconfig", kconfig }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *tree = NULL;
	_cleanup_(dotconfig_destroy) struct dotconfig *before = NULL, *after = NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT, result = BUF_INIT;
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;

	assert_null(kconfig_tree_load(&reader, &tree));
	assert_null(dotconfig_parse("old", old, strlen(old), &before));
	assert_null(dotconfig_parse("new", new, strlen(new), &after));
	buf_puts(&text, new);
	assert_null(config_edit_changes(before, &text, &(struct kconfig_values){ after, tree }, &result, &names));
	assert_string_equal(buf_str(&result), expected);
	assert_int_equal(names.n > 0, *expected != '\0');
}

static void takes_what_was_set(void **state)
{
	(void)state;
	assert_changes("CONFIG_NET=y\nCONFIG_NAME=\"a\"\n", "CONFIG_NET=y\nCONFIG_NAME=\"a\"\n", "");
	assert_changes("CONFIG_NET=y\nCONFIG_NAME=\"a\"\n", "# CONFIG_NET is not set\nCONFIG_NAME=\"b c\"\n",
		       "# CONFIG_NET is not set\nCONFIG_NAME=\"b c\"\n");
}

static void leaves_out_what_follows(void **state)
{
	(void)state;
	/* CRC is selected; FAST, SLOW and QUEUE came with CARD, at their defaults. */
	assert_changes("CONFIG_NET=y\n# CONFIG_CARD is not set\n",
		       "CONFIG_NET=y\nCONFIG_CARD=y\nCONFIG_FAST=y\n# CONFIG_SLOW is not set\nCONFIG_QUEUE=5\n"
		       "CONFIG_CRC=y\n",
		       "CONFIG_CARD=y\n");
	/* They did not. */
	assert_changes("CONFIG_NET=y\n# CONFIG_CARD is not set\n",
		       "CONFIG_NET=y\nCONFIG_CARD=y\n# CONFIG_FAST is not set\nCONFIG_SLOW=y\nCONFIG_QUEUE=6\n"
		       "CONFIG_CRC=y\n",
		       "CONFIG_CARD=y\n# CONFIG_FAST is not set\nCONFIG_SLOW=y\nCONFIG_QUEUE=6\n");
	/* What went with NET isn't there, and what nobody knows isn't taken. */
	assert_changes("CONFIG_NET=y\nCONFIG_CARD=y\nCONFIG_FAST=y\n",
		       "# CONFIG_NET is not set\n# CONFIG_CARD is not set\nCONFIG_ALIEN=y\n",
		       "# CONFIG_NET is not set\n");
}

static void assert_kept(const char *text, const char *expected)
{
	_cleanup_(buf_deinit) struct buf result = BUF_INIT;
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;

	strv_add(&names, "NET");
	assert_null(config_edit_keep("f", text, strlen(text), &names, &result));
	assert_string_equal(buf_str(&result), expected);
}

static void keeps_the_rest_of_a_fragment(void **state)
{
	static const char bad[] = "CONFIG_A=y\nint main;\n";
	_cleanup_(buf_deinit) struct buf result = BUF_INIT;
	const struct strv none = STRV_INIT;
	struct err *e;

	(void)state;
	assert_kept("", "");
	assert_kept("# mine\n\nCONFIG_NET=y\nCONFIG_A=y\n# CONFIG_NET is not set", "# mine\n\nCONFIG_A=y\n");
	assert_kept("CONFIG_NETX=y", "CONFIG_NETX=y\n");
	e = config_edit_keep("f", bad, strlen(bad), &none, &result);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_non_null(skip_prefix(err_message(e), "f:2: "));
	err_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_was_set),
		cmocka_unit_test(leaves_out_what_follows),
		cmocka_unit_test(keeps_the_rest_of_a_fragment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
