/*
 * Expressions of ktb read: the steps that they are, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "kernel/expr.h"

/* "init_task .comm [3]": one word a step. */
static char *steps_of(const char *text)
{
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	struct buf b = BUF_INIT;

	assert_null(expr_parse(text, &e));
	assert_string_equal(e.text, text);
	for (size_t i = 0; i < e.n; i++) {
		static const char *const ops[] = { "", "#", ".", "->", "[", "[cpu", "*", "&", "(" };
		const struct expr_step *s = &e.steps[i];

		assert_true(s->begin < s->end && s->end <= strlen(text));
		buf_printf(&b, "%s%s%s%s%s%s%s", i ? " " : "", ops[s->op], s->file ? s->file : "", s->file ? "::" : "",
			   s->scope ? s->scope : "", s->scope ? " :: " : "", s->name ? s->name : "");
		if (s->op == EXPR_NUMBER || s->op == EXPR_INDEX || s->op == EXPR_CPU)
			buf_printf(&b, "%lld", (long long)s->number);
		if (s->op == EXPR_CAST)
			buf_printf(&b, "%c:%s:%u", s->type.tag ? s->type.tag : '-', s->type.name, s->type.pointers);
	}
	return buf_steal(&b);
}

static void expect(const char *text, const char *expected)
{
	_cleanup_(free) char *steps = steps_of(text);

	assert_string_equal(steps, expected);
}

static void paths(void **state)
{
	(void)state;
	expect("jiffies", "jiffies");
	expect(" init_task . comm ", "init_task .comm");
	expect("init_task.parent->comm", "init_task .parent ->comm");
	expect("a[3][0x10].b", "a [3 [16 .b");
	expect("a[-1]", "a [-1");
	expect("runqueues[cpu 1].nr_running", "runqueues [cpu1 .nr_running");
	expect("x[ cpu 0x2 ]", "x [cpu2");
	expect("'kernel/fork.c'::max_threads", "kernel/fork.c::max_threads");
	expect("copy_process::count[1]", "copy_process :: count [1");
	expect("(hello :: code).x", "hello :: code .x");
	expect("'kernel/fork.c'::copy_process::count", "kernel/fork.c::copy_process :: count");
	expect("0xffff888000000000", "#-131391639519232");
}

static void operators_bind_as_in_c(void **state)
{
	(void)state;
	expect("*a.b", "a .b *");
	expect("(*a).b", "a * .b");
	expect("&a->b[1]", "a ->b [1 &");
	expect("**a", "a * *");
	expect("*&a", "a & *");
	expect("((a))", "a");
}

static void casts(void **state)
{
	(void)state;
	expect("(struct task_struct *)0x10", "#16 (s:task_struct:1");
	expect("((struct task_struct *)0x10)->comm", "#16 (s:task_struct:1 ->comm");
	expect("*(union u **)&a.b", "a .b & (u:u:2 *");
	expect("(enum e)a", "a (e:e:0");
	expect("(unsigned long)a", "a (-:unsigned long:0");
	expect("(const volatile u8 const *)a", "a (-:u8:1");
	expect("(void *)(u64)a", "a (-:u64:0 (-:void:1");
	/* What may look like one. */
	expect("(a)", "a");
	expect("(a).b", "a .b");
	expect("(a)[1]", "a [1");
	expect("(a)->b", "a ->b");
	expect("(a)b", "b (-:a:0");
}

/* The place is where the mark in the message's last line is. */
static void refuse(const char *text, const char *why, size_t place)
{
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	_cleanup_(err_destroy) struct err *error = expr_parse(text, &e);
	const char *last;

	assert_non_null(error);
	assert_int_equal(err_code(error), ERR_USAGE);
	assert_non_null(strstr(err_message(error), why));
	last = strrchr(err_message(error), '\n');
	assert_non_null(last);
	assert_int_equal(strlen(last + 1) - 1 - 4, place);
	assert_null(e.text);
}

static void errors_show_the_place(void **state)
{
	(void)state;
	refuse("", "a variable or an address is expected", 0);
	refuse("a.", "the name of a member is expected behind that", 2);
	refuse("a..b", "the name of a member is expected here", 2);
	refuse("a.1", "the name of a member", 2);
	refuse("a b", "the end, '.', '->' or '['", 2);
	refuse("a[", "a number, or 'cpu' and a number,", 2);
	refuse("a[1", "']' is expected", 3);
	refuse("a[cpu]", "the number of a CPU", 5);
	refuse("a[cpu -1]", "the number of a CPU", 6);
	refuse("a[b]", "a number", 2);
	refuse("a[0xfg]", "not a number", 2);
	refuse("(a", "')' is expected", 2);
	refuse("(struct)a", "the name of a type", 7);
	refuse("(struct a)", "a variable or an address", 10);
	refuse("(struct a[2])b", "a cast to an array", 0);
	refuse("'a.c", "not closed", 0);
	refuse("'a.c'x", "'::'", 5);
	refuse("init_task.parent-", "the shell has taken the '>'", 16);
	refuse("99999999999999999999", "not a number", 0);
	refuse("a\033b", "the end", 1);
}

static void what_is_too_much_is_refused(void **state)
{
	_cleanup_(free) char *deep = xcalloc(1, 600), *many = xcalloc(1, 600), *huge = xcalloc(1, 2000);
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	_cleanup_(err_destroy) struct err *too_deep = NULL, *too_many = NULL, *too_long = NULL;

	(void)state;
	memset(deep, '(', 500);
	too_deep = expr_parse(deep, &e);
	assert_non_null(strstr(err_message(too_deep), "too deeply nested"));
	for (size_t i = 0; i < 100; i++)
		memcpy(many + 2 * i, i ? ".a" : "aa", 2);
	too_many = expr_parse(many, &e);
	assert_non_null(strstr(err_message(too_many), "too many steps"));
	memset(huge, 'a', 1999);
	too_long = expr_parse(huge, &e);
	assert_int_equal(err_code(too_long), ERR_USAGE);
}

static void types(void **state)
{
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };
	static const char *const bad[] = { "", "*", "struct", "u8[0]", "u8[", "u8[2] x", "int********* ", "a . b" };

	(void)state;
	assert_null(expr_type_parse("const struct list_head *[4]", &t));
	assert_int_equal(t.tag, 's');
	assert_string_equal(t.name, "list_head");
	assert_int_equal(t.pointers, 1);
	assert_int_equal(t.elements, 4);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct expr_type none = { 0 };
		_cleanup_(err_destroy) struct err *e = expr_type_parse(bad[i], &none);

		assert_int_equal(err_code(e), ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths), cmocka_unit_test(operators_bind_as_in_c),
		cmocka_unit_test(casts), cmocka_unit_test(errors_show_the_place),
		cmocka_unit_test(types), cmocka_unit_test(what_is_too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
