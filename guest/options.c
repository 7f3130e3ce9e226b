#include "options.h"

#include <stddef.h>
#include <string.h>

/* The value, if the word is KEY=VALUE of this key; else NULL. */
static const char *value_of(const char *word, size_t len, const char *key, size_t *ret_len)
{
	size_t n = strlen(key);

	if (len < n || memcmp(word, key, n) != 0)
		return NULL;
	*ret_len = len - n;
	return word + n;
}

static void set_text(const char *value, size_t len, char *ret, size_t size)
{
	if (len == 0 || len >= size)
		return;
	memcpy(ret, value, len);
	ret[len] = '\0';
}

static void set_number(const char *value, size_t len, uint16_t *ret)
{
	unsigned int v = 0;

	if (len == 0)
		return;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return;
		v = 10 * v + (unsigned int)(value[i] - '0');
		if (v > UINT16_MAX)
			return;
	}
	*ret = (uint16_t)v;
}

static void set_option(const char *word, size_t len, struct options *o)
{
	const char *value;
	size_t n = 0;

	if ((value = value_of(word, len, "ktb.rows=", &n)))
		set_number(value, n, &o->rows);
	else if ((value = value_of(word, len, "ktb.cols=", &n)))
		set_number(value, n, &o->cols);
	else if ((value = value_of(word, len, "ktb.term=", &n)))
		set_text(value, n, o->term, sizeof(o->term));
	else if ((value = value_of(word, len, "ktb.shell=", &n)))
		set_text(value, n, o->shell, sizeof(o->shell));
}

void options_parse(const char *cmdline, struct options *ret)
{
	static const char space[] = " \t\n";

	*ret = (struct options){ .term = "vt220", .shell = "/bin/sh" };
	for (const char *p = cmdline + strspn(cmdline, space); *p; p += strspn(p, space)) {
		size_t len = strcspn(p, space);

		/* What follows are init's own arguments. */
		if (len == 2 && memcmp(p, "--", 2) == 0)
			return;
		set_option(p, len, ret);
		p += len;
	}
}
