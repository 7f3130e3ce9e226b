/*
 * Kconfig expressions: values, visibility, and which part of one fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/kconfig_blockers.h"
#include "kbuild/kconfig_visibility.h"

#include "kconfig_files.h"

/* Y, M and N have that value, and so have their tristate counterparts. */
static const char symbols[] = "config MODULES\n\tbool \"modules\"\n\tmodules\n"
			      "config Y\n\tbool \"y\"\nconfig N\n\tbool \"n\"\nconfig N2\n\tbool \"n\"\n"
			      "config M\n\ttristate \"m\"\nconfig TY\n\ttristate \"ty\"\n"
			      "config INT\n\tint \"int\"\nconfig HEX\n\thex \"hex\"\nconfig STR\n\tstring \"str\"\n"
			      "config NOWAY\n\tbool\n";
static const char values[] = "CONFIG_MODULES=y\nCONFIG_Y=y\nCONFIG_M=m\nCONFIG_TY=y\nCONFIG_INT=10\nCONFIG_HEX=0xa\n"
			     "CONFIG_STR=\"text\"\n";

struct scene {
	struct kconfig_tree *tree;
	struct dotconfig *config;
	struct kconfig_values values;
};

static void scene_init(struct scene *s, const char *more, const char *config)
{
	_cleanup_(free) char *text = xasprintf("%s%s", symbols, more);
	struct kconfig_file files[] = { { "Kconfig", text }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	_cleanup_(err_destroy) struct err *e = kconfig_tree_load(&reader, &s->tree);

	if (e)
		fail_msg("%s", err_message(e));
	assert_null(dotconfig_parse("test", config, strlen(config), &s->config));
	s->values = (struct kconfig_values){ s->config, s->tree };
}

static void scene_deinit(struct scene *s)
{
	kconfig_tree_destroy(s->tree);
	dotconfig_destroy(s->config);
}

/* The value of an expression, as "n", or "n..y" where it isn't known. */
static void evaluates_to(const char *expr, const char *config, const char *expected)
{
	_cleanup_(free) char *text = xasprintf("config X\n\tbool \"x\"\n\tdepends on %s\n", expr), *result = NULL;
	struct kconfig_range r;
	struct scene s;

	scene_init(&s, text, config);
	r = kconfig_eval(&s.values, kconfig_tree_find(s.tree, "X")->entries->depends);
	result = r.low == r.high ? xstrdup(tristate_name(r.low))
				 : xasprintf("%s..%s", tristate_name(r.low), tristate_name(r.high));
	if (!streq(result, expected))
		fail_msg("%s is %s, not %s", expr, result, expected);
	scene_deinit(&s);
}

static void has_three_values(void **state)
{
	(void)state;
	evaluates_to("Y", values, "y");
	evaluates_to("M", values, "m");
	evaluates_to("N", values, "n");
	evaluates_to("!M", values, "m");
	evaluates_to("!N", values, "y");
	evaluates_to("Y && M", values, "m");
	evaluates_to("N || M", values, "m");
	evaluates_to("y && \"y\"", values, "y");
	evaluates_to("m", values, "m");
	evaluates_to("m", "CONFIG_Y=y\n", "n");
	evaluates_to("STR", values, "n");
	evaluates_to("UNDEFINED", values, "n");
}

static void compares_as_kconfig_does(void **state)
{
	(void)state;
	evaluates_to("Y = y", values, "y");
	evaluates_to("Y=M", values, "n");
	evaluates_to("M < TY", values, "y");
	evaluates_to("INT > 9", values, "y");
	evaluates_to("INT < 9", values, "n");
	evaluates_to("INT = \"10\"", values, "y");
	evaluates_to("HEX = 0x0a", values, "y");
	evaluates_to("HEX >= INT", values, "y");
	evaluates_to("STR = \"text\"", values, "y");
	evaluates_to("STR != \"\"", values, "y");
	evaluates_to("UNDEFINED = UNDEFINED", values, "y");
	evaluates_to("INT <= 9", "", "y");
	evaluates_to("!INT = 10", values, "n");
}

static void keeps_what_is_not_known(void **state)
{
	(void)state;
	evaluates_to("$(cc-option,-m64)", values, "n..y");
	evaluates_to("!$(cc-option,-m64)", values, "n..y");
	evaluates_to("$(cc-option,-m64) && M", values, "n..m");
	evaluates_to("$(cc-option,-m64) || M", values, "m..y");
	evaluates_to("$(cc-option,-m64) && N", values, "n");
	evaluates_to("$(ld-version) > 5", values, "n..y");
}

static void is_visible(const char *more, const char *expected)
{
	struct kconfig_range r;
	struct scene s;

	scene_init(&s, more, values);
	r = kconfig_visibility(&s.values, kconfig_tree_find(s.tree, "X"));
	assert_int_equal(r.low, r.high);
	assert_string_equal(tristate_name(r.low), expected);
	scene_deinit(&s);
}

static void knows_what_hides_a_prompt(void **state)
{
	(void)state;
	is_visible("config X\n\ttristate \"x\"\n", "y");
	is_visible("config X\n\ttristate\n", "n");
	is_visible("config X\n\ttristate \"x\" if M\n", "m");
	is_visible("config X\n\tbool \"x\" if M\n", "y");
	is_visible("config X\n\tbool \"x\"\n\tdepends on N\n", "n");
	is_visible("if N\nconfig X\n\tbool \"x\"\nendif\n", "n");
	is_visible("menu \"m\"\n\tvisible if N\nconfig X\n\tbool \"x\"\nendmenu\n", "n");
	is_visible("menu \"m\"\n\tdepends on M\nconfig X\n\ttristate \"x\"\nendmenu\n", "m");
	is_visible("choice\n\tprompt \"c\" if N\nconfig X\n\tbool \"x\"\nendchoice\n", "n");
	is_visible("config X\n\tbool \"x\"\n\tdepends on N\nconfig X\n\tbool \"x\"\n\tdepends on Y\n", "y");
}

static void selects_only_where_it_holds(void **state)
{
	const struct kconfig_property *p;
	struct scene s;

	(void)state;
	scene_init(&s,
		   "config X\n\ttristate\nconfig M\n\tselect X\nconfig Y\n\tselect X if N\n"
		   "config Y\n\tbool\n\tdepends on N\n\tselect X\n",
		   values);
	p = kconfig_tree_find(s.tree, "X")->selects;
	assert_int_equal(kconfig_select_value(&s.values, p).high, TRISTATE_M);
	assert_int_equal(kconfig_select_value(&s.values, p->next_source).high, TRISTATE_N);
	assert_int_equal(kconfig_select_value(&s.values, p->next_source->next_source).high, TRISTATE_N);
	scene_deinit(&s);
}

static void leaves_open_what_kernels_disagree_on(void **state)
{
	struct kconfig_range r;
	struct scene s;

	(void)state;
	scene_init(&s,
		   "config X\n\ttristate\nchoice\n\tprompt \"c\"\n\tdepends on M\n"
		   "config Y\n\tbool \"y\"\n\tselect X\nendchoice\n",
		   values);
	r = kconfig_select_value(&s.values, kconfig_tree_find(s.tree, "X")->selects);
	assert_int_equal(r.low, TRISTATE_M);
	assert_int_equal(r.high, TRISTATE_Y);
	scene_deinit(&s);
}

static void blocked_by(const char *expr, enum tristate need, const char *expected)
{
	_cleanup_(free) char *text = xasprintf("config X\n\tbool \"x\"\n\tdepends on %s\n", expr);
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers blockers = { 0 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct scene s;

	scene_init(&s, text, values);
	kconfig_blockers_add(&blockers, &s.values, kconfig_tree_find(s.tree, "X")->entries->depends, need);
	for (size_t i = 0; i < blockers.n; i++) {
		buf_puts(&b, i ? "; " : "");
		kconfig_expr_print(&b, blockers.v[i], &s.values, KCONFIG_OP_OR);
	}
	assert_string_equal(buf_str(&b), expected);
	scene_deinit(&s);
}

static void finds_what_fails(void **state)
{
	(void)state;
	blocked_by("Y && TY", TRISTATE_Y, "");
	blocked_by("Y && N && TY && !Y", TRISTATE_Y, "N (=n); !Y (=y)");
	blocked_by("Y && M", TRISTATE_M, "");
	blocked_by("Y && M", TRISTATE_Y, "M (=m)");
	blocked_by("N || N2 && Y", TRISTATE_Y, "N (=n) || N2 (=n)");
	blocked_by("Y && (N || N2) && N", TRISTATE_Y, "N (=n) || N2 (=n); N (=n)");
	blocked_by("INT > 10 && STR = \"x\"", TRISTATE_Y, "INT (=10) > 10; STR (=\"text\") = \"x\"");
	blocked_by("$(cc-option,-x) && N", TRISTATE_Y, "N (=n)");
	/* What no kernel of this tree can have is no alternative, unless there is no other. */
	blocked_by("Y && (M68K || NOWAY) || N", TRISTATE_Y, "N (=n)");
	blocked_by("M68K || NOWAY", TRISTATE_Y, "M68K (no such option here) || NOWAY (=n)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_three_values),
		cmocka_unit_test(compares_as_kconfig_does),
		cmocka_unit_test(keeps_what_is_not_known),
		cmocka_unit_test(knows_what_hides_a_prompt),
		cmocka_unit_test(selects_only_where_it_holds),
		cmocka_unit_test(leaves_open_what_kernels_disagree_on),
		cmocka_unit_test(finds_what_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
