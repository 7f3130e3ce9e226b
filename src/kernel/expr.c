#include "kernel/expr.h"

#include <ctype.h>

#include "base/printable.h"
#include "base/util.h"

enum { NESTED_MAX = 32, POINTERS_MAX = 8, NAME_LEN_MAX = 256 };

struct parser {
	const char *text;
	size_t at;
	int nested;
	struct expr *expr;
};

static struct err *parse_unary(struct parser *p);

/* --- Errors --- */

static struct err *error_at(const struct parser *p, size_t at, const char *what)
{
	_cleanup_(buf_deinit) struct buf shown = BUF_INIT, before = BUF_INIT;

	printable_append(&shown, p->text, strlen(p->text));
	printable_append(&before, p->text, at);
	return err_create(ERR_USAGE, "%s\n    %s\n    %*s^", what, buf_str(&shown), (int)before.len, "");
}

static struct err *expected(const struct parser *p, const char *what)
{
	_cleanup_(free) char *text = xasprintf("%s is expected%s", what, p->text[p->at] ? " here" : " behind that");

	return error_at(p, p->at, text);
}

/* --- Tokens --- */

static bool is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)p->text[p->at]))
		p->at++;
}

static bool take(struct parser *p, const char *token)
{
	skip_space(p);
	if (!skip_prefix(p->text + p->at, token))
		return false;
	p->at += strlen(token);
	return true;
}

/* The length of the name that begins here; 0: none does. */
static size_t name_length(const struct parser *p)
{
	const char *s = p->text + p->at;
	size_t n = 0;

	if (is_name_start(*s)) {
		while (is_name_char(s[n]))
			n++;
	}
	return n;
}

