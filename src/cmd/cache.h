/*
 * What the cache holds, and its removal. An item is renamed into the folder "trash" first and deleted there: one whose
 * removal is interrupted is gone all the same, and what is left of it goes with the next one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum cache_kind {
	CACHE_BUILD,     /* a kernel */
	CACHE_SOURCE,    /* an unpacked tarball */
	CACHE_DOWNLOAD,  /* a tarball that was downloaded, or a part of it */
	CACHE_MODULE,    /* modules out of the tree */
	CACHE_DEPMOD,    /* indexes of a foreign kernel's modules */
	CACHE_INITRAMFS, /* a guest's image */
	CACHE_GDB_INDEX,
	CACHE_GDB_MODULE,  /* copies of modules for debuggers */
	CACHE_LLDB_MODULE, /* the same as they lie in a running guest, while LLDB is attached */
	CACHE_LAYOUT,      /* what was found out about a kernel's structures */
	CACHE_LOG,         /* the console output of a VM */
	CACHE_EDIT,        /* what a menuconfig that was killed left */
	CACHE_TRASH,       /* what a removal that was killed left */
};

#define CACHE_KINDS_N (CACHE_TRASH + 1)

struct cache_item {
	enum cache_kind kind;
	char *name;
	char *path;
	char *what;    /* a few words; NULL: nothing */
	uint64_t size; /* on disk, bytes */
	uint64_t used; /* last use, seconds since 1970 */
	char *in_use;  /* by whom; NULL: by nobody */
};

struct cache_items {
	struct cache_item *v; /* what was not used for longest comes first */
	size_t n;
};

void cache_items_deinit(struct cache_items *items);
DEFINE_CLEANUP_STORAGE(struct cache_items, cache_items_deinit);

/* "build". Static. */
const char *cache_kind_name(enum cache_kind kind);

/* Looks at the folder `cache`; one that isn't there holds nothing. */
struct err *cache_list(const char *cache, struct cache_items *ret) err_must_check;

/* Removes an item. *ret_in_use is set, and nothing happens, if somebody uses it now. */
struct err *cache_remove(const char *cache, const struct cache_item *item, bool *ret_in_use) err_must_check;
