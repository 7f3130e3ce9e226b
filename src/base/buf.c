#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

enum { PRINTF_ROOM = 64, DIGITS_MAX = 20 };

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t need = b->len + n + 1;

	if (need < n)
		abort();
	if (need > b->cap) {
		b->cap = MAX(need, MAX(2 * b->cap, (size_t)64));
		b->data = xreallocarray(b->data, b->cap, 1);
		/* It is text at any time, also if nothing is committed. */
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	char *to = buf_reserve(b, len);

	if (len)
		memcpy(to, data, len);
	buf_commit(b, len);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = PRINTF_ROOM;
	int n;

	/* Once to where it will be; a second time if that was too small. */
	for (;;) {
		va_list ap;

		va_start(ap, fmt);
		n = vsnprintf(buf_reserve(b, room), room + 1, fmt, ap);
		va_end(ap);
		if (n < 0)
			abort();
		if ((size_t)n <= room)
			break;
		room = (size_t)n;
	}
	buf_commit(b, (size_t)n);
}

void buf_number(struct buf *b, uint64_t value, size_t width, char pad)
{
	char digits[DIGITS_MAX], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while ((size_t)(digits + sizeof(digits) - at) < MIN(width, sizeof(digits)))
		*--at = pad;
	buf_append(b, at, (size_t)(digits + sizeof(digits) - at));
}

void buf_consume(struct buf *b, size_t n)
{
	n = MIN(n, b->len);
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->data[len] = '\0';
}

void buf_clear(struct buf *b)
{
	buf_truncate(b, 0);
}

char *buf_steal(struct buf *b)
{
	char *s = b->data ? b->data : xstrdup("");

	*b = (struct buf)BUF_INIT;
	return s;
}