static char *take_name(struct parser *p)
{
	size_t n;
	char *name;

	skip_space(p);
	n = name_length(p);
	if (!n || n > NAME_LEN_MAX)
		return NULL;
	name = xstrndup(p->text + p->at, n);
	p->at += n;
	return name;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = name_length(p);
	if (n != strlen(word) || strncmp(p->text + p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

static struct err *take_number(struct parser *p, const char *what, uint64_t *ret)
{
	_cleanup_(free) char *digits = NULL;
	size_t n = 0;
	struct err *e;

	skip_space(p);
	while (isalnum((unsigned char)p->text[p->at + n]) || p->text[p->at + n] == '_')
		n++;
	if (!isdigit((unsigned char)p->text[p->at]))
		return expected(p, what);
	digits = xstrndup(p->text + p->at, n);
	e = parse_u64(digits, UINT64_MAX, ret);
	if (e) {
		err_destroy(e);
		return error_at(p, p->at, "that is not a number; decimal, or hexadecimal with 0x");
	}
	p->at += n;
	return NULL;
}

/* --- Types --- */

void expr_type_deinit(struct expr_type *t)
{
	free(t->name);
	*t = (struct expr_type){ 0 };
}

static char take_tag(struct parser *p)
{
	if (take_word(p, "struct"))
		return 's';
	if (take_word(p, "union"))
		return 'u';
	return take_word(p, "enum") ? 'e' : 0;
}

static bool take_qualifier(struct parser *p)
{
	return take_word(p, "const") || take_word(p, "volatile");
}

static void take_qualifiers(struct parser *p)
{
	while (take_qualifier(p))
		;
}

/* The words of a type's name: one behind a tag, else as many as there are. */
static struct err *take_type_words(struct parser *p, bool one, char **ret)
{
	struct buf words = BUF_INIT;
	struct err *e = NULL;

	do {
		_cleanup_(free) char *word = NULL;

		take_qualifiers(p);
		word = take_name(p);
		if (!word)
			break;
		if (words.len)
			buf_putc(&words, ' ');
		buf_puts(&words, word);
	} while (!one && words.len <= NAME_LEN_MAX);
	take_qualifiers(p);
	if (!words.len)
		e = expected(p, "the name of a type");
	else if (words.len > NAME_LEN_MAX)
		e = error_at(p, p->at, "too long for a type");
	else
		*ret = buf_steal(&words);
	buf_deinit(&words);
	return e;
}

static struct err *parse_type_into(struct parser *p, struct expr_type *t)
{
	take_qualifiers(p);
	t->tag = take_tag(p);
	TRY(take_type_words(p, t->tag != 0, &t->name));
	while (take(p, "*")) {
		if (++t->pointers > POINTERS_MAX)
			return error_at(p, p->at - 1, "too many levels of pointers");
		take_qualifiers(p);
	}
	if (!take(p, "["))
		return NULL;
	TRY(take_number(p, "the number of elements", &t->elements));
	if (!t->elements || t->elements > INT32_MAX)
		return error_at(p, p->at, "an array has at least one element, and at most 2147483647");
	return take(p, "]") ? NULL : expected(p, "']'");
}

static struct err *parse_type(struct parser *p, struct expr_type *ret)
{
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };

	TRY(parse_type_into(p, &t));
	*ret = t;
	t = (struct expr_type){ 0 };
	return NULL;
}

static struct err *check_length(const char *text)
{
	if (strlen(text) > EXPR_LENGTH_MAX)
		return err_create(ERR_USAGE, "an expression of more than %d characters", EXPR_LENGTH_MAX);
	return NULL;
}

struct err *expr_type_parse(const char *text, struct expr_type *ret)
{
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };
	struct parser p = { .text = text };

	TRY(check_length(text));
	TRY(parse_type(&p, &t));
	skip_space(&p);
	if (p.text[p.at])
		return expected(&p, "the end of the type");
	*ret = t;
	t = (struct expr_type){ 0 };
	return NULL;
}

/* --- Expressions --- */

static struct err *check_room(const struct parser *p, size_t begin)
{
	return p->expr->n < EXPR_STEPS_MAX ? NULL : error_at(p, begin, "too many steps");
}

/* There must be room. */
static struct expr_step *add_step(struct parser *p, enum expr_op op, size_t begin)
{
	struct expr_step *step = &p->expr->steps[p->expr->n++];

	*step = (struct expr_step){ .op = op, .begin = begin, .end = p->at };
	return step;
}

/* A step with the name that comes next. */
static struct err *add_named(struct parser *p, enum expr_op op, size_t begin, const char *what)
{
	char *name;

	TRY(check_room(p, begin));
	name = take_name(p);
	if (!name)
		return expected(p, what);
	add_step(p, op, begin)->name = name;
	return NULL;
}

/*
 * Whether the parenthesis that was just opened holds a type, and what follows it is an operand. "(a).b" and "(a)" are no
 * casts, "(a *)b", "(a)b" and "(struct a)" are.
 */
static bool is_cast(const struct parser *p)
{
	struct parser look = *p;
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };
	struct err *e;
	char next;

	if (take_qualifier(&look) || take_tag(&look))
		return true;
	e = parse_type(&look, &t);
	if (e || !take(&look, ")")) {
		err_ignore(e);
		return false;
	}
	skip_space(&look);
	next = look.text[look.at];
	return t.pointers || is_name_char(next) || next == '(' || next == '*' || next == '&' || next == '\'';
}

static struct err *enter(struct parser *p)
{
	return p->nested++ < NESTED_MAX ? NULL : error_at(p, p->at, "too deeply nested");
}

static struct err *parse_cast(struct parser *p, size_t begin)
{
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };
	TRY(parse_type(p, &t));
	if (t.elements)
		return error_at(p, begin, "a cast to an array; cast to a pointer, or use --type");
	if (!take(p, ")"))
		return expected(p, "')'");
	TRY(parse_unary(p));
	TRY(check_room(p, begin));
	add_step(p, EXPR_CAST, begin)->type = t;
	t = (struct expr_type){ 0 };
	return NULL;
}

/* A variable, with the function or module in front of it that it belongs to. */
static struct err *add_variable(struct parser *p, size_t begin, const char *what)
{
	_cleanup_(free) char *name = NULL, *scope = NULL;
	struct expr_step *step;

	TRY(check_room(p, begin));
	name = take_name(p);
	if (!name)
		return expected(p, what);
	if (take(p, "::")) {
		scope = steal(&name);
		name = take_name(p);
		if (!name)
			return expected(p, "the name of a variable");
	}
	step = add_step(p, EXPR_VARIABLE, begin);
	step->name = steal(&name);
	step->scope = steal(&scope);
	return NULL;
}

