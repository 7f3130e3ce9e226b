/*
 * The Kconfig parser: statements, sources, macros, and what is no Kconfig.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/kconfig_expr.h"
#include "kbuild/kconfig_tree.h"

#include "kconfig_files.h"

static struct kconfig_tree *load(const char *text)
{
	struct kconfig_file files[] = { { "Kconfig", text }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	struct kconfig_tree *t = NULL;
	_cleanup_(err_destroy) struct err *e = kconfig_tree_load(&reader, &t);

	if (e)
		fail_msg("%s", err_message(e));
	return t;
}

static void fails_with(const char *text, const char *message)
{
	struct kconfig_file files[] = { { "Kconfig", text }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	struct kconfig_tree *t = NULL;
	_cleanup_(err_destroy) struct err *e = kconfig_tree_load(&reader, &t);

	assert_non_null(e);
	assert_string_equal(err_message(e), message);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
}

static const struct kconfig_entry *entry(const struct kconfig_tree *t, const char *name)
{
	const struct kconfig_symbol *s = kconfig_tree_find(t, name);

	assert_non_null(s);
	assert_non_null(s->entries);
	return s->entries;
}

static void is_expr(const struct kconfig_expr *e, const char *text)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_non_null(e);
	kconfig_expr_print(&b, e, NULL, KCONFIG_OP_OR);
	assert_string_equal(buf_str(&b), text);
}

static void reads_an_entry(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"# comment\nmainmenu \"Linux/$(ARCH) $(KERNELVERSION)\"\n\n"
		"config FOO\n\ttristate \"The \\\"foo\\\" option\" if EXPERT # why\n\tdepends on BAR && \\\n"
		"\t\t!BAZ\n\tdepends on NET\n\tdefault m if MODULES\n\tselect ZIP if ZAP = \"x\"\n\timply ZOP\n"
		"\thelp\n\t  First line.\n\n\t    Indented.\n\t  config is no keyword here\n\nconfig BAR\n"
		"\tdef_bool y\n");
	const struct kconfig_entry *e = entry(t, "FOO");
	const struct kconfig_property *p = e->properties;
	_cleanup_(buf_deinit) struct buf help = BUF_INIT;

	(void)state;
	assert_int_equal(e->symbol->type, KCONFIG_TRISTATE);
	assert_string_equal(e->prompt, "The \"foo\" option");
	is_expr(e->prompt_if, "EXPERT");
	is_expr(e->depends, "BAR && !BAZ && NET");
	assert_string_equal(e->file, "Kconfig");
	assert_int_equal(e->line, 4);
	assert_int_equal(p->kind, KCONFIG_DEFAULT);
	is_expr(p->value, "m");
	is_expr(p->condition, "MODULES");
	p = p->next;
	assert_int_equal(p->kind, KCONFIG_SELECT);
	assert_int_equal(p->line, 10);
	is_expr(p->condition, "ZAP = \"x\"");
	assert_ptr_equal(kconfig_tree_find(t, "ZIP")->selects, p);
	assert_null(kconfig_tree_find(t, "ZIP")->entries);
	assert_ptr_equal(kconfig_tree_find(t, "ZOP")->implies, p->next);
	kconfig_help(e, &help);
	assert_string_equal(buf_str(&help), "First line.\n\n  Indented.\nconfig is no keyword here\n");
	assert_null(entry(t, "BAR")->prompt);
	assert_null(kconfig_tree_find(t, "config"));
}

static void knows_precedence(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"config A\n\tbool\n\tdepends on B || C && !(D || E) && (F || !G=y) || (H)\n"
		"config R\n\tint\n\trange 1 MAX if A >= 4\n\tdefault 0x10\n");

	(void)state;
	is_expr(entry(t, "A")->depends, "B || C && !(D || E) && (F || !(G = y)) || H");
	is_expr(entry(t, "R")->properties->low, "1");
	is_expr(entry(t, "R")->properties->high, "MAX");
	is_expr(entry(t, "R")->properties->condition, "A >= 4");
}

static void nests_blocks(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"menu 'Drivers'\n\tdepends on HAS\n\tvisible if SHOWN\nif NET\nconfig A\n\tbool \"a\"\nendif\nendmenu\n"
		"comment \"that's it\"\n\tdepends on !A\nconfig B\n\tbool \"b\"\n");
	const struct kconfig_entry *a = entry(t, "A");

	(void)state;
	assert_int_equal(a->parent->kind, KCONFIG_ENTRY_IF);
	is_expr(a->parent->depends, "NET");
	assert_string_equal(a->parent->parent->prompt, "Drivers");
	is_expr(a->parent->parent->depends, "HAS");
	is_expr(a->parent->parent->visible_if, "SHOWN");
	assert_null(entry(t, "B")->parent);
}

static void finds_members_of_choices(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"choice\n\tprompt \"Which\" if EXPERT\n\tdefault B\n\thelp\n\t  One of them.\n\n"
		"config A\n\tbool \"a\"\nif X\nconfig B\n\tbool \"b\"\nendif\n"
		"config A_MORE\n\tbool \"more of a\"\n\tdepends on X && A\nconfig HIDDEN\n\tbool\nendchoice\n"
		"config C\n\tbool \"c\"\n");
	const struct kconfig_entry *choice = entry(t, "A")->choice;

	(void)state;
	assert_non_null(choice);
	assert_string_equal(choice->prompt, "Which");
	assert_ptr_equal(choice->members, entry(t, "A"));
	assert_ptr_equal(choice->members->next_member, entry(t, "B"));
	assert_null(entry(t, "B")->next_member);
	assert_null(entry(t, "A_MORE")->choice);
	assert_null(entry(t, "HIDDEN")->choice);
	assert_null(entry(t, "C")->choice);
}

static void follows_sources(void **state)
{
	struct kconfig_file files[] = {
		{ "Kconfig",
		  "dir := arch\nif OUTER\nsource \"$(dir)/$(SRCARCH)/Kconfig\"\nendif\nsource net/Kconfig\n" },
		{ "arch/x86/Kconfig", "config X86\n\tdef_bool y\n" },
		{ "net/Kconfig", "menu \"Net\"\nconfig NET\n\tbool \"net\"\nendmenu" },
		{ NULL, NULL },
	};
	struct kconfig_reader reader = kconfig_reader_of(files);
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = NULL;

	(void)state;
	assert_null(kconfig_tree_load(&reader, &t));
	assert_string_equal(entry(t, "X86")->file, "arch/x86/Kconfig");
	is_expr(entry(t, "X86")->parent->depends, "OUTER");
	assert_string_equal(entry(t, "NET")->file, "net/Kconfig");
	assert_int_equal(entry(t, "NET")->line, 2);
}

static void merges_definitions(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t =
		load("config A\n\tbool\n\tdefault y if X\nconfig B\n\tbool \"b\"\nconfig A\n\tbool \"a\"\n");
	const struct kconfig_entry *e = entry(t, "A");

	(void)state;
	assert_int_equal(e->line, 1);
	assert_int_equal(e->next_of->line, 6);
	assert_string_equal(e->next_of->prompt, "a");
	assert_null(e->next_of->next_of);
}

static void expands_macros(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"name := A\nlate = $(name)$(other)\nother := B\nname += C\nunknown := $(shell,echo \"hi\")\n"
		"config $(late)\n\tbool \"$(other) of $$5\"\n");

	(void)state;
	/* "A C" and "B": one word after expansion, blank and all, as in Kconfig. */
	assert_string_equal(entry(t, "A CB")->prompt, "B of $5");
}

