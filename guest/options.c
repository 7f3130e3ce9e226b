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

static bool set_text(const char *value, size_t len, char *ret, size_t size)
{
	if (len == 0 || len >= size)
		return false;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A value with %XX in it. One that is too long, or has a NUL or an absolute path's first slash missing, is no value. */
static bool set_path(const char *value, size_t len, char *ret, size_t size)
{
	char path[256];
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)value[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(value[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(value[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = 16 * high + low;
			i += 2;
		}
		if (c == 0 || n + 1 >= size || n + 1 >= sizeof(path))
			return false;
		path[n++] = (char)c;
	}
	if (n == 0 || path[0] != '/')
		return false;
	memcpy(ret, path, n);
	ret[n] = '\0';
	return true;
}

/* TAG:ro|rw:PATH */
static void add_share(const char *value, size_t len, struct options *o)
{
	struct options_share *share = &o->shares[o->shares_n];
	const char *colon = memchr(value, ':', len);
	size_t tag = colon ? (size_t)(colon - value) : 0;

	if (tag == 0 || tag >= sizeof(share->tag) || o->shares_n == OPTIONS_SHARES_MAX || len - tag < 5)
		return;
	if (colon[3] != ':' || colon[1] != 'r' || (colon[2] != 'o' && colon[2] != 'w'))
		return;
	if (!set_path(colon + 4, len - tag - 4, share->path, sizeof(share->path)))
		return;
	memcpy(share->tag, value, tag);
	share->tag[tag] = '\0';
	share->writable = colon[2] == 'w';
	o->shares_n++;
}

static void set_root(const char *value, size_t len, struct options *o)
{
	if (len == 2 && memcmp(value, "9p", 2) == 0)
		set_text("9p", 2, o->root, sizeof(o->root));
	else
		set_path(value, len, o->root, sizeof(o->root));
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
		o->shell_given = set_text(value, n, o->shell, sizeof(o->shell));
	else if ((value = value_of(word, len, "ktb.root=", &n)))
		set_root(value, n, o);
	else if ((value = value_of(word, len, "ktb.init=", &n)))
		set_path(value, n, o->init, sizeof(o->init));
	else if ((value = value_of(word, len, "ktb.share=", &n)))
		add_share(value, n, o);
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