static struct err *parse_quoted(struct parser *p, size_t begin)
{
	size_t length = strcspn(p->text + p->at, "'"), file = p->at;

	if (!p->text[p->at + length])
		return error_at(p, begin, "the quote that opens here is not closed");
	p->at += length + 1;
	if (!take(p, "::"))
		return expected(p, "'::' and a variable of that file");
	TRY(add_variable(p, begin, "the name of a variable"));
	p->expr->steps[p->expr->n - 1].file = xstrndup(p->text + file, length);
	return NULL;
}

static struct err *parse_primary(struct parser *p, size_t begin)
{
	uint64_t number;

	if (take(p, "(")) {
		TRY(parse_unary(p));
		return take(p, ")") ? NULL : expected(p, "')'");
	}
	if (take(p, "'"))
		return parse_quoted(p, begin);
	if (isdigit((unsigned char)p->text[p->at])) {
		TRY(take_number(p, "a number", &number));
		TRY(check_room(p, begin));
		add_step(p, EXPR_NUMBER, begin)->number = number;
		return NULL;
	}
	return add_variable(p, begin, "a variable or an address");
}

static struct err *parse_index(struct parser *p, size_t begin)
{
	enum expr_op op = EXPR_INDEX;
	uint64_t number;
	bool negative;

	if (take_word(p, "cpu"))
		op = EXPR_CPU;
	negative = op == EXPR_INDEX && take(p, "-");
	TRY(take_number(p, op == EXPR_CPU ? "the number of a CPU" : "a number, or 'cpu' and a number,", &number));
	if (!take(p, "]"))
		return expected(p, "']'");
	TRY(check_room(p, begin));
	add_step(p, op, begin)->number = negative ? 0 - number : number;
	return NULL;
}

static struct err *parse_postfix(struct parser *p)
{
	size_t begin;

	skip_space(p);
	begin = p->at;
	TRY(parse_primary(p, begin));
	for (;;) {
		if (take(p, "->"))
			TRY(add_named(p, EXPR_ARROW, begin, "the name of a member"));
		else if (take(p, "."))
			TRY(add_named(p, EXPR_MEMBER, begin, "the name of a member"));
		else if (take(p, "["))
			TRY(parse_index(p, begin));
		else
			return NULL;
	}
}

static struct err *parse_prefix(struct parser *p, enum expr_op op, size_t begin)
{
	TRY(parse_unary(p));
	TRY(check_room(p, begin));
	add_step(p, op, begin);
	return NULL;
}

static struct err *parse_unary_at(struct parser *p, size_t begin)
{
	size_t open = p->at;

	if (take(p, "*"))
		return parse_prefix(p, EXPR_DEREF, begin);
	if (take(p, "&"))
		return parse_prefix(p, EXPR_ADDRESS, begin);
	if (take(p, "(") && is_cast(p))
		return parse_cast(p, begin);
	p->at = open;
	return parse_postfix(p);
}

static struct err *parse_unary(struct parser *p)
{
	skip_space(p);
	TRY(enter(p));
	TRY(parse_unary_at(p, p->at));
	p->nested--;
	return NULL;
}

static struct err *parse_all(struct parser *p)
{
	TRY(parse_unary(p));
	skip_space(p);
	if (streq(p->text + p->at, "-"))
		return error_at(p, p->at,
				"the shell has taken the '>' of '->' for itself: quote the expression, or write '.'");
	return p->text[p->at] ? expected(p, "the end, '.', '->' or '['") : NULL;
}

struct err *expr_parse(const char *text, struct expr *ret)
{
	struct expr expr = { .n = 0 };
	struct parser p = { .text = text, .expr = &expr };
	struct err *e = check_length(text);

	if (!e)
		e = parse_all(&p);
	if (e) {
		expr_deinit(&expr);
		return e;
	}
	expr.text = xstrdup(text);
	*ret = expr;
	return NULL;
}

void expr_deinit(struct expr *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->steps[i].name);
		free(e->steps[i].file);
		free(e->steps[i].scope);
		expr_type_deinit(&e->steps[i].type);
	}
	free(e->text);
	e->text = NULL;
	e->n = 0;
}
