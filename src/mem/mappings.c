#include "mem/mappings.h"

#include "base/util.h"
#include "mem/mem_private.h"

enum { PAGE_BYTES = 4096, ENTRIES = PAGE_BYTES / 8, LIST_FIRST = 256 };

/* A core file may say anything. */
#define END_MAX (UINT64_C(1) << 44)

struct walk {
	struct mem *m;
	uint8_t *seen; /* a bit for each page of memory: a table that was looked at */
	uint64_t skip, skip_size;
	size_t max, cap;
	struct mem_mappings *ret;
};

void mem_mappings_deinit(struct mem_mappings *ms)
{
	free(ms->list);
	*ms = (struct mem_mappings){ .list = NULL };
}

/* The walk comes from above: what belongs to the last one lies before it. */
static void add(struct walk *w, uint64_t virt, uint64_t phys, uint64_t size)
{
	struct mem_mappings *ms = w->ret;
	struct mem_mapping *last = ms->n ? &ms->list[ms->n - 1] : NULL;

	if (last && last->virt == virt + size && last->phys == phys + size) {
		last->virt = virt;
		last->phys = phys;
		last->size += size;
		return;
	}
	if (ms->n == w->max) {
		ms->complete = false;
		return;
	}
	if (ms->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : LIST_FIRST;
		ms->list = xreallocarray(ms->list, w->cap, sizeof(*ms->list));
	}
	ms->list[ms->n++] = (struct mem_mapping){ virt, phys, size };
}

/* Of a page, what is RAM. */
static void add_page(struct walk *w, const struct mmu_page *page, uint64_t virt)
{
	const struct mem *m = w->m;

	if (virt - w->skip < w->skip_size)
		return;
	if (m->core && page->phys < mem_end(m))
		add(w, virt, page->phys, MIN(page->left, mem_end(m) - page->phys));
	for (size_t i = m->ranges_n; i-- > 0;) {
		const struct mem_range *r = &m->ranges[i];
		uint64_t start = MAX(page->phys, r->start), end = MIN(page->phys + page->left, r->start + r->size);

		if (start < end)
			add(w, virt + (start - page->phys), start, end - start);
	}
}

/* Whether the table is there to be looked at, and was not yet. */
static bool visit(struct walk *w, uint64_t table, uint64_t entries[ENTRIES])
{
	uint64_t page = table / PAGE_BYTES;
	struct err *e;

	if (table >= mem_end(w->m) || w->seen[page / 8] >> (page % 8) & 1)
		return false;
	w->seen[page / 8] |= (uint8_t)(1U << (page % 8));
	e = mem_read_phys(w->m, table, entries, PAGE_BYTES);
	err_ignore(e);
	return !e;
}

/* The entries of a table from `first` on; address is what its first entry stands for. */
static void walk_table(struct walk *w, uint64_t table, unsigned int level, uint64_t address, size_t first)
{
	uint64_t entries[ENTRIES];

	if (!visit(w, table, entries))
		return;
	for (size_t i = ENTRIES; i-- > first && w->ret->complete;) {
		uint64_t virt = address + (i << mmu_shift(level)), next;
		struct mmu_page page;

		switch (mmu_entry(entries[i], level, &page, &next)) {
		case MMU_ENTRY_PAGE:
			add_page(w, &page, virt);
			break;
		case MMU_ENTRY_TABLE:
			walk_table(w, next, level - 1, virt, 0);
			break;
		case MMU_ENTRY_NONE:
		case MMU_ENTRY_BROKEN:
			break;
		}
	}
}

void mem_mappings_list(struct mem *m, uint64_t skip, uint64_t skip_size, size_t max, struct mem_mappings *ret)
{
	unsigned int levels = m->mmu.levels;
	struct walk w = { .m = m, .skip = skip, .skip_size = skip_size, .max = max, .ret = ret };
	uint64_t lowest;

	*ret = (struct mem_mappings){ .complete = true };
	if (levels != 4 && levels != 5)
		return;
	if (mem_end(m) > END_MAX) {
		ret->complete = false;
		return;
	}
	w.seen = xcalloc(mem_end(m) / PAGE_BYTES / 8 + 1, 1);
	/* The upper half of the table; the address of its whole, as if it were all upper. */
	lowest = (uint64_t)0 - ((uint64_t)ENTRIES << mmu_shift(levels));
	walk_table(&w, m->mmu.root / PAGE_BYTES * PAGE_BYTES, levels, lowest, ENTRIES / 2);
	free(w.seen);
}
