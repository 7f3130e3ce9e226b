/*
 * Kconfig's expressions: their values, given a .config, and how they read.
 *
 * An operand can be one that only Kconfig itself knows, such as $(cc-option,...). So a value is a range: from the
 * least to the greatest that it can be.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "kbuild/dotconfig.h"
#include "kbuild/kconfig_tree.h"

enum kconfig_op {
	KCONFIG_OP_SYMBOL,
	KCONFIG_OP_CONSTANT, /* text; quoted, or one of y, m and n */
	KCONFIG_OP_OPAQUE,   /* text as it stands in the file; its value isn't known */
	KCONFIG_OP_NOT,      /* left */
	KCONFIG_OP_AND,
	KCONFIG_OP_OR,
	KCONFIG_OP_EQUAL, /* from here on: compares left and right, which are operands */
	KCONFIG_OP_UNEQUAL,
	KCONFIG_OP_LESS,
	KCONFIG_OP_LESS_EQUAL,
	KCONFIG_OP_GREATER,
	KCONFIG_OP_GREATER_EQUAL,
};

struct kconfig_expr {
	enum kconfig_op op;
	int height; /* of the tree below; bounded, so that walking it may recurse */
	const struct kconfig_expr *left, *right;
	const struct kconfig_symbol *symbol;
	const char *text;
};

enum { KCONFIG_EXPR_HEIGHT_MAX = 1000 };

enum tristate { TRISTATE_N, TRISTATE_M, TRISTATE_Y };

struct kconfig_range {
	enum tristate low, high;
};

/* A .config, and the tree that it was made with. */
struct kconfig_values {
	const struct dotconfig *config;
	const struct kconfig_tree *tree;
};

/* "y", "m" and "n"; anything else, NULL included, is n. */
enum tristate tristate_parse(const char *s);
const char *tristate_name(enum tristate t);

/* The value as it stands in the .config: "n" for a bool or tristate that it doesn't name, NULL for others. */
const char *kconfig_value(const struct kconfig_values *v, const struct kconfig_symbol *s);
/* The same as a tristate: n for strings and numbers. */
enum tristate kconfig_tristate(const struct kconfig_values *v, const struct kconfig_symbol *s);

/* NULL is the condition that always holds. */
struct kconfig_range kconfig_eval(const struct kconfig_values *v, const struct kconfig_expr *e);

/*
 * Adds the expression as text; with v, each symbol with its present value: "KGDB (=n)". An expression that binds
 * weaker than `outer` is put into parentheses; KCONFIG_OP_OR: never.
 */
void kconfig_expr_print(struct buf *b, const struct kconfig_expr *e, const struct kconfig_values *v,
			enum kconfig_op outer);

/* Calls f for each symbol in the expression. */
void kconfig_expr_symbols(const struct kconfig_expr *e, void (*f)(const struct kconfig_symbol *s, void *data),
			  void *data);
