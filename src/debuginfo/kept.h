/*
 * What was found out about a program, kept in the cache's folder `layout` in a file with the program's build ID for a name. A
 * cache that can't be read or written is no error: what was kept is then found out again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct kept {
	char *folder, *path; /* path NULL: nothing is kept */
};

#define KEPT_INIT                                                                                                      \
	{                                                                                                              \
		NULL, NULL                                                                                             \
	}

/* suffix: of the file's name, for what kind of thing it is. ERR_BAD_DATA if that is no build ID. */
struct err *kept_open(struct kept *k, const char *build_id, const char *suffix) err_must_check;
void kept_deinit(struct kept *k);
DEFINE_CLEANUP_STORAGE(struct kept, kept_deinit);

/* Adds what is kept to ret. False: there is nothing, or more than max bytes. */
bool kept_read(const struct kept *k, size_t max, struct buf *ret);
/* Takes note of what is wrong with it, for those who want to know; e is destroyed. */
void kept_is_unusable(const struct kept *k, struct err *e);
/* Keeps it, in place of what there is. */
void kept_write(const struct kept *k, const void *data, size_t len);
