#include "kernel/vmcoreinfo.h"

#include <string.h>

const char *vmcoreinfo_find(const char *text, size_t len, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);

	while (len) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;

		if (line > key_len && memcmp(text, key, key_len) == 0 && text[key_len] == '=') {
			*ret_len = line - key_len - 1;
			return text + key_len + 1;
		}
		line += newline != NULL;
		text += line;
		len -= line;
	}
	return NULL;
}

static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	return 16;
}

bool vmcoreinfo_number(const char *text, size_t len, const char *key, unsigned int base, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n;
	const char *digits = vmcoreinfo_find(text, len, key, &n);

	if (!digits || !n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned int digit = digit_value(digits[i]);

		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret = value;
	return true;
}
