/*
 * A growing run of bytes. The byte behind the last one is always 0, so that text can be used as a string.
 * BUF_INIT (or all zero) is an empty one; buf_deinit() gives back what it holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT                                                                                                       \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

void buf_deinit(struct buf *b);
DEFINE_CLEANUP_STORAGE(struct buf, buf_deinit);

/* The text; "" for one that never held anything. Valid until the next change. */
const char *buf_str(const struct buf *b);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The value in decimal, what is missing at its left to the width (at most 20) filled up with pad. For those who have many. */
void buf_number(struct buf *b, uint64_t value, size_t width, char pad);
/* Room for at least n more bytes: returns where they go; add what was written with buf_commit(). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Drops the first n bytes (at most all of them). */
void buf_consume(struct buf *b, size_t n);
/* Drops what is behind the first len bytes. */
void buf_truncate(struct buf *b, size_t len);
void buf_clear(struct buf *b);
/* The text as a string that the caller frees; b is empty afterwards. */
char *buf_steal(struct buf *b);
