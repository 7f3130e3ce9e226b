/*
 * Kconfig's words: scripts/kconfig/lexer.l. Keywords are ordinary words here; what they mean depends on where they
 * stand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "kbuild/kconfig_macro.h"
#include "kbuild/pool.h"

enum kconfig_token_kind {
	KCONFIG_TOKEN_END, /* of the file */
	KCONFIG_TOKEN_NEWLINE,
	KCONFIG_TOKEN_WORD,
	KCONFIG_TOKEN_QUOTED,
	KCONFIG_TOKEN_OR,
	KCONFIG_TOKEN_AND,
	KCONFIG_TOKEN_EQUAL,
	KCONFIG_TOKEN_UNEQUAL,
	KCONFIG_TOKEN_LESS,
	KCONFIG_TOKEN_LESS_EQUAL,
	KCONFIG_TOKEN_GREATER,
	KCONFIG_TOKEN_GREATER_EQUAL,
	KCONFIG_TOKEN_NOT,
	KCONFIG_TOKEN_OPEN,
	KCONFIG_TOKEN_CLOSE,
	KCONFIG_TOKEN_COLON_EQUAL,
	KCONFIG_TOKEN_PLUS_EQUAL,
};

struct kconfig_token {
	enum kconfig_token_kind kind;
	const char *text; /* of words: len bytes, without quotes, expanded unless opaque */
	size_t len;
	bool opaque; /* holds a macro that isn't known here: text is as in the file */
	int line;
};

struct kconfig_lexer {
	const char *at, *end;
	int line;
	struct kconfig_macros *macros;
	struct pool *pool; /* for the text of tokens that don't stand in the file like that */
};

/* Reads data, which must outlive all tokens. */
void kconfig_lexer_init(struct kconfig_lexer *l, const char *data, size_t len, struct kconfig_macros *macros,
			struct pool *pool);

/* The next token. ERR_BAD_DATA (without file and line: l->line) for a quote or a macro that has no end. */
struct err *kconfig_lex(struct kconfig_lexer *l, struct kconfig_token *ret) err_must_check;

/* The rest of the line as it is, blanks in front skipped; the newline comes next. */
void kconfig_lex_rest(struct kconfig_lexer *l, const char **ret, size_t *ret_len);

/* After the newline behind `help`: takes the text by its indentation. *ret_len is 0 if there is none. */
void kconfig_lex_help(struct kconfig_lexer *l, const char **ret, size_t *ret_len);

/* Columns of white space that a line begins with, tabs to the next multiple of 8; *ret_bytes of them. */
size_t kconfig_indentation(const char *line, size_t len, size_t *ret_bytes);
