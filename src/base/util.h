/*
 * Small things that everything uses: allocation that aborts when memory is out, text, numbers, time, string vectors.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

/* Allocation: never NULL, aborts when memory is out. Sizes from outside are checked by the caller before. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0), malloc, returns_nonnull));

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* The rest of s behind prefix, or NULL if s doesn't begin with it. */
static inline const char *skip_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static inline bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && streq(s + n - m, suffix);
}

/*
 * The length in bytes of the UTF-8 character at the start of s; 0 if s doesn't begin with a well-formed one (RFC 3629:
 * no overlong form, no surrogate, nothing above U+10FFFF) or is empty.
 */
size_t utf8_length(const char *s);

/* Cuts white space off both ends of s, in place. Returns where the text begins. */
char *strip(char *s);

/*
 * The whole of s as an unsigned number, decimal or with 0x hexadecimal, at most max.
 * ERR_BAD_DATA if it is anything else.
 */
struct err *parse_u64(const char *s, uint64_t max, uint64_t *ret) err_must_check;

/* A size with an optional unit K, M, G or T (powers of 1024), in bytes; a bare number counts in `unit` bytes. */
struct err *parse_size(const char *s, uint64_t unit, uint64_t *ret) err_must_check;

/* Monotonic time in ns. */
uint64_t now_ns(void);
/* A span as people read it: "0.4 s", "12 s", "5 min 24 s". The caller frees it. */
char *format_duration(uint64_t ns);

/* Number of single-character changes (insert, remove, replace, swap) that turn a into b; bounded: INT_MAX where one
 * of them is longer than 64 characters. */
int edit_distance(const char *a, const char *b);

/*
 * A vector of strings that it owns, always followed by a NULL once it has an element, as execve() likes it.
 * STRV_INIT or all zero is an empty one.
 */
struct strv {
	char **v;
	size_t n;
	size_t cap;
};

#define STRV_INIT                                                                                                      \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

void strv_deinit(struct strv *sv);
DEFINE_CLEANUP_STORAGE(struct strv, strv_deinit);
/* Adds a copy of s. */
void strv_add(struct strv *sv, const char *s);
/* Adds s itself: sv owns it now. */
void strv_take(struct strv *sv, char *s);
void strv_addf(struct strv *sv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds copies of all of them; the list ends with NULL. */
void strv_add_all(struct strv *sv, const char *const *list);
bool strv_contains(const struct strv *sv, const char *s);
/* All elements with sep between them. The caller frees it. */
char *strv_join(const struct strv *sv, const char *sep);
/* Splits s at white space, honouring '...', "..." and \ as the shell does. ERR_BAD_DATA on an open quote. */
struct err *strv_split_quoted(struct strv *sv, const char *s) err_must_check;
/* s as a shell would have to be given it; quoted only where needed. The caller frees it. */
char *shell_quote(const char *s);
/* qsort() order by strcmp(). */
void strv_sort(struct strv *sv);
