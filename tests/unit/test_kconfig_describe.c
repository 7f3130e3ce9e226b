/*
 * All that is told about one option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kbuild/kconfig_describe.h"

#include "kconfig_files.h"

static const char kconfig[] = "config MODULES\n\tbool \"modules\"\n\tmodules\n"                  /* 1 */
			      "menu \"Drivers\"\n"                                               /* 4 */
			      "config NET\n\ttristate \"net\"\n\tdefault m if MODULES\n"         /* 5 */
			      "menu \"More\"\n"                                                  /* 8 */
			      "config CARD\n\ttristate \"card\"\n\tdepends on NET && (A || B)\n" /* 9 */
			      "\tselect CRC if NET\n\thelp\n\t  A card.\n\n\t    With text.\n"   /* 12 */
			      "endmenu\nendmenu\n"                                               /* 17 */
			      "config CRC\n\ttristate\n\timply NET\n"                            /* 19 */
			      "config A\n\tbool \"a\"\n"                                         /* 22 */
			      "choice\n\tprompt \"which\"\n"                                     /* 24 */
			      "config ONE\n\tbool \"one\"\n"                                     /* 26 */
			      "config TWO\n\tbool \"two\"\n"                                     /* 28 */
			      "endchoice\n"                                                      /* 30 */
			      "config SHIFT\n\tint \"shift\"\n\trange 12 25\n\tdefault 17\n"     /* 31 */
			      "config NAME\n\tstring \"name\"\n"                                 /* 35 */
			      "config SHIFT\n\tint\n\tdefault 18\n";                             /* 37 */

struct scene {
	struct fragment_set *requests;
	struct dotconfig *config;
	struct kconfig_tree *tree;
};

static struct scene begin(const char *config, const char *requests)
{
	struct kconfig_file files[] = { { "Kconfig", kconfig }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	struct scene s = { .requests = fragment_set_create() };

	assert_null(kconfig_tree_load(&reader, &s.tree));
	assert_null(dotconfig_parse(".config", config, strlen(config), &s.config));
	assert_null(fragment_set_parse(s.requests, FRAGMENT_BUILTIN, false, "base.config", requests, strlen(requests)));
	return s;
}

static void end(struct scene *s)
{
	fragment_set_destroy(s->requests);
	dotconfig_destroy(s->config);
	kconfig_tree_destroy(s->tree);
}

static void assert_described(struct scene *s, const char *name, const char *expected)
{
	struct kconfig_values v = { s->config, s->tree };
	const struct kconfig_symbol *symbol = kconfig_find_meant(s->tree, name);
	_cleanup_(kconfig_description_deinit) struct kconfig_description d = { 0 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_non_null(symbol);
	kconfig_describe(&v, s->requests, symbol, &d);
	for (size_t i = 0; i < d.n; i++) {
		assert_true(d.v[i].lines.n == 1 || d.v[i].list);
		for (size_t j = 0; j < d.v[i].lines.n; j++)
			buf_printf(&b, "%s: %s\n", d.v[i].key, d.v[i].lines.v[j]);
	}
	assert_string_equal(buf_str(&b), expected);
}

static void tells_all_about_an_option(void **state)
{
	struct scene s = begin("CONFIG_MODULES=y\nCONFIG_NET=m\nCONFIG_A=y\nCONFIG_CARD=m\nCONFIG_CRC=m\n",
			       "CONFIG_CARD=m\n");

	(void)state;
	assert_described(&s, "CARD",
			 "name: CARD\ntype: tristate\nprompt: card\nvalue: m\nrequested: CARD=m in base.config:1\n"
			 "set_with: CARD=y|m|n in [kconfig] of ktb.conf, or --kconfig\n"
			 "defined: Kconfig:9, in the menu Drivers > More\n"
			 "depends: NET (=m)\ndepends: A (=y) || B (no such option here)\n"
			 "selects: CRC if NET (=m)\n"
			 "help: A card.\nhelp: \nhelp:   With text.\n");
	assert_described(&s, "CRC",
			 "name: CRC\ntype: tristate\nvalue: m\n"
			 "cannot_be_set: has no prompt: only options that select it can set it: CARD (=m)\n"
			 "defined: Kconfig:19\nselected_by: CARD (=m) if NET (=m) at Kconfig:12\nimplies: NET\n");
	end(&s);
}

static void says_what_stands_in_the_way(void **state)
{
	struct scene s = begin("CONFIG_MODULES=y\n# CONFIG_NET is not set\n# CONFIG_A is not set\n", "CONFIG_CARD=m\n");

	(void)state;
	assert_described(&s, "CARD",
			 "name: CARD\ntype: tristate\nprompt: card\nvalue: n\nrequested: CARD=m in base.config:1\n"
			 "not_as_asked: needs NET (=n): set NET=m\n"
			 "not_as_asked: needs A (=n): set A=y\n"
			 "defined: Kconfig:9, in the menu Drivers > More\n"
			 "depends: NET (=n): doesn't hold\n"
			 "depends: A (=n) || B (no such option here): doesn't hold\n"
			 "selects: CRC if NET (=n)\n"
			 "help: A card.\nhelp: \nhelp:   With text.\n");
	end(&s);
}

static void knows_choices_ranges_and_several_definitions(void **state)
{
	struct scene s = begin("CONFIG_TWO=y\nCONFIG_SHIFT=17\n", "");

	(void)state;
	assert_described(&s, "ONE",
			 "name: ONE\ntype: bool\nprompt: one\nvalue: n\n"
			 "set_with: ONE=y|n in [kconfig] of ktb.conf, or --kconfig\ndefined: Kconfig:26\n"
			 "choice: ONE (=n)\nchoice: TWO (=y)\n");
	assert_described(&s, "SHIFT",
			 "name: SHIFT\ntype: int\nprompt: shift\nvalue: 17\n"
			 "set_with: SHIFT=NUMBER in [kconfig] of ktb.conf, or --kconfig\n"
			 "defined: Kconfig:31\ndefined: Kconfig:37\ndefaults: 17\ndefaults: 18\nranges: 12 to 25\n");
	assert_described(&s, "NAME",
			 "name: NAME\ntype: string\nprompt: name\nvalue: not set\n"
			 "set_with: NAME=\"TEXT\" in [kconfig] of ktb.conf, or --kconfig\ndefined: Kconfig:35\n");
	end(&s);
}

static void finds_what_is_meant(void **state)
{
	struct scene s = begin("", "");

	(void)state;
	assert_string_equal(kconfig_find_meant(s.tree, "NET")->name, "NET");
	assert_string_equal(kconfig_find_meant(s.tree, "CONFIG_NET")->name, "NET");
	assert_string_equal(kconfig_find_meant(s.tree, "config_net")->name, "NET");
	assert_null(kconfig_find_meant(s.tree, "B"));
	assert_null(kconfig_find_meant(s.tree, ""));
	assert_null(kconfig_find_meant(s.tree, "CONFIG_"));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_all_about_an_option),
		cmocka_unit_test(says_what_stands_in_the_way),
		cmocka_unit_test(knows_choices_ranges_and_several_definitions),
		cmocka_unit_test(finds_what_is_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
