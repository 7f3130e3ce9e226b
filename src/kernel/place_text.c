#include "kernel/place_text.h"

#include <ctype.h>
#include <string.h>

#include "base/util.h"

enum { ADDRESS_DIGITS = 16 };

/* What is left of a text. */
struct cursor {
	const char *at, *end;
};

static bool is_first(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '.';
}

/* Compilers put dots and dollars into the names of clones. */
static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

static bool take(struct cursor *c, const char *what)
{
	size_t n = strlen(what);

	if ((size_t)(c->end - c->at) < n || memcmp(c->at, what, n) != 0)
		return false;
	c->at += n;
	return true;
}

/* At least one digit, and no more than a number of 64 bits has. */
static bool take_number(struct cursor *c, unsigned int base, uint64_t *ret)
{
	const char *begin = c->at;
	uint64_t value = 0;

	for (; c->at < c->end && isxdigit((unsigned char)*c->at); c->at++) {
		unsigned int digit = isdigit((unsigned char)*c->at)
					     ? (unsigned int)(*c->at - '0')
					     : (unsigned int)(tolower((unsigned char)*c->at) - 'a') + 10;

		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret = value;
	return c->at > begin;
}

static bool copy(char *ret, size_t max, const char *begin, const char *end)
{
	size_t n = (size_t)(end - begin);

	if (!n || n > max)
		return false;
	memcpy(ret, begin, n);
	ret[n] = '\0';
	return true;
}

static bool take_name(struct cursor *c, struct place_text *p)
{
	const char *begin = c->at;

	if (c->at == c->end || !is_first(*c->at))
		return false;
	while (c->at < c->end && is_name(*c->at))
		c->at++;
	return copy(p->name, PLACE_NAME_MAX, begin, c->at);
}

/* " [module]" or " [module BUILD_ID]"; nothing is taken if it is neither. */
static void take_module(struct cursor *c, struct place_text *p)
{
	struct cursor at = *c;
	const char *begin;

	if (!take(&at, " ["))
		return;
	begin = at.at;
	while (at.at < at.end && (isalnum((unsigned char)*at.at) || *at.at == '_' || *at.at == '-'))
		at.at++;
	if (!copy(p->module, PLACE_MODULE_MAX, begin, at.at))
		return;
	if (take(&at, " ")) {
		while (at.at < at.end && isxdigit((unsigned char)*at.at))
			at.at++;
	}
	if (take(&at, "]"))
		*c = at;
	else
		*p->module = '\0';
}

/* "+0x12"; loose: also "+18". */
static bool take_sum(struct cursor *c, bool loose, uint64_t *ret)
{
	bool hexadecimal;

	if (!take(c, "+"))
		return false;
	hexadecimal = take(c, "0x");
	return (hexadecimal || loose) && take_number(c, hexadecimal ? 16 : 10, ret);
}

/* "name+0x12/0x80 [module]"; loose: also "name", and decimal numbers. */
static bool take_symbol(struct cursor *c, bool loose, struct place_text *p)
{
	p->offset = p->size = 0;
	if (!take_name(c, p))
		return false;
	if (c->at < c->end && *c->at == '+') {
		if (!take_sum(c, loose, &p->offset) ||
		    (take(c, "/") && (!take(c, "0x") || !take_number(c, 16, &p->size))))
			return false;
	} else if (!loose) {
		return false;
	}
	take_module(c, p);
	return true;
}

bool place_text_parse(const char *text, struct place_text *ret)
{
	struct cursor c = { text, text + strlen(text) };
	bool prefixed = take(&c, "0x");
	uint64_t sum = 0;

	*ret = (struct place_text){ .end = strlen(text) };
	if (take_number(&c, 16, &ret->offset) && (prefixed || c.at - text == ADDRESS_DIGITS) &&
	    (c.at == c.end || (take_sum(&c, true, &sum) && c.at == c.end))) {
		ret->offset += sum;
		return true;
	}
	c.at = text;
	return !prefixed && take_symbol(&c, true, ret) && c.at == c.end;
}

/* --- In a line --- */

static bool contains(const char *line, size_t len, const char *what)
{
	return memmem(line, len, what, strlen(what));
}

/* Where the CPU was: the words in front of it, as kernels of several ages have them. */
static bool is_where_it_was(const char *line, size_t len)
{
	return contains(line, len, "RIP") || contains(line, len, "IP is at") || contains(line, len, "IP: ");
}

/* A symbol that begins a word. Behind a colon is a segment's, as in "0010:func+0x1/0x2". */
static bool next_symbol(const char *line, size_t len, size_t at, struct place_text *ret)
{
	for (; at < len; at++) {
		struct cursor c = { line + at, line + len };

		if ((at && is_name(line[at - 1])) || !take_symbol(&c, false, ret))
			continue;
		ret->begin = at;
		ret->end = (size_t)(c.at - line);
		return true;
	}
	return false;
}

static bool next_address(const char *line, size_t len, size_t at, struct place_text *ret)
{
	for (; at < len; at++) {
		struct cursor c = { line + at, line + len };
		const char *digits;

		take(&c, "0x");
		digits = c.at;
		if ((at && is_name(line[at - 1])) || !take_number(&c, 16, &ret->offset) ||
		    c.at - digits != ADDRESS_DIGITS || (c.at < c.end && is_name(*c.at)) || !(ret->offset >> 63))
			continue;
		*ret->name = '\0';
		ret->begin = at;
		ret->end = (size_t)(c.at - line);
		return true;
	}
	return false;
}

bool place_text_next(const char *line, size_t len, size_t *at, struct place_text *ret)
{
	struct place_text any = { .begin = 0 };

	*ret = (struct place_text){ .is_return = !is_where_it_was(line, len) };
	if (!next_symbol(line, len, *at, ret) &&
	    (next_symbol(line, len, 0, &any) || !next_address(line, len, *at, ret)))
		return false;
	*at = ret->end;
	/* No call is in front of a function: this is the function itself. */
	if (*ret->name && !ret->offset)
		ret->is_return = false;
	return true;
}
