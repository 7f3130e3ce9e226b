/*
 * Which breakpoints are wanted, and which are planted: not the same, since debuggers remove all of theirs at each stop and
 * put them back before the next. Pure.
 */
#pragma once

#include "target/target.h"

struct brk {
	enum target_break kind;
	uint64_t address, size;
	unsigned int wanted; /* so many times */
	bool planted;
	bool stood_in_for; /* by a hardware breakpoint */
	bool missed;       /* it can't be planted now, which was told */
	bool has_original;
	uint8_t original; /* the first byte at the address, before it was planted */
};

struct breaks {
	struct brk *v;
	size_t n, room;
};

#define BREAKS_INIT                                                                                                    \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

enum { BREAKS_MAX = 1 << 16 };

void breaks_deinit(struct breaks *b);
DEFINE_CLEANUP_STORAGE(struct breaks, breaks_deinit);

/* NULL: there is none. Valid until one is added or dropped, as everywhere here. */
struct brk *breaks_find(const struct breaks *b, enum target_break kind, uint64_t address, uint64_t size);
/* A new one, wanted by nobody yet. NULL: there are too many. */
struct brk *breaks_add(struct breaks *b, enum target_break kind, uint64_t address, uint64_t size);
void breaks_drop(struct breaks *b, struct brk *which);

/* Wants one, which plant() plants if it isn't planted. The errors of target_insert(); what can't be planted isn't there. */
struct err *breaks_insert(struct breaks *b, enum target_break kind, uint64_t address, uint64_t size,
			  struct err *(*plant)(struct brk *k, void *user), void *user) err_must_check;
/* It isn't wanted any more, once; it stays planted. ERR_NOT_FOUND. */
struct err *breaks_remove(const struct breaks *b, enum target_break kind, uint64_t address, uint64_t size)
	err_must_check;

/* A breakpoint (not a watchpoint) that is planted at the address; NULL: none is. */
struct brk *breaks_planted_at(const struct breaks *b, uint64_t address);

/* Puts the original bytes back into what was read from memory at the address, where software breakpoints are planted. */
void breaks_hide(const struct breaks *b, uint64_t address, uint8_t *bytes, size_t len);
