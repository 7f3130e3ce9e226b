/*
 * What the kernel has mapped: its half of the address space as its page tables have it.
 */
#pragma once

#include "mem/mem.h"

/* Virtual addresses that lead to consecutive physical ones. Bytes, all multiples of 4 KiB. */
struct mem_mapping {
	uint64_t virt;
	uint64_t phys;
	uint64_t size;
};

struct mem_mappings {
	struct mem_mapping *list; /* from the highest address down; what belongs together is one */
	size_t n;
	bool complete; /* false: there are more, at lower addresses */
};

void mem_mappings_deinit(struct mem_mappings *ms);
DEFINE_CLEANUP_STORAGE(struct mem_mappings, mem_mappings_deinit);

/*
 * Walks through the page tables of m (mem_set_mmu()), and lists at most max mappings of the upper half. Only what leads to
 * RAM counts (of a core: what is below its end), and what is mapped from skip on, for skip_size bytes, is left out: the direct map,
 * which is known without a list.
 *
 * A hostile guest's tables may lead in circles. Each table is looked at once, at the first address that leads to it, so the
 * time that this takes is bounded by the size of memory. Linux shares tables only where nothing is lost by that: KASAN's
 * shadow of what doesn't exist, and the aliases of the espfix stacks.
 */
void mem_mappings_list(struct mem *m, uint64_t skip, uint64_t skip_size, size_t max, struct mem_mappings *ret);
