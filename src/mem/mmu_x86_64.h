/*
 * Page tables of x86-64: 4 and 5 levels, pages of 4 KiB, 2 MiB and 1 GiB. Intel SDM volume 3, "4-Level Paging and 5-Level
 * Paging".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mem;

/* An address space. All zero: none yet. */
struct mmu {
	uint64_t root;       /* guest physical address of the top table, as in CR3 without its flags */
	unsigned int levels; /* 4 or 5 */
};

enum mmu_fault {
	MMU_OK,
	MMU_NO_TABLES,     /* there is no address space */
	MMU_NOT_CANONICAL, /* the upper bits of the address are not copies of the highest one in use */
	MMU_NOT_PRESENT,
	MMU_RESERVED,  /* an entry that no processor would take */
	MMU_NO_MEMORY, /* a table or the page lies where there is no memory */
};

struct mmu_page {
	uint64_t phys; /* of the address that was asked for */
	uint64_t left; /* bytes from there to the end of the page */
	/* Where the walk ended: 1 for an entry of a page table, up to 5. */
	unsigned int level;
};

/*
 * Looks an address up. Nothing is remembered, for the guest may change its tables at any time: to see whether it did would
 * take as long as to look again.
 * ret->level is set in any case, the rest only with MMU_OK.
 */
enum mmu_fault mmu_translate(struct mem *m, const struct mmu *mmu, uint64_t address, struct mmu_page *ret);

/*
 * The same in the mem's own address space, quicker for large pages: where the entry of one lies is remembered until the next
 * mem_set_mmu(), and only the entry is read again. That the tables above it changed, and it did not, goes unseen.
 */
enum mmu_fault mmu_translate_own(struct mem *m, uint64_t address, struct mmu_page *ret);

/* By how many bits an address is shifted for its index into a table of this level. */
unsigned int mmu_shift(unsigned int level);

enum mmu_entry {
	MMU_ENTRY_NONE,
	MMU_ENTRY_TABLE, /* *ret_table is the guest physical address of a table of the level below */
	MMU_ENTRY_PAGE,  /* *ret_page is all of the page */
	MMU_ENTRY_BROKEN,
};

/* What an entry of a table of this level says. */
enum mmu_entry mmu_entry(uint64_t entry, unsigned int level, struct mmu_page *ret_page, uint64_t *ret_table);

/* The fault as an error, ERR_FAULT. */
struct err *mmu_error(enum mmu_fault fault, uint64_t address, const struct mmu_page *page) err_must_check;
