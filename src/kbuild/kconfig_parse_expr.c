/*
 * Expressions, by recursive descent. Sequences of && and || are read by a loop, but are trees that lean to the left
 * all the same: so it is their height that is bounded, not only the recursion here.
 */
#include <string.h>

#include "base/util.h"
#include "kbuild/kconfig_parser.h"

enum { EXPR_NESTING_MAX = 100 };

static struct err *new_expr(struct kconfig_parser *p, enum kconfig_op op, const struct kconfig_expr *left,
			    const struct kconfig_expr *right, const struct kconfig_expr **ret)
{
	int height = 1 + MAX(left ? left->height : 0, right ? right->height : 0);
	struct kconfig_expr *e;

	if (height > KCONFIG_EXPR_HEIGHT_MAX)
		return kconfig_syntax_error(p, "the expression has more than %d terms", KCONFIG_EXPR_HEIGHT_MAX);
	e = pool_alloc(&p->builder->pool, sizeof(*e));
	*e = (struct kconfig_expr){ .op = op, .height = height, .left = left, .right = right };
	*ret = e;
	return NULL;
}

struct err *kconfig_conjoin(struct kconfig_parser *p, const struct kconfig_expr *a, const struct kconfig_expr *b,
			    const struct kconfig_expr **ret)
{
	if (a && b)
		return new_expr(p, KCONFIG_OP_AND, a, b, ret);
	*ret = a ? a : b;
	return NULL;
}

struct err *kconfig_implication(struct kconfig_parser *p, const struct kconfig_expr *a, const struct kconfig_expr *b,
				const struct kconfig_expr **ret)
{
	const struct kconfig_expr *not_a = NULL;

	TRY(new_expr(p, KCONFIG_OP_NOT, a, NULL, &not_a));
	return new_expr(p, KCONFIG_OP_OR, b, not_a, ret);
}

/* y, m and n are constants, quoted or not: sym_lookup() in scripts/kconfig/symbol.c. */
static bool is_constant(const struct kconfig_token *t)
{
	return t->kind == KCONFIG_TOKEN_QUOTED || (t->len == 1 && strchr("ymn", *t->text));
}

struct err *kconfig_parse_operand(struct kconfig_parser *p, const struct kconfig_expr **ret)
{
	struct pool *pool = &p->builder->pool;
	const struct kconfig_token *t = &p->token;
	struct kconfig_expr *e;

	if (t->kind != KCONFIG_TOKEN_WORD && t->kind != KCONFIG_TOKEN_QUOTED)
		return kconfig_syntax_error(p, "the name of an option is missing");
	e = pool_alloc(pool, sizeof(*e));
	e->height = 1;
	if (t->opaque || is_constant(t)) {
		e->op = t->opaque ? KCONFIG_OP_OPAQUE : KCONFIG_OP_CONSTANT;
		e->text = pool_strndup(pool, t->text, t->len);
	} else {
		e->op = KCONFIG_OP_SYMBOL;
		e->symbol = &kconfig_intern(p->builder, t->text, t->len)->symbol;
	}
	TRY(kconfig_advance(p));
	*ret = e;
	return NULL;
}

/* True, and which one, if the token compares. */
static bool is_comparison(enum kconfig_token_kind kind, enum kconfig_op *ret)
{
	static const struct {
		enum kconfig_token_kind kind;
		enum kconfig_op op;
	} comparisons[] = {
		{ KCONFIG_TOKEN_EQUAL, KCONFIG_OP_EQUAL },
		{ KCONFIG_TOKEN_UNEQUAL, KCONFIG_OP_UNEQUAL },
		{ KCONFIG_TOKEN_LESS, KCONFIG_OP_LESS },
		{ KCONFIG_TOKEN_LESS_EQUAL, KCONFIG_OP_LESS_EQUAL },
		{ KCONFIG_TOKEN_GREATER, KCONFIG_OP_GREATER },
		{ KCONFIG_TOKEN_GREATER_EQUAL, KCONFIG_OP_GREATER_EQUAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++) {
		if (comparisons[i].kind == kind) {
			*ret = comparisons[i].op;
			return true;
		}
	}
	return false;
}

static struct err *parse_or(struct kconfig_parser *p, int nesting, const struct kconfig_expr **ret) err_must_check;

static struct err *parse_comparison(struct kconfig_parser *p, const struct kconfig_expr **ret)
{
	const struct kconfig_expr *left = NULL, *right = NULL;
	enum kconfig_op op;

	TRY(kconfig_parse_operand(p, &left));
	if (!is_comparison(p->token.kind, &op)) {
		*ret = left;
		return NULL;
	}
	TRY(kconfig_advance(p));
	TRY(kconfig_parse_operand(p, &right));
	return new_expr(p, op, left, right, ret);
}

/* `!A = B` is !(A = B): only operands can be compared. */
static struct err *parse_primary(struct kconfig_parser *p, int nesting, const struct kconfig_expr **ret)
{
	const struct kconfig_expr *inner = NULL;

	if (nesting > EXPR_NESTING_MAX)
		return kconfig_syntax_error(p, "the expression is nested more than %d deep", EXPR_NESTING_MAX);
	if (p->token.kind == KCONFIG_TOKEN_NOT) {
		TRY(kconfig_advance(p));
		TRY(parse_primary(p, nesting + 1, &inner));
		return new_expr(p, KCONFIG_OP_NOT, inner, NULL, ret);
	}
	if (p->token.kind != KCONFIG_TOKEN_OPEN)
		return parse_comparison(p, ret);
	TRY(kconfig_advance(p));
	TRY(parse_or(p, nesting + 1, &inner));
	if (p->token.kind != KCONFIG_TOKEN_CLOSE)
		return kconfig_syntax_error(p, "a closing parenthesis is missing");
	TRY(kconfig_advance(p));
	*ret = inner;
	return NULL;
}

static struct err *parse_and(struct kconfig_parser *p, int nesting, const struct kconfig_expr **ret)
{
	const struct kconfig_expr *e = NULL, *right = NULL;

	TRY(parse_primary(p, nesting, &e));
	while (p->token.kind == KCONFIG_TOKEN_AND) {
		TRY(kconfig_advance(p));
		TRY(parse_primary(p, nesting, &right));
		TRY(new_expr(p, KCONFIG_OP_AND, e, right, &e));
	}
	*ret = e;
	return NULL;
}

static struct err *parse_or(struct kconfig_parser *p, int nesting, const struct kconfig_expr **ret)
{
	const struct kconfig_expr *e = NULL, *right = NULL;

	TRY(parse_and(p, nesting, &e));
	while (p->token.kind == KCONFIG_TOKEN_OR) {
		TRY(kconfig_advance(p));
		TRY(parse_and(p, nesting, &right));
		TRY(new_expr(p, KCONFIG_OP_OR, e, right, &e));
	}
	*ret = e;
	return NULL;
}

struct err *kconfig_parse_expr(struct kconfig_parser *p, const struct kconfig_expr **ret)
{
	return parse_or(p, 0, ret);
}
