#include "kbuild/dotconfig.h"

#include <string.h>

#include "base/util.h"
#include "kbuild/name_map.h"

static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

struct option_line {
	struct dotconfig_line line;
	struct option_line *next;
};

struct dotconfig {
	struct option_line *lines;
	struct name_map by_name; /* to struct option_line */
};

void dotconfig_line_deinit(struct dotconfig_line *l)
{
	free(l->name);
	free(l->value);
	*l = (struct dotconfig_line){ 0 };
}

bool dotconfig_valid_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!name[i] || !strchr(name_characters, name[i]))
			return false;
	return len > 0;
}

static bool is_tristate(const char *s)
{
	return streq(s, "y") || streq(s, "m") || streq(s, "n");
}

static bool is_number(const char *s)
{
	const char *hex = skip_prefix(s, "0x");

	if (!hex)
		hex = skip_prefix(s, "0X");
	if (hex)
		return *hex && strspn(hex, "0123456789abcdefABCDEF") == strlen(hex);
	if (*s == '-')
		s++;
	/* "10ac" as well: Kconfig takes hexadecimal numbers without their 0x. */
	return *s >= '0' && *s <= '9' && strspn(s, "0123456789abcdefABCDEF") == strlen(s);
}

enum dotconfig_kind dotconfig_kind_of(const char *value)
{
	if (is_tristate(value))
		return DOTCONFIG_TRISTATE;
	return is_number(value) ? DOTCONFIG_NUMBER : DOTCONFIG_STRING;
}

/* True if nothing but white space and a comment follow. */
static bool is_rest(const char *s)
{
	s += strspn(s, " \t\r");
	return !*s || *s == '#';
}

struct err *dotconfig_parse_quoted(const char *s, char **ret)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		buf_putc(&b, *s);
	}
	if (!*s)
		return err_create(ERR_BAD_DATA, "the string has no closing quote");
	if (!is_rest(s + 1))
		return err_create(ERR_BAD_DATA, "there is something behind the closing quote: '%s'", s + 1);
	*ret = buf_steal(&b);
	return NULL;
}

static struct err *parse_value(const char *s, struct dotconfig_line *ret)
{
	_cleanup_(free) char *value = NULL;

	if (*s == '"') {
		TRY(dotconfig_parse_quoted(s, &ret->value));
		ret->kind = DOTCONFIG_STRING;
		return NULL;
	}
	value = xstrndup(s, strcspn(s, " \t\r"));
	ret->kind = dotconfig_kind_of(value);
	if (ret->kind == DOTCONFIG_STRING || !is_rest(s + strlen(value)))
		return err_create(ERR_BAD_DATA,
				  "'%s' is neither y, m or n, nor a number, nor a string in double quotes", s);
	ret->value = steal(&value);
	return NULL;
}

/* "# CONFIG_X is not set" asks for n; any other comment asks for nothing. */
static void parse_comment(const char *s, struct dotconfig_line *ret)
{
	const char *name = skip_prefix(s, "# CONFIG_");
	const char *end = name ? strchr(name, ' ') : NULL;
	const char *rest = end ? skip_prefix(end, " is not set") : NULL;

	if (!rest || rest[strspn(rest, " \t\r")] || !dotconfig_valid_name(name, (size_t)(end - name)))
		return;
	*ret = (struct dotconfig_line){ xstrndup(name, (size_t)(end - name)), xstrdup("n"), DOTCONFIG_TRISTATE };
}

static struct err *parse_assignment(const char *s, struct dotconfig_line *ret)
{
	const char *name = skip_prefix(s, "CONFIG_");
	const char *equals = name ? strchr(name, '=') : NULL;

	if (!equals || !dotconfig_valid_name(name, (size_t)(equals - name)))
		return err_create(ERR_BAD_DATA, "'%s' is neither CONFIG_NAME=VALUE nor '# CONFIG_NAME is not set'", s);
	TRY(parse_value(equals + 1, ret));
	ret->name = xstrndup(name, (size_t)(equals - name));
	return NULL;
}

struct err *dotconfig_parse_line(const char *line, size_t len, struct dotconfig_line *ret)
{
	_cleanup_(dotconfig_line_deinit) struct dotconfig_line l = { 0 };
	_cleanup_(free) char *text = NULL;
	char *s;

	if (memchr(line, '\0', len))
		return err_create(ERR_BAD_DATA, "there is a NUL byte in the line");
	text = xstrndup(line, len);
	s = strip(text);
	if (*s == '#')
		parse_comment(s, &l);
	else if (*s)
		TRY(parse_assignment(s, &l));
	*ret = l;
	l = (struct dotconfig_line){ 0 };
	return NULL;
}

void dotconfig_write_line(struct buf *b, const char *name, enum dotconfig_kind kind, const char *value)
{
	if (kind == DOTCONFIG_TRISTATE && streq(value, "n")) {
		buf_printf(b, "# CONFIG_%s is not set\n", name);
		return;
	}
	if (kind != DOTCONFIG_STRING) {
		buf_printf(b, "CONFIG_%s=%s\n", name, value);
		return;
	}
	buf_printf(b, "CONFIG_%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_putc(b, '\\');
		buf_putc(b, *value);
	}
	buf_puts(b, "\"\n");
}

struct err *dotconfig_for_each(const char *file, const char *data, size_t len,
			       struct err *(*f)(struct dotconfig_line *l, int number, void *user), void *user)
{
	const char *end = data + len;
	int number = 1;

	for (const char *p = data; p < end; number++) {
		_cleanup_(dotconfig_line_deinit) struct dotconfig_line l = { 0 };
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;

		TRY(err_wrap(dotconfig_parse_line(p, (size_t)(stop - p), &l), "%s:%d", file, number));
		if (l.name)
			TRY(f(&l, number, user));
		p = newline ? newline + 1 : end;
	}
	return NULL;
}

static struct err *add_line(struct dotconfig_line *l, int number, void *user)
{
	struct dotconfig *c = user;
	struct option_line *o = name_map_get(&c->by_name, l->name, strlen(l->name));

	(void)number;
	if (o) {
		free(o->line.value);
		o->line.value = steal(&l->value);
		o->line.kind = l->kind;
		return NULL;
	}
	o = xcalloc(1, sizeof(*o));
	o->line = *l;
	*l = (struct dotconfig_line){ 0 };
	o->next = c->lines;
	c->lines = o;
	name_map_add(&c->by_name, o->line.name, o);
	return NULL;
}

struct err *dotconfig_parse(const char *file, const char *data, size_t len, struct dotconfig **ret)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *c = xcalloc(1, sizeof(*c));

	TRY(dotconfig_for_each(file, data, len, add_line, c));
	*ret = steal(&c);
	return NULL;
}

void dotconfig_destroy(struct dotconfig *c)
{
	if (!c)
		return;
	while (c->lines) {
		struct option_line *next = c->lines->next;

		dotconfig_line_deinit(&c->lines->line);
		free(c->lines);
		c->lines = next;
	}
	name_map_deinit(&c->by_name);
	free(c);
}

const char *dotconfig_get(const struct dotconfig *c, const char *name)
{
	const struct option_line *o = name_map_get(&c->by_name, name, strlen(name));

	return o ? o->line.value : NULL;
}
