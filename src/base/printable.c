#include "base/printable.h"

#include <string.h>

#include "base/util.h"

enum { UTF8_MAX = 4 };

/* The length of the character at the start of s, which is no string but has n bytes. */
static size_t character(const char *s, size_t n)
{
	char copy[UTF8_MAX + 1] = { 0 };

	memcpy(copy, s, MIN(n, (size_t)UTF8_MAX));
	return utf8_length(copy);
}

void printable_append(struct buf *b, const char *s, size_t n)
{
	while (n) {
		size_t plain = 0, len;

		while (plain < n && (unsigned char)s[plain] >= 0x20 && (unsigned char)s[plain] < 0x7f)
			plain++;
		buf_append(b, s, plain);
		s += plain;
		n -= plain;
		if (!n)
			break;
		len = character(s, n);
		if (len > 1 && !(len == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0)) {
			buf_append(b, s, len);
		} else {
			len = MAX(len, (size_t)1);
			for (size_t i = 0; i < len; i++)
				buf_printf(b, "\\x%02x", (unsigned char)s[i]);
		}
		s += len;
		n -= len;
	}
}

char *printable(const char *s, size_t n)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	printable_append(&b, s, n);
	return xstrdup(buf_str(&b));
}
