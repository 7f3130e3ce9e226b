#include "target/breaks.h"

#include <stdlib.h>

#include "base/util.h"

void breaks_deinit(struct breaks *b)
{
	free(b->v);
	*b = (struct breaks)BREAKS_INIT;
}

struct brk *breaks_find(const struct breaks *b, enum target_break kind, uint64_t address, uint64_t size)
{
	for (size_t i = 0; i < b->n; i++) {
		struct brk *k = &b->v[i];

		if (k->address == address && k->kind == kind && k->size == size)
			return k;
	}
	return NULL;
}

struct brk *breaks_add(struct breaks *b, enum target_break kind, uint64_t address, uint64_t size)
{
	if (b->n == BREAKS_MAX)
		return NULL;
	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : 16;
		b->v = xreallocarray(b->v, b->room, sizeof(*b->v));
	}
	b->v[b->n] = (struct brk){ .kind = kind, .address = address, .size = size };
	return &b->v[b->n++];
}

void breaks_drop(struct breaks *b, struct brk *which)
{
	*which = b->v[--b->n];
}

struct brk *breaks_planted_at(const struct breaks *b, uint64_t address)
{
	for (size_t i = 0; i < b->n; i++) {
		struct brk *k = &b->v[i];

		if (k->address == address && k->planted &&
		    (k->kind == TARGET_BREAK_SOFTWARE || k->kind == TARGET_BREAK_HARDWARE))
			return k;
	}
	return NULL;
}

void breaks_hide(const struct breaks *b, uint64_t address, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct brk *k = &b->v[i];

		if (k->kind == TARGET_BREAK_SOFTWARE && k->planted && k->has_original && k->address - address < len)
			bytes[k->address - address] = k->original;
	}
}

struct err *breaks_insert(struct breaks *b, enum target_break kind, uint64_t address, uint64_t size,
			  struct err *(*plant)(struct brk *k, void *user), void *user)
{
	struct brk *k = breaks_find(b, kind, address, size);

	if (!k)
		k = breaks_add(b, kind, address, size);
	if (!k)
		return err_create(ERR_UNSUPPORTED, "there are too many breakpoints");
	if (!k->planted) {
		struct err *e = plant(k, user);

		if (e) {
			breaks_drop(b, k);
			return e;
		}
	}
	k->wanted++;
	return NULL;
}

struct err *breaks_remove(const struct breaks *b, enum target_break kind, uint64_t address, uint64_t size)
{
	struct brk *k = breaks_find(b, kind, address, size);

	if (!k || !k->wanted)
		return err_create(ERR_NOT_FOUND, "there is no breakpoint at 0x%llx", (unsigned long long)address);
	k->wanted--;
	return NULL;
}