static void leaves_functions_alone(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"cc-option = $(success,$(CC) -Werror $(1))\n$(error-if,$(failure,command -v $(CC)),no \"$(CC)\")\n"
		"flag := $(cc-option,-m64)\n"
		"config A\n\tbool \"a\"\n\tdepends on $(cc-option,-fa b,\"c\") || \"$(CROSS)\" != \"\"\n"
		"\tdefault $(flag)\n");

	(void)state;
	is_expr(entry(t, "A")->depends, "$(cc-option,-fa b,\"c\") || $(CROSS) != \"\"");
	is_expr(entry(t, "A")->properties->value, "$(flag)");
}

static void reads_older_and_newer_kernels(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"config MODULES\n\tbool \"modules\"\n\toption modules\n\t---help---\n\t  text\n"
		"config DEFCONFIG_LIST\n\tstring\n\toption defconfig_list\n\tdefault \"/lib/config\"\n"
		"choice NAMED\n\tbool \"named\"\n\toptional\nconfig M\n\tbool \"m\"\nendchoice\n"
		"config T\n\tbool \"t\"\n\ttransitional\n\tdepends on A if B\n");

	(void)state;
	assert_ptr_equal(kconfig_tree_modules(t), kconfig_tree_find(t, "MODULES"));
	assert_true(entry(t, "M")->choice->optional);
	is_expr(entry(t, "T")->depends, "A || !B");
}

