/*
 * How ktb sym shows what an address is.
 */
#pragma once

#include "base/buf.h"
#include "base/rows.h"
#include "cmd/sym_names.h"
#include "kernel/symbolize.h"

/* All that is known about an address. */
struct sym_answer {
	uint64_t address;
	struct address what;
	const struct place *place; /* if it is code; NULL: it isn't, or nobody knows it */
	bool has_symbol;           /* of data: symbol, whose address is one in the guest */
	struct symbols_place symbol;
	const char *section;        /* NULL: not known */
	const struct place *caller; /* of an area of vmalloc's; NULL: not known */
};

extern const struct rows_column sym_columns[];

/* A row of those columns. query: what was asked for. */
void sym_show_row(struct rows *rows, const char *query, const struct symbolizer *s, const struct sym_answer *a);

/* Text of one line, or with inlined functions of several. */
void sym_show_text(struct buf *b, const struct symbolizer *s, const struct sym_answer *a);

/* "func+0x12/0x80 [module]", of one that is code. */
void sym_show_place(struct buf *b, const struct place *p);

/* " at FILE:LINE", with the functions that were inlined there; nothing if it isn't known. */
void sym_show_lines(struct buf *b, const struct symbolizer *s, const struct place *p);
