#include "base/util.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *check_memory(void *p)
{
	if (!p) {
		fputs("ktb: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return check_memory(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return check_memory(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return check_memory(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return check_memory(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return check_memory(strndup(s, n));
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return check_memory(s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

size_t utf8_length(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	/* What the second byte may be: narrower behind E0, ED, F0 and F4. */
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (u[0] < 0x80)
		return u[0] != '\0';
	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		n = 2;
	else if (u[0] >= 0xe0 && u[0] <= 0xef)
		n = 3;
	else if (u[0] >= 0xf0 && u[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (u[i] < low || u[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

char *strip(char *s)
{
	size_t n;

	while (is_space(*s))
		s++;
	n = strlen(s);
	while (n && is_space(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

struct err *parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	unsigned long long value;
	char *end;
	int base = skip_prefix(s, "0x") ? 16 : 10;

	/* strtoull takes signs and white space, which are no part of a number here. */
	if (*s < '0' || *s > '9')
		return err_create(ERR_BAD_DATA, "'%s' is not a number", s);
	errno = 0;
	value = strtoull(s, &end, base);
	if (*end)
		return err_create(ERR_BAD_DATA, "'%s' is not a number", s);
	if (errno == ERANGE || value > max)
		return err_create(ERR_BAD_DATA, "%s is too large (at most %llu)", s, (unsigned long long)max);
	*ret = value;
	return NULL;
}

struct err *parse_size(const char *s, uint64_t unit, uint64_t *ret)
{
	static const char units[] = "KkMmGgTt";
	_cleanup_(free) char *digits = xstrdup(s);
	size_t n = strcspn(digits, units);
	struct err *e;
	uint64_t value;

	if (digits[n]) {
		const char *rest = digits + n + 1;

		/* "2G", "2GB" and "2GiB" mean the same. */
		if (*rest && !streq(rest, "B") && !streq(rest, "b") && !streq(rest, "iB"))
			return err_create(ERR_BAD_DATA, "'%s' is not a size (a number with K, M, G or T behind it)", s);
		unit = UINT64_C(1024) << (10 * ((strchr(units, digits[n]) - units) / 2));
		digits[n] = '\0';
	}
	e = parse_u64(digits, UINT64_MAX / unit, &value);

	if (e) {
		err_destroy(e);
		return err_create(ERR_BAD_DATA, "'%s' is not a size (a number with K, M, G or T behind it)", s);
	}
	*ret = value * unit;
	return NULL;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

char *format_duration(uint64_t ns)
{
	uint64_t s = ns / NSEC_PER_SEC;

	if (s < 10)
		return xasprintf("%.1f s", (double)ns / 1e9);
	if (s < 60)
		return xasprintf("%llu s", (unsigned long long)s);
	if (s < 3600)
		return xasprintf("%llu min %02llu s", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
	return xasprintf("%llu h %02llu min", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
}

enum { DISTANCE_MAX_LEN = 64 };

int edit_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	int rows[3][DISTANCE_MAX_LEN + 1];
	int *before = rows[0], *prev = rows[1], *cur = rows[2];

	if (n > DISTANCE_MAX_LEN || m > DISTANCE_MAX_LEN)
		return INT_MAX;
	for (size_t j = 0; j <= m; j++)
		prev[j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		int *oldest = before;

		cur[0] = (int)i;
		for (size_t j = 1; j <= m; j++) {
			int d = prev[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, prev[j] + 1);
			d = MIN(d, cur[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, before[j - 2] + 1);
			cur[j] = d;
		}
		before = prev;
		prev = cur;
		cur = oldest;
	}
	return prev[m];
}

void strv_deinit(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = (struct strv)STRV_INIT;
}

void strv_take(struct strv *sv, char *s)
{
	if (sv->n + 1 >= sv->cap) {
		sv->cap = sv->cap ? 2 * sv->cap : 8;
		sv->v = xreallocarray(sv->v, sv->cap, sizeof(*sv->v));
	}
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
}

void strv_add(struct strv *sv, const char *s)
{
	strv_take(sv, xstrdup(s));
}

void strv_addf(struct strv *sv, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(sv, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *sv, const char *const *list)
{
	for (; *list; list++)
		strv_add(sv, *list);
}

bool strv_contains(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++) {
		if (streq(sv->v[i], s))
			return true;
	}
	return false;
}

char *strv_join(const struct strv *sv, const char *sep)
{
	size_t len = 1, seplen = strlen(sep);
	char *out, *p;

	for (size_t i = 0; i < sv->n; i++)
		len += strlen(sv->v[i]) + seplen;
	p = out = xmalloc(len);
	for (size_t i = 0; i < sv->n; i++) {
		size_t n = strlen(sv->v[i]);

		if (i) {
			memcpy(p, sep, seplen);
			p += seplen;
		}
		memcpy(p, sv->v[i], n);
		p += n;
	}
	*p = '\0';
	return out;
}

struct err *strv_split_quoted(struct strv *sv, const char *s)
{
	_cleanup_(free) char *word = xmalloc(strlen(s) + 1);

	for (;;) {
		size_t n = 0;
		char quote = '\0';

		while (is_space(*s))
			s++;
		if (!*s)
			return NULL;
		for (; *s && (quote || !is_space(*s)); s++) {
			/* Between "..." a \ takes away the meaning of only what has one there. */
			if (*s == '\\' && s[1] && (!quote || (quote == '"' && strchr("\\\"$`", s[1]))))
				word[n++] = *++s;
			else if (quote && *s == quote)
				quote = '\0';
			else if (!quote && (*s == '\'' || *s == '"'))
				quote = *s;
			else
				word[n++] = *s;
		}
		if (quote)
			return err_create(ERR_BAD_DATA, "a %c is opened and never closed", quote);
		strv_take(sv, xstrndup(word, n));
	}
}

char *shell_quote(const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
	char *out, *p;

	if (*s && strspn(s, safe) == strlen(s))
		return xstrdup(s);
	p = out = xmalloc(4 * strlen(s) + 3);
	*p++ = '\'';
	for (; *s; s++) {
		if (*s == '\'') {
			memcpy(p, "'\\''", 4);
			p += 4;
		} else {
			*p++ = *s;
		}
	}
	*p++ = '\'';
	*p = '\0';
	return out;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *sv)
{
	if (sv->n)
		qsort(sv->v, sv->n, sizeof(*sv->v), compare_strings);
}
