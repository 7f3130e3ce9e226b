/*
 * Of a condition that doesn't hold, the parts that keep it from holding.
 */
#pragma once

#include "kbuild/kconfig_expr.h"
#include "kbuild/pool.h"

struct kconfig_blockers {
	const struct kconfig_expr **v; /* each of them must change */
	size_t n;
	struct pool pool;
};

void kconfig_blockers_deinit(struct kconfig_blockers *b);
DEFINE_CLEANUP_STORAGE(struct kconfig_blockers, kconfig_blockers_deinit);

/*
 * Adds what keeps e from being at least `need`. Of alternatives that all fail, those that nothing in this kernel could
 * ever bring about are left out: who debugs an x86 needn't know what works on m68k.
 */
void kconfig_blockers_add(struct kconfig_blockers *b, const struct kconfig_values *v, const struct kconfig_expr *e,
			  enum tristate need);

/* The same for all conditions of an entry's prompt. */
void kconfig_blockers_add_entry(struct kconfig_blockers *b, const struct kconfig_values *v,
				const struct kconfig_entry *e, enum tristate need);
