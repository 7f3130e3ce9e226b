/*
 * What `ktb read` is asked for, as text: a small part of C's expressions.
 *
 *	expression := "*" expression | "&" expression | "(" type ")" expression | postfix
 *	postfix    := primary { "." NAME | "->" NAME | "[" INTEGER "]" | "[" "cpu" NUMBER "]" }
 *	primary    := [ "'" FILE "'" "::" ] [ SCOPE "::" ] NAME | NUMBER | "(" expression ")"
 *	type       := [ "struct" | "union" | "enum" ] NAME... { "*" } [ "[" NUMBER "]" ]
 *
 * There is nothing that takes two operands, so an expression is a chain: where it begins, and one step after the other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { EXPR_LENGTH_MAX = 1024, EXPR_STEPS_MAX = 64 };

enum expr_op {
	EXPR_VARIABLE, /* name, of the file `file` and of the function or module `scope`, if those aren't NULL */
	EXPR_NUMBER,   /* number */
	EXPR_MEMBER,   /* .name */
	EXPR_ARROW,    /* ->name */
	EXPR_INDEX,    /* [number], which may be negative */
	EXPR_CPU,      /* [cpu number] */
	EXPR_DEREF,    /* * */
	EXPR_ADDRESS,  /* & */
	EXPR_CAST,     /* (type) */
};

struct expr_type {
	char tag;   /* s struct, u union, e enum, 0 neither */
	char *name; /* words with a space between them */
	unsigned int pointers;
	uint64_t elements; /* 0: no array */
};

struct expr_step {
	enum expr_op op;
	/* What has been said up to here, this step included: from `begin` to `end` in the text. */
	size_t begin, end;
	char *name, *file, *scope;
	uint64_t number; /* two's complement */
	struct expr_type type;
};

/* The first step is EXPR_VARIABLE or EXPR_NUMBER, and no other one is. */
struct expr {
	char *text;
	struct expr_step steps[EXPR_STEPS_MAX];
	size_t n;
};

/*
 * Pure. ERR_USAGE if it is no such expression; the message shows the text with a mark below the place. The caller
 * releases *ret by expr_deinit().
 */
struct err *expr_parse(const char *text, struct expr *ret) err_must_check;
void expr_deinit(struct expr *e);
DEFINE_CLEANUP_STORAGE(struct expr, expr_deinit);

/* A type alone. Errors as above; the caller releases *ret by expr_type_deinit(). */
struct err *expr_type_parse(const char *text, struct expr_type *ret) err_must_check;
void expr_type_deinit(struct expr_type *t);
DEFINE_CLEANUP_STORAGE(struct expr_type, expr_type_deinit);
