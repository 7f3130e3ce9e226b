/*
 * A kernel's .config: what `make olddefconfig` made of what was asked for.
 *
 * The format, which Kconfig fragments share, is that of conf_read_simple() and conf_write() in
 * scripts/kconfig/confdata.c: `CONFIG_X=y`, `CONFIG_X="text"`, `# CONFIG_X is not set`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum dotconfig_kind {
	DOTCONFIG_TRISTATE, /* y, m or n */
	DOTCONFIG_NUMBER,   /* decimal, or hexadecimal with 0x */
	DOTCONFIG_STRING,
};

/* What one line says; name and value belong to the caller. */
struct dotconfig_line {
	char *name;  /* without CONFIG_; NULL: the line says nothing (a comment, or blank) */
	char *value; /* strings: without quotes and escapes */
	enum dotconfig_kind kind;
};

void dotconfig_line_deinit(struct dotconfig_line *l);
DEFINE_CLEANUP_STORAGE(struct dotconfig_line, dotconfig_line_deinit);

/* Reads one line, without its newline. ERR_BAD_DATA if it is none of the above; the message doesn't say where. */
struct err *dotconfig_parse_line(const char *line, size_t len, struct dotconfig_line *ret) err_must_check;

/*
 * Calls f for each line that says something, in their order. f may take what l holds; `number` counts from 1. Stops at
 * the first error; those of dotconfig_parse_line() get file and line in front.
 */
struct err *dotconfig_for_each(const char *file, const char *data, size_t len,
			       struct err *(*f)(struct dotconfig_line *l, int number, void *user), void *user)
	err_must_check;

/* What an unquoted value is: y, m, n, a number, or else a string. */
enum dotconfig_kind dotconfig_kind_of(const char *value);

/* The text of a string that begins with a double quote. ERR_BAD_DATA if it doesn't end with one. The caller frees it. */
struct err *dotconfig_parse_quoted(const char *s, char **ret) err_must_check;

/* True if the name can be that of an option: letters, digits and underscores. */
bool dotconfig_valid_name(const char *name, size_t len);

/* Adds the line that says so, newline included. */
void dotconfig_write_line(struct buf *b, const char *name, enum dotconfig_kind kind, const char *value);

struct dotconfig;

/* Parses a whole .config; of two lines about one option the later one counts. `file` is for messages. */
struct err *dotconfig_parse(const char *file, const char *data, size_t len, struct dotconfig **ret) err_must_check;
void dotconfig_destroy(struct dotconfig *c);
DEFINE_CLEANUP(struct dotconfig *, dotconfig_destroy);

/* The value of an option; "n" if the file says that it is not set, NULL if it doesn't name it. Valid as long as c. */
const char *dotconfig_get(const struct dotconfig *c, const char *name);
