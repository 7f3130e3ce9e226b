/*
 * Memory for many small things that all end at once: a parsed Kconfig tree has some 200,000 of them.
 * All zero is an empty pool.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct pool_block;

struct pool {
	struct pool_block *blocks;
	size_t left; /* bytes free at the end of the newest block */
};

void pool_deinit(struct pool *p);
DEFINE_CLEANUP_STORAGE(struct pool, pool_deinit);

/* Zeroed, aligned for anything, valid until pool_deinit(). */
void *pool_alloc(struct pool *p, size_t size) __attribute__((malloc, returns_nonnull));
/* A copy of the first n bytes of s, with a NUL behind it. */
char *pool_strndup(struct pool *p, const char *s, size_t n) __attribute__((malloc, returns_nonnull));
