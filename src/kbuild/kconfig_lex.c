#include "kbuild/kconfig_lex.h"

#include <string.h>

#include "base/util.h"

enum { TAB_WIDTH = 8 };

void kconfig_lexer_init(struct kconfig_lexer *l, const char *data, size_t len, struct kconfig_macros *macros,
			struct pool *pool)
{
	*l = (struct kconfig_lexer){ .at = data, .end = data + len, .line = 1, .macros = macros, .pool = pool };
}

static size_t left(const struct kconfig_lexer *l)
{
	return (size_t)(l->end - l->at);
}

/* '/' and '.' are for the unquoted paths of older kernels. */
static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '/' || c == '.';
}

static const char *end_of_line(const struct kconfig_lexer *l)
{
	const char *newline = memchr(l->at, '\n', left(l));

	return newline ? newline : l->end;
}

/* White space, continued lines, comments, and characters that have no meaning, which Kconfig warns of and ignores. */
static void skip_blank(struct kconfig_lexer *l)
{
	static const char meaning[] = "\n\"'$|&=!<>():+";

	while (l->at < l->end) {
		char c = *l->at;

		if (c == '#') {
			l->at = end_of_line(l);
		} else if (c == '\\' && left(l) > 1 && l->at[1] == '\n') {
			l->at += 2;
			l->line++;
		} else if (is_word(c) || (c && strchr(meaning, c))) {
			return;
		} else {
			l->at++;
		}
	}
}

/* Gives the token its text: raw, or with macros expanded. */
static struct err *set_text(struct kconfig_lexer *l, const char *raw, size_t len, const char *unescaped,
			    size_t unescaped_len, struct kconfig_token *t)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	t->text = unescaped;
	t->len = unescaped_len;
	if (!memchr(raw, '$', len))
		return NULL;
	TRY(kconfig_macros_expand(l->macros, unescaped, unescaped_len, &b, &t->opaque));
	t->text = t->opaque ? raw : pool_strndup(l->pool, buf_str(&b), b.len);
	t->len = t->opaque ? len : b.len;
	return NULL;
}

/* Length of what stands at s: one character, or a macro. */
static struct err *step(const struct kconfig_lexer *l, const char *s, size_t *ret)
{
	size_t rest = (size_t)(l->end - s);

	*ret = 1;
	if (*s != '$' || rest < 2 || s[1] != '(')
		return NULL;
	*ret = kconfig_macro_length(s, rest);
	if (!*ret)
		return err_create(ERR_BAD_DATA, "a macro has no closing parenthesis");
	return NULL;
}

static struct err *lex_word(struct kconfig_lexer *l, struct kconfig_token *t)
{
	const char *start = l->at, *s = l->at;
	size_t n;

	while (s < l->end && (is_word(*s) || *s == '$')) {
		TRY(step(l, s, &n));
		s += n;
	}
	l->at = s;
	t->kind = KCONFIG_TOKEN_WORD;
	return set_text(l, start, (size_t)(s - start), start, (size_t)(s - start), t);
}

/* A quote inside a macro doesn't end the string, and a backslash keeps its meaning there. */
static struct err *lex_quoted(struct kconfig_lexer *l, struct kconfig_token *t)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	const char *start = l->at + 1, *s = start;
	char quote = *l->at;
	bool escaped = false;
	size_t n;

	for (; s < l->end && *s != quote && *s != '\n'; s += n) {
		TRY(step(l, s, &n));
		if (*s == '\\' && s + 1 < l->end && s[1] != '\n') {
			escaped = true;
			s++;
		}
		buf_append(&b, s, n);
	}
	if (s == l->end || *s == '\n')
		return err_create(ERR_BAD_DATA, "the string has no closing quote");
	l->at = s + 1;
	t->kind = KCONFIG_TOKEN_QUOTED;
	if (!escaped)
		return set_text(l, start, (size_t)(s - start), start, (size_t)(s - start), t);
	return set_text(l, start, (size_t)(s - start), pool_strndup(l->pool, buf_str(&b), b.len), b.len, t);
}

