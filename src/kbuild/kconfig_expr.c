#include "kbuild/kconfig_expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum tristate tristate_parse(const char *s)
{
	if (!s || !*s || s[1])
		return TRISTATE_N;
	return *s == 'y' ? TRISTATE_Y : *s == 'm' ? TRISTATE_M : TRISTATE_N;
}

const char *tristate_name(enum tristate t)
{
	return t == TRISTATE_Y ? "y" : t == TRISTATE_M ? "m" : "n";
}

static bool is_logic(enum kconfig_type type)
{
	return type == KCONFIG_BOOL || type == KCONFIG_TRISTATE;
}

const char *kconfig_value(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	const char *value = dotconfig_get(v->config, s->name);

	return value || !is_logic(s->type) ? value : "n";
}

enum tristate kconfig_tristate(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	return is_logic(s->type) ? tristate_parse(kconfig_value(v, s)) : TRISTATE_N;
}

/* The value of a word as Kconfig compares it; an undefined symbol stands for its own name. */
static const char *operand_text(const struct kconfig_values *v, const struct kconfig_expr *e)
{
	const char *value;

	if (e->op != KCONFIG_OP_SYMBOL)
		return e->text;
	if (!e->symbol->entries)
		return e->symbol->name;
	value = kconfig_value(v, e->symbol);
	return value ? value : "";
}

static enum kconfig_type operand_type(const struct kconfig_expr *e)
{
	if (e->op == KCONFIG_OP_SYMBOL)
		return e->symbol->type;
	return streq(e->text, "y") || streq(e->text, "m") || streq(e->text, "n") ? KCONFIG_TRISTATE : KCONFIG_UNKNOWN;
}

/* expr_parse_string() of scripts/kconfig/expr.c: false if it can only be compared as text. */
static bool parse_number(const char *s, enum kconfig_type type, long long *ret)
{
	char *tail;

	errno = 0;
	switch (type) {
	case KCONFIG_BOOL:
	case KCONFIG_TRISTATE:
		*ret = streq(s, "n") ? 0 : streq(s, "m") ? 1 : streq(s, "y") ? 2 : -1;
		return true;
	case KCONFIG_HEX:
		*ret = (long long)strtoull(s, &tail, 16);
		break;
	case KCONFIG_INT:
		*ret = strtoll(s, &tail, 10);
		break;
	case KCONFIG_STRING:
	case KCONFIG_UNKNOWN:
	default:
		*ret = strtoll(s, &tail, 0);
		break;
	}
	return !errno && !*tail && tail > s && isxdigit((unsigned char)tail[-1]);
}

static int compare_operands(const struct kconfig_values *v, const struct kconfig_expr *a, const struct kconfig_expr *b)
{
	const char *text_a = operand_text(v, a), *text_b = operand_text(v, b);
	enum kconfig_type type_a = operand_type(a), type_b = operand_type(b);
	long long number_a, number_b;

	if ((type_a == KCONFIG_STRING && type_b == KCONFIG_STRING) || !parse_number(text_a, type_a, &number_a) ||
	    !parse_number(text_b, type_b, &number_b))
		return strcmp(text_a, text_b);
	if (type_a == KCONFIG_HEX || type_b == KCONFIG_HEX)
		return ((unsigned long long)number_a > (unsigned long long)number_b) -
		       ((unsigned long long)number_a < (unsigned long long)number_b);
	return (number_a > number_b) - (number_a < number_b);
}

static struct kconfig_range eval_comparison(const struct kconfig_values *v, const struct kconfig_expr *e)
{
	static const struct kconfig_range yes = { TRISTATE_Y, TRISTATE_Y }, no = { TRISTATE_N, TRISTATE_N };
	int order;

	if (e->left->op == KCONFIG_OP_OPAQUE || e->right->op == KCONFIG_OP_OPAQUE)
		return (struct kconfig_range){ TRISTATE_N, TRISTATE_Y };
	order = compare_operands(v, e->left, e->right);
	switch (e->op) {
	case KCONFIG_OP_EQUAL:
		return order == 0 ? yes : no;
	case KCONFIG_OP_UNEQUAL:
		return order != 0 ? yes : no;
	case KCONFIG_OP_LESS:
		return order < 0 ? yes : no;
	case KCONFIG_OP_LESS_EQUAL:
		return order <= 0 ? yes : no;
	case KCONFIG_OP_GREATER:
		return order > 0 ? yes : no;
	case KCONFIG_OP_GREATER_EQUAL:
		return order >= 0 ? yes : no;
	case KCONFIG_OP_SYMBOL:
	case KCONFIG_OP_CONSTANT:
	case KCONFIG_OP_OPAQUE:
	case KCONFIG_OP_NOT:
	case KCONFIG_OP_AND:
	case KCONFIG_OP_OR:
	default:
		return no;
	}
}

/* A condition that is m is "m && MODULES": rewrite_m() in scripts/kconfig/menu.c. */
static struct kconfig_range eval_constant(const struct kconfig_values *v, const struct kconfig_expr *e)
{
	const struct kconfig_symbol *modules = kconfig_tree_modules(v->tree);
	enum tristate t = tristate_parse(e->text);

	if (t == TRISTATE_M && (!modules || kconfig_tristate(v, modules) == TRISTATE_N))
		t = TRISTATE_N;
	return (struct kconfig_range){ t, t };
}