static void says_where_it_breaks(void **state)
{
	(void)state;
	fails_with("config\n", "Kconfig:1: the name of an option is missing");
	fails_with("config A\n\tbool \"a\n", "Kconfig:2: the string has no closing quote");
	fails_with("\nconfig A\n\tdepends on (B\n", "Kconfig:3: a closing parenthesis is missing");
	fails_with("config A\n\tdepends B\n", "Kconfig:2: 'on' is missing behind 'depends'");
	fails_with("config A\n\tdepends on B &&\n", "Kconfig:2: the name of an option is missing");
	fails_with("config A B\n", "Kconfig:1: there is something more at the end of the line");
	fails_with("bool \"a\"\n", "Kconfig:1: 'bool' can't stand here");
	fails_with("menu \"m\"\n\tbool \"a\"\nendmenu\n", "Kconfig:2: 'bool' can't stand here");
	fails_with("nonsense\n", "Kconfig:1: 'nonsense' is no keyword");
	fails_with("= y\n", "Kconfig:1: a line must begin with a keyword");
	fails_with("if A\nconfig B\n\tbool\n", "Kconfig:1: what begins here has no end in this file");
	fails_with("menu \"m\"\nendif\n", "Kconfig:2: 'endif' without an open 'if'");
	fails_with("endmenu\n", "Kconfig:1: 'endmenu' without an open 'menu'");
	fails_with("config A\n\tdefault $(b\n", "Kconfig:2: a macro has no closing parenthesis");
	fails_with("source \"$(whatever)/Kconfig\"\n",
		   "Kconfig:1: the name of the file to source depends on a macro that isn't known");
	fails_with("a = $(a)\nconfig $(a)\n", "Kconfig:2: macros refer to macros more than 16 deep");
}

static void says_what_it_cannot_read(void **state)
{
	struct kconfig_file files[] = { { "Kconfig", "\nsource \"gone/Kconfig\"\n" }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	struct kconfig_tree *t = NULL;
	_cleanup_(err_destroy) struct err *e = kconfig_tree_load(&reader, &t);

	(void)state;
	assert_string_equal(err_message(e), "Kconfig:2: there is no gone/Kconfig");
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
}

static void has_bounds(void **state)
{
	_cleanup_(buf_deinit) struct buf nots = BUF_INIT, terms = BUF_INIT, blocks = BUF_INIT, growing = BUF_INIT;
	struct kconfig_file files[] = { { "Kconfig", "source \"Kconfig\"\n" }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	struct kconfig_tree *t = NULL;
	_cleanup_(err_destroy) struct err *e = kconfig_tree_load(&reader, &t);

	(void)state;
	assert_non_null(strstr(err_message(e), "files source each other more than 40 deep"));

	buf_puts(&nots, "config A\n\tdepends on ");
	buf_puts(&terms, "config A\n\tdepends on A");
	for (int i = 0; i < 100000; i++) {
		buf_putc(&nots, '!');
		buf_puts(&terms, " && A");
		buf_puts(&blocks, "if A\n");
	}
	buf_puts(&nots, "A\n");
	fails_with(buf_str(&nots), "Kconfig:2: the expression is nested more than 100 deep");
	fails_with(buf_str(&terms), "Kconfig:2: the expression has more than 1000 terms");
	fails_with(buf_str(&blocks), "Kconfig:101: blocks are nested more than 100 deep");

	buf_puts(&growing, "a := xxxxxxxxxxxxxxxx\n");
	for (int i = 0; i < 64; i++)
		buf_puts(&growing, "a := $(a)$(a)\n");
	fails_with(buf_str(&growing), "Kconfig:18: the macros expand to more than 8388608 bytes in all");
}

static void finds_near_names(void **state)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = load(
		"config DEBUG_SPINLOCK\n\tbool \"a\"\nconfig DEBUG_SPINLOCKS\n\tbool \"b\"\nconfig NET\n\tbool \"c\"\n"
		"\tdepends on DEBUG_SPINLO\n");
	_cleanup_(strv_deinit) struct strv near = STRV_INIT, none = STRV_INIT, one = STRV_INIT;

	(void)state;
	kconfig_tree_nearest(t, "DEBUG_SPINLOK", 4, &near);
	assert_int_equal(near.n, 2);
	assert_string_equal(near.v[0], "DEBUG_SPINLOCK");
	assert_string_equal(near.v[1], "DEBUG_SPINLOCKS");
	kconfig_tree_nearest(t, "ABC", 4, &none);
	assert_int_equal(none.n, 0);
	kconfig_tree_nearest(t, "NAT", 4, &one);
	assert_int_equal(one.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_an_entry),
		cmocka_unit_test(knows_precedence),
		cmocka_unit_test(nests_blocks),
		cmocka_unit_test(finds_members_of_choices),
		cmocka_unit_test(follows_sources),
		cmocka_unit_test(merges_definitions),
		cmocka_unit_test(expands_macros),
		cmocka_unit_test(leaves_functions_alone),
		cmocka_unit_test(reads_older_and_newer_kernels),
		cmocka_unit_test(says_where_it_breaks),
		cmocka_unit_test(says_what_it_cannot_read),
		cmocka_unit_test(has_bounds),
		cmocka_unit_test(finds_near_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