static struct err *lex_operator(struct kconfig_lexer *l, struct kconfig_token *t)
{
	static const struct {
		const char *text;
		enum kconfig_token_kind kind;
	} operators[] = {
		/* The longer ones first. */
		{ "||", KCONFIG_TOKEN_OR },
		{ "&&", KCONFIG_TOKEN_AND },
		{ "!=", KCONFIG_TOKEN_UNEQUAL },
		{ "<=", KCONFIG_TOKEN_LESS_EQUAL },
		{ ">=", KCONFIG_TOKEN_GREATER_EQUAL },
		{ ":=", KCONFIG_TOKEN_COLON_EQUAL },
		{ "+=", KCONFIG_TOKEN_PLUS_EQUAL },
		{ "=", KCONFIG_TOKEN_EQUAL },
		{ "<", KCONFIG_TOKEN_LESS },
		{ ">", KCONFIG_TOKEN_GREATER },
		{ "!", KCONFIG_TOKEN_NOT },
		{ "(", KCONFIG_TOKEN_OPEN },
		{ ")", KCONFIG_TOKEN_CLOSE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		size_t n = strlen(operators[i].text);

		if (left(l) >= n && strncmp(l->at, operators[i].text, n) == 0) {
			t->kind = operators[i].kind;
			l->at += n;
			return NULL;
		}
	}
	return err_create(ERR_BAD_DATA, "'%c' makes no sense here", *l->at);
}

struct err *kconfig_lex(struct kconfig_lexer *l, struct kconfig_token *ret)
{
	struct kconfig_token t;

	/* A macro that expands to nothing is no token at all: $(error-if,...). */
	do {
		skip_blank(l);
		t = (struct kconfig_token){ .kind = KCONFIG_TOKEN_END, .text = "", .line = l->line };
		if (l->at == l->end) {
			break;
		} else if (*l->at == '\n') {
			t.kind = KCONFIG_TOKEN_NEWLINE;
			l->at++;
			l->line++;
		} else if (*l->at == '"' || *l->at == '\'') {
			TRY(lex_quoted(l, &t));
		} else if (is_word(*l->at) || *l->at == '$') {
			TRY(lex_word(l, &t));
		} else {
			TRY(lex_operator(l, &t));
		}
	} while (t.kind == KCONFIG_TOKEN_WORD && !t.len);
	*ret = t;
	return NULL;
}

void kconfig_lex_rest(struct kconfig_lexer *l, const char **ret, size_t *ret_len)
{
	const char *end = end_of_line(l);

	while (l->at < end && (*l->at == ' ' || *l->at == '\t'))
		l->at++;
	*ret = l->at;
	*ret_len = (size_t)(end - l->at);
	l->at = end;
}

size_t kconfig_indentation(const char *line, size_t len, size_t *ret_bytes)
{
	size_t columns = 0, i;

	for (i = 0; i < len && (line[i] == ' ' || line[i] == '\t'); i++)
		columns = line[i] == '\t' ? (columns / TAB_WIDTH + 1) * TAB_WIDTH : columns + 1;
	*ret_bytes = i;
	return columns;
}

/* Blank lines belong to the text only if more of it follows. */
void kconfig_lex_help(struct kconfig_lexer *l, const char **ret, size_t *ret_len)
{
	const char *start = NULL, *end = NULL;
	size_t first = 0;

	while (l->at < l->end) {
		const char *stop = end_of_line(l);
		size_t bytes, columns = kconfig_indentation(l->at, (size_t)(stop - l->at), &bytes);
		bool blank = l->at + bytes == stop || (l->at[bytes] == '\r' && l->at + bytes + 1 == stop);

		if (!blank && (!columns || columns < first))
			break;
		if (!blank) {
			first = first ? first : columns;
			start = start ? start : l->at;
			end = stop;
		}
		l->line += stop < l->end;
		l->at = stop < l->end ? stop + 1 : stop;
	}
	*ret = start;
	*ret_len = (size_t)(end - start);
}