struct kconfig_range kconfig_eval(const struct kconfig_values *v, const struct kconfig_expr *e)
{
	struct kconfig_range a, b;
	enum tristate t;

	if (!e)
		return (struct kconfig_range){ TRISTATE_Y, TRISTATE_Y };
	switch (e->op) {
	case KCONFIG_OP_SYMBOL:
		t = kconfig_tristate(v, e->symbol);
		return (struct kconfig_range){ t, t };
	case KCONFIG_OP_CONSTANT:
		return eval_constant(v, e);
	case KCONFIG_OP_OPAQUE:
		return (struct kconfig_range){ TRISTATE_N, TRISTATE_Y };
	case KCONFIG_OP_NOT:
		a = kconfig_eval(v, e->left);
		return (struct kconfig_range){ TRISTATE_Y - a.high, TRISTATE_Y - a.low };
	case KCONFIG_OP_AND:
		a = kconfig_eval(v, e->left);
		b = kconfig_eval(v, e->right);
		return (struct kconfig_range){ MIN(a.low, b.low), MIN(a.high, b.high) };
	case KCONFIG_OP_OR:
		a = kconfig_eval(v, e->left);
		b = kconfig_eval(v, e->right);
		return (struct kconfig_range){ MAX(a.low, b.low), MAX(a.high, b.high) };
	case KCONFIG_OP_EQUAL:
	case KCONFIG_OP_UNEQUAL:
	case KCONFIG_OP_LESS:
	case KCONFIG_OP_LESS_EQUAL:
	case KCONFIG_OP_GREATER:
	case KCONFIG_OP_GREATER_EQUAL:
	default:
		return eval_comparison(v, e);
	}
}

static void print_value(struct buf *b, const struct kconfig_symbol *s, const struct kconfig_values *v)
{
	const char *value = kconfig_value(v, s);

	if (!s->entries)
		buf_puts(b, " (no such option here)");
	else if (!value)
		buf_puts(b, " (not set)");
	else if (s->type == KCONFIG_STRING)
		buf_printf(b, " (=\"%s\")", value);
	else
		buf_printf(b, " (=%s)", value);
}

static void print_operand(struct buf *b, const struct kconfig_expr *e, const struct kconfig_values *v)
{
	bool bare = e->op != KCONFIG_OP_CONSTANT || operand_type(e) == KCONFIG_TRISTATE;

	if (e->op == KCONFIG_OP_SYMBOL) {
		buf_puts(b, e->symbol->name);
		/* An undefined name that is compared is a number, mostly. */
		if (v && e->symbol->entries)
			print_value(b, e->symbol, v);
		return;
	}
	buf_printf(b, bare ? "%s" : "\"%s\"", e->text);
}

static void print_chain(struct buf *b, const struct kconfig_expr *e, const struct kconfig_values *v,
			enum kconfig_op outer)
{
	bool parentheses = e->op == KCONFIG_OP_OR && outer != KCONFIG_OP_OR;

	if (parentheses)
		buf_putc(b, '(');
	kconfig_expr_print(b, e->left, v, e->op);
	buf_puts(b, e->op == KCONFIG_OP_AND ? " && " : " || ");
	kconfig_expr_print(b, e->right, v, e->op);
	if (parentheses)
		buf_putc(b, ')');
}

void kconfig_expr_print(struct buf *b, const struct kconfig_expr *e, const struct kconfig_values *v,
			enum kconfig_op outer)
{
	static const char *const comparisons[] = {
		[KCONFIG_OP_EQUAL] = "=",       [KCONFIG_OP_UNEQUAL] = "!=", [KCONFIG_OP_LESS] = "<",
		[KCONFIG_OP_LESS_EQUAL] = "<=", [KCONFIG_OP_GREATER] = ">",  [KCONFIG_OP_GREATER_EQUAL] = ">=",
	};
	bool chain;

	switch (e->op) {
	case KCONFIG_OP_SYMBOL:
		buf_puts(b, e->symbol->name);
		if (v)
			print_value(b, e->symbol, v);
		break;
	case KCONFIG_OP_CONSTANT:
	case KCONFIG_OP_OPAQUE:
		print_operand(b, e, v);
		break;
	case KCONFIG_OP_NOT:
		chain = e->left->op > KCONFIG_OP_NOT;
		buf_puts(b, chain ? "!(" : "!");
		kconfig_expr_print(b, e->left, v, KCONFIG_OP_OR);
		buf_puts(b, chain ? ")" : "");
		break;
	case KCONFIG_OP_AND:
	case KCONFIG_OP_OR:
		print_chain(b, e, v, outer);
		break;
	case KCONFIG_OP_EQUAL:
	case KCONFIG_OP_UNEQUAL:
	case KCONFIG_OP_LESS:
	case KCONFIG_OP_LESS_EQUAL:
	case KCONFIG_OP_GREATER:
	case KCONFIG_OP_GREATER_EQUAL:
	default:
		print_operand(b, e->left, v);
		buf_printf(b, " %s ", comparisons[e->op]);
		print_operand(b, e->right, v);
		break;
	}
}

void kconfig_expr_symbols(const struct kconfig_expr *e, void (*f)(const struct kconfig_symbol *s, void *data),
			  void *data)
{
	if (!e)
		return;
	if (e->op == KCONFIG_OP_SYMBOL)
		f(e->symbol, data);
	kconfig_expr_symbols(e->left, f, data);
	kconfig_expr_symbols(e->right, f, data);
}
