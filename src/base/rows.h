/*
 * One emitter for what commands print: an aligned table for people, an array of objects for scripts (--json).
 *
 *	static const struct rows_column columns[] = { { "NAME", "name" }, { "PID", "pid", ROWS_NUMBER }, {} };
 *	struct rows *r = rows_create(columns, json);
 *	rows_begin(r); rows_str(r, "vm"); rows_u64(r, 42); ...
 *	rows_emit(r, stdout);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/util.h"

enum rows_kind {
	ROWS_TEXT,
	ROWS_NUMBER, /* right-aligned */
};

struct rows_column {
	const char *title; /* head of the column in the table; NULL: only in JSON */
	const char *key;   /* name of the member in JSON */
	enum rows_kind kind;
};

struct rows;
struct json_object;

/* columns is static, ended by a column without a key. */
struct rows *rows_create(const struct rows_column *columns, bool json);
void rows_destroy(struct rows *r);
DEFINE_CLEANUP(struct rows *, rows_destroy);

/* Begins a row. Then one call for each column, in their order. */
void rows_begin(struct rows *r);
/* NULL: "-" in the table, null in JSON. What is no printable UTF-8 is shown as \xNN in the table; in JSON control
 * characters are escaped, and bytes that are no UTF-8 become U+FFFD. */
void rows_str(struct rows *r, const char *s);
void rows_u64(struct rows *r, uint64_t value);
/* Value in JSON, and how the table shows it. */
void rows_u64_as(struct rows *r, uint64_t value, const char *shown);
void rows_bool(struct rows *r, bool value);
/*
 * Any value in JSON (json-c's), which the rows own from then on; NULL: null. And how the table shows it; a table wants no
 * value.
 */
void rows_json(struct rows *r, struct json_object *value, const char *shown);
/* What could not be found out: "?" in the table, null in JSON. */
void rows_unknown(struct rows *r);

/* An array of strings in JSON; with commas between them in the table, "-" if there are none. */
void rows_list(struct rows *r, const struct strv *list);
/*
 * Rows of their own: an array of objects in JSON, and for a column that the table doesn't show. Both were made for the same of
 * the two. nested stays the caller's, and may go at once.
 */
void rows_nested(struct rows *r, struct rows *nested);

/* Prints everything. An empty table prints nothing, an empty array "[]". */
struct err *rows_emit(struct rows *r, FILE *out) err_must_check;
/* The same, but JSON as one object a line, for what goes on and on. */
struct err *rows_emit_lines(struct rows *r, FILE *out) err_must_check;

/* Text as JSON, as rows_str() makes it. The caller owns it. */
struct json_object *rows_json_text(const char *s);
