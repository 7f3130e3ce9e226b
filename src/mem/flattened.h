/*
 * The flattened form of a kdump file: written in one go, to a pipe, by QEMU and by makedumpfile -F. It is a sequence of
 * pieces, each with its place in the real file (makedumpfile(8), struct makedumpfile_data_header).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { FLATTENED_HEAD = 4096, FLATTENED_PIECE = 16 };

/* Whether a file that begins with these bytes is one. */
bool flattened_is(const void *data, size_t len);

/* A piece's head, of FLATTENED_PIECE bytes. False: the end. Pure. ERR_BAD_DATA if it is impossible. */
struct err *flattened_parse(const uint8_t head[FLATTENED_PIECE], bool *ret_more, uint64_t *ret_offset,
			    uint64_t *ret_size) err_must_check;

/* Called before each read that may have to wait, and now and then besides; what it returns ends the work. May be NULL. */
typedef struct err *(*flattened_tick)(void *user);

/* Reads such a file from `from`, which may be a pipe, and writes its pieces to `to` where they belong. */
struct err *flattened_unfold(int from, int to, flattened_tick tick, void *user) err_must_check;

/*
 * Puts the pieces of the file at `from` where they belong, in a file without a name in the temporary folder; the caller
 * closes *ret. path is for messages.
 */
struct err *flattened_rearrange(int from, const char *path, int *ret) err_must_check;
