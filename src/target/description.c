/*
 * Theory of operation. Of the XML three things count: comments, which hide what is in them, <reg .../> and
 * <xi:include href="..."/>. Everything else is passed over, tag by tag. Registers are numbered in the order in which they
 * come, or as regnum says; in a g packet they lie in the order of their numbers, without gaps.
 */
#include "target/description.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"

enum { BITS_MAX = 4096, SIZE_MAX_BYTES = 1 << 16 };

struct reader {
	description_fetch fetch;
	void *user;
	struct description d;
	unsigned int next;     /* number */
	unsigned int includes; /* so far */
};

void description_deinit(struct description *d)
{
	free(d->registers);
	*d = (struct description)DESCRIPTION_INIT;
}

/* The value of an attribute in the tag [tag, end); false if it hasn't got it. */
static bool attribute(const char *tag, const char *end, const char *name, const char **ret, size_t *ret_len)
{
	size_t n = strlen(name);

	for (const char *p = tag; (p = memmem(p, (size_t)(end - p), name, n)); p += n) {
		const char *value = p + n, *close;

		if (p == tag || !strchr(" \t\r\n", p[-1]) || end - value < 2 || value[0] != '=' ||
		    !strchr("\"'", value[1]))
			continue;
		close = memchr(value + 2, value[1], (size_t)(end - value - 2));
		if (!close)
			return false;
		*ret = value + 2;
		*ret_len = (size_t)(close - value - 2);
		return true;
	}
	return false;
}

static bool number_attribute(const char *tag, const char *end, const char *name, unsigned int max, unsigned int *ret)
{
	const char *text;
	size_t len;
	uint64_t value = 0;

	if (!attribute(tag, end, name, &text, &len) || !len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > max)
			return false;
	}
	*ret = (unsigned int)value;
	return true;
}

static struct err *add_register(struct reader *r, const char *tag, const char *end)
{
	struct description *d = &r->d;
	struct description_register *reg;
	unsigned int bits, number = r->next;
	const char *name;
	size_t len;

	if (!number_attribute(tag, end, "bitsize", BITS_MAX, &bits) || !bits || bits % 8 ||
	    !attribute(tag, end, "name", &name, &len))
		return err_create(ERR_BAD_DATA, "the stub's target description has a register without name or size");
	if (memmem(tag, (size_t)(end - tag), "regnum", strlen("regnum")) &&
	    !number_attribute(tag, end, "regnum", DESCRIPTION_REGISTERS_MAX, &number))
		return err_create(ERR_BAD_DATA, "the stub's target description has a register with a bad number");
	if (d->n == DESCRIPTION_REGISTERS_MAX)
		return err_create(ERR_BAD_DATA, "the stub's target description has too many registers");
	if (!(d->n & (d->n - 1)))
		d->registers = xreallocarray(d->registers, d->n ? 2 * d->n : 1, sizeof(*d->registers));
	reg = &d->registers[d->n++];
	*reg = (struct description_register){ .number = number, .size = bits / 8 };
	memcpy(reg->name, name, MIN(len, (size_t)DESCRIPTION_NAME_MAX));
	r->next = number + 1;
	return NULL;
}

static struct err *read_file_of(struct reader *r, const char *annex);

static struct err *include(struct reader *r, const char *tag, const char *end)
{
	_cleanup_(free) char *name = NULL;
	const char *href;
	size_t len;

	if (!attribute(tag, end, "href", &href, &len) || memchr(href, '\0', len))
		return err_create(ERR_BAD_DATA, "the stub's target description includes nothing by name");
	if (++r->includes > DESCRIPTION_INCLUDES_MAX)
		return err_create(ERR_BAD_DATA, "the stub's target description includes too many files");
	name = xstrndup(href, len);
	return read_file_of(r, name);
}

static bool is_tag(const char *tag, const char *end, const char *name)
{
	size_t n = strlen(name);

	return (size_t)(end - tag) > n && memcmp(tag, name, n) == 0 && strchr(" \t\r\n", tag[n]);
}

static struct err *read_tags(struct reader *r, const char *p, const char *end)
{
	while ((p = memchr(p, '<', (size_t)(end - p)))) {
		const char *close;

		if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
			close = memmem(p + 4, (size_t)(end - p - 4), "-->", 3);
			if (!close)
				return NULL;
			p = close + 3;
			continue;
		}
		close = memchr(p, '>', (size_t)(end - p));
		if (!close)
			return NULL;
		if (is_tag(p + 1, close, "reg"))
			TRY(add_register(r, p + 1, close));
		else if (is_tag(p + 1, close, "xi:include"))
			TRY(include(r, p + 1, close));
		p = close;
	}
	return NULL;
}

static struct err *read_file_of(struct reader *r, const char *annex)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(r->fetch(annex, &text, r->user));
	return read_tags(r, buf_str(&text), buf_str(&text) + text.len);
}

static int by_number(const void *a, const void *b)
{
	const struct description_register *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static struct err *lay_out(struct description *d)
{
	if (!d->n)
		return err_create(ERR_BAD_DATA, "the stub's target description has no registers");
	qsort(d->registers, d->n, sizeof(*d->registers), by_number);
	for (size_t i = 0; i < d->n; i++) {
		if (i && d->registers[i].number == d->registers[i - 1].number)
			return err_create(ERR_BAD_DATA,
					  "the stub's target description has two registers of the number %u",
					  d->registers[i].number);
		d->registers[i].offset = d->size;
		d->size += d->registers[i].size;
	}
	if (d->size > SIZE_MAX_BYTES)
		return err_create(ERR_BAD_DATA, "the stub's target description has too many bytes of registers");
	return NULL;
}

struct err *description_read(description_fetch fetch, void *user, struct description *ret)
{
	struct reader r = { .fetch = fetch, .user = user };
	struct err *e = read_file_of(&r, "target.xml");

	if (!e)
		e = lay_out(&r.d);
	if (e)
		description_deinit(&r.d);
	else
		*ret = r.d;
	return e;
}

const struct description_register *description_find(const struct description *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++) {
		if (streq(d->registers[i].name, name))
			return &d->registers[i];
	}
	return NULL;
}

const struct description_register *description_at(const struct description *d, unsigned int number)
{
	const struct description_register key = { .number = number };

	return d->n ? bsearch(&key, d->registers, d->n, sizeof(*d->registers), by_number) : NULL;
}

bool description_value(const struct description_register *r, const void *bytes, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (!r || r->size > sizeof(value) || r->offset > len || r->size > len - r->offset)
		return false;
	for (uint32_t i = r->size; i-- > 0;)
		value = value << 8 | ((const uint8_t *)bytes)[r->offset + i];
	*ret = value;
	return true;
}

void description_set(const struct description_register *r, void *bytes, uint64_t value)
{
	for (uint32_t i = 0; i < r->size; i++, value >>= 8)
		((uint8_t *)bytes)[r->offset + i] = (uint8_t)value;
}
