/*
 * Copies of modules that are placed (alloc_sections_place()), for a debugger's server process: another one each time that one
 * is loaded, in a folder in the cache that goes with the session. What a server process left that was killed goes as soon as
 * another one makes such a folder.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct serve_placed;

struct serve_placed *serve_placed_create(void);
/* Removes the copies. Only in the process that made them. */
void serve_placed_destroy(struct serve_placed *p);
DEFINE_CLEANUP(struct serve_placed *, serve_placed_destroy);

/* As struct linux_params has it. */
struct err *serve_placed_copy(struct serve_placed *p, const char *path, const uint64_t *addresses, size_t n, char **ret,
			      uint64_t *ret_base) err_must_check;
