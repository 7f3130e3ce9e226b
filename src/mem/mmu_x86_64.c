#include "mem/mmu_x86_64.h"

#include "mem/mem_private.h"

/* Bits of an entry; the rest is the address, up to bit 51. */
#define PRESENT (UINT64_C(1) << 0)
#define LARGE (UINT64_C(1) << 7)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)

enum { PAGE_SHIFT = 12, INDEX_BITS = 9, ENTRY_BYTES = 8, LARGE_LEVEL_MAX = 3 };

unsigned int mmu_shift(unsigned int level)
{
	return PAGE_SHIFT + (level - 1) * INDEX_BITS;
}

enum mmu_entry mmu_entry(uint64_t entry, unsigned int level, struct mmu_page *ret_page, uint64_t *ret_table)
{
	uint64_t size = UINT64_C(1) << mmu_shift(level);

	if (!(entry & PRESENT))
		return MMU_ENTRY_NONE;
	if (level > 1 && !(entry & LARGE)) {
		*ret_table = entry & ADDRESS_MASK;
		return MMU_ENTRY_TABLE;
	}
	if (level > LARGE_LEVEL_MAX)
		return MMU_ENTRY_BROKEN;
	/* Bit 12 of a large page's entry is its PAT bit. */
	*ret_page = (struct mmu_page){ .phys = entry & ADDRESS_MASK & ~(size - 1), .left = size, .level = level };
	return MMU_ENTRY_PAGE;
}

static bool is_canonical(uint64_t address, unsigned int levels)
{
	unsigned int bits = mmu_shift(levels) + INDEX_BITS;
	uint64_t upper = address >> (bits - 1), all = UINT64_MAX >> (bits - 1);

	return upper == 0 || upper == all;
}

/* The page has been found by its first address: what is left of it from `address` on. */
static enum mmu_fault found(uint64_t address, struct mmu_page *page)
{
	uint64_t offset = address & (page->left - 1);

	page->phys += offset;
	page->left -= offset;
	return MMU_OK;
}

static struct mmu_memo *memo_of(struct mem *m, uint64_t number)
{
	return &m->memos[number % MMU_MEMOS];
}

static bool recall(struct mem *m, uint64_t address, struct mmu_page *ret)
{
	uint64_t number = address >> mmu_shift(2), entry, unused;
	const struct mmu_memo *memo = memo_of(m, number);

	return memo->level && memo->number == number && mem_load_u64(m, memo->entry_at, &entry) &&
	       entry == memo->entry && mmu_entry(entry, memo->level, ret, &unused) == MMU_ENTRY_PAGE;
}

/* ret_memo: of a large page; its level is 0 if there is none. */
static enum mmu_fault walk(struct mem *m, const struct mmu *mmu, uint64_t address, struct mmu_page *ret,
			   struct mmu_memo *ret_memo)
{
	uint64_t table = mmu->root & ADDRESS_MASK;

	*ret_memo = (struct mmu_memo){ 0 };
	ret->level = mmu->levels;
	if (mmu->levels != 4 && mmu->levels != 5)
		return MMU_NO_TABLES;
	if (!is_canonical(address, mmu->levels))
		return MMU_NOT_CANONICAL;
	for (unsigned int level = mmu->levels;; level--) {
		uint64_t index = (address >> mmu_shift(level)) & ((1U << INDEX_BITS) - 1), entry;
		uint64_t entry_at = table + index * ENTRY_BYTES;

		ret->level = level;
		if (!mem_load_u64(m, entry_at, &entry))
			return MMU_NO_MEMORY;
		switch (mmu_entry(entry, level, ret, &table)) {
		case MMU_ENTRY_NONE:
			return MMU_NOT_PRESENT;
		case MMU_ENTRY_BROKEN:
			return MMU_RESERVED;
		case MMU_ENTRY_TABLE:
			continue;
		case MMU_ENTRY_PAGE:
			break;
		}
		if (level > 1)
			*ret_memo = (struct mmu_memo){ address >> mmu_shift(2), entry_at, entry, level };
		return found(address, ret);
	}
}

enum mmu_fault mmu_translate(struct mem *m, const struct mmu *mmu, uint64_t address, struct mmu_page *ret)
{
	struct mmu_memo unused;

	return walk(m, mmu, address, ret, &unused);
}

enum mmu_fault mmu_translate_own(struct mem *m, uint64_t address, struct mmu_page *ret)
{
	struct mmu_memo memo;
	enum mmu_fault fault;

	if (recall(m, address, ret))
		return found(address, ret);
	fault = walk(m, &m->mmu, address, ret, &memo);
	if (memo.level)
		*memo_of(m, memo.number) = memo;
	return fault;
}

struct err *mmu_error(enum mmu_fault fault, uint64_t address, const struct mmu_page *page)
{
	unsigned long long a = address;

	switch (fault) {
	case MMU_NO_TABLES:
		return err_create(ERR_FAULT, "can't read 0x%llx: the kernel's page tables were not found yet", a);
	case MMU_NOT_CANONICAL:
		return err_create(ERR_FAULT, "0x%llx is no address: its upper bits differ", a);
	case MMU_RESERVED:
		return err_create(ERR_FAULT, "can't read 0x%llx: its page table entry at level %u is broken", a,
				  page->level);
	case MMU_NO_MEMORY:
		return err_create(ERR_FAULT, "can't read 0x%llx: where its page tables lead at level %u is no memory",
				  a, page->level);
	case MMU_OK:
	case MMU_NOT_PRESENT:
		break;
	}
	return err_create(ERR_FAULT, "0x%llx is not mapped (level %u)", a, page->level);
}
