/*
 * Memory that is far away: what was fetched of it once is kept until it is forgotten. Only mem.c includes this.
 *
 * Theory of operation. A serial line takes some milliseconds for a question, and as long again for each forty bytes or so of the
 * answer. So neither single numbers nor whole pages are fetched, but grains; what lies between two that are wanted is fetched too if
 * that costs no more than another question. Who goes through memory from one end to the other is given twice as much each time, up to
 * the end of the page. A page of which one grain can't be read is not asked for again.
 */
#pragma once

#include "mem/mem.h"

struct distant;

struct distant *distant_create(mem_fetch fetch, void *user);
void distant_destroy(struct distant *d);

/* False: it can't be read. */
bool distant_read(struct distant *d, uint64_t address, void *ret, size_t len);
/* Says that these bytes are asked for next, up to distant_bring(), which fetches them in as few pieces as can be. */
void distant_want(struct distant *d, uint64_t address, size_t len);
void distant_bring(struct distant *d);
/* Of what was brought. False: it could not be. */
bool distant_take(struct distant *d, uint64_t address, void *ret, size_t len);
void distant_forget(struct distant *d);
