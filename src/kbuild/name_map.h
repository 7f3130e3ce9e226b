/*
 * A hash table from names to pointers. Names are not copied: they must live as long as the map. All zero is an empty
 * one.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

struct name_map_slot;

struct name_map {
	struct name_map_slot *slots;
	size_t n;
	size_t cap; /* a power of two, or 0 */
};

void name_map_deinit(struct name_map *m);
DEFINE_CLEANUP_STORAGE(struct name_map, name_map_deinit);

/* What stands under the name of len bytes, or NULL. */
void *name_map_get(const struct name_map *m, const char *name, size_t len);
/* Puts value (not NULL) under a name that isn't there yet. */
void name_map_add(struct name_map *m, const char *name, void *value);
