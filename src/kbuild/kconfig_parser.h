/*
 * What the two halves of the Kconfig parser share: statements (kconfig_parse.c) and expressions
 * (kconfig_parse_expr.c). What is found goes into the builder.
 */
#pragma once

#include "kbuild/kconfig_expr.h"
#include "kbuild/kconfig_lex.h"
#include "kbuild/kconfig_parse.h"

struct kconfig_builder_symbol {
	struct kconfig_symbol symbol; /* first */
	struct kconfig_entry *last_entry;
	struct kconfig_property *last_select, *last_imply;
	const struct kconfig_entry *member_of;
};

struct kconfig_parser {
	struct kconfig_builder *builder;
	const struct kconfig_parse_file *file;
	struct kconfig_lexer lexer;
	struct kconfig_token token;        /* the one to look at */
	int line;                          /* of the statement */
	const struct kconfig_entry *block; /* the innermost choice, menu or if */
	struct kconfig_entry *entry;       /* the one whose attributes follow, or NULL */
	struct kconfig_property *last_property;
};

/* Goes to the next token. */
struct err *kconfig_advance(struct kconfig_parser *p) err_must_check;
/* True if the token is this bare word. */
bool kconfig_at_word(const struct kconfig_parser *p, const char *word);
/* An error at the present statement. */
struct err *kconfig_syntax_error(const struct kconfig_parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull)) err_must_check;

/* The symbol of that name, which is added if need be. */
struct kconfig_builder_symbol *kconfig_intern(struct kconfig_builder *b, const char *name, size_t len);

struct err *kconfig_parse_expr(struct kconfig_parser *p, const struct kconfig_expr **ret) err_must_check;
/* A symbol or a constant. */
struct err *kconfig_parse_operand(struct kconfig_parser *p, const struct kconfig_expr **ret) err_must_check;
/* Both conditions; NULL is one that always holds. */
struct err *kconfig_conjoin(struct kconfig_parser *p, const struct kconfig_expr *a, const struct kconfig_expr *b,
			    const struct kconfig_expr **ret) err_must_check;
/* "b whenever a": !a || b. */
struct err *kconfig_implication(struct kconfig_parser *p, const struct kconfig_expr *a, const struct kconfig_expr *b,
				const struct kconfig_expr **ret) err_must_check;
