/*
 * What the files of mem/ share: the kinds of memory behind struct mem. Nobody else includes this.
 */
#pragma once

#include "mem/mem.h"

struct core;
struct distant;

/* Where a large page's entry was found in the mem's own tables, and what it said. */
struct mmu_memo {
	uint64_t number; /* of the 2 MiB of virtual memory */
	uint64_t entry_at, entry;
	unsigned int level; /* 0: nothing is here */
};
enum { MMU_MEMOS = 16 };

struct mem {
	/* RAM or a buffer: the ranges, sorted by address, and their bytes. NULL for a core. */
	const uint8_t *base;
	size_t base_size;
	bool mapped; /* base is ours, to be unmapped */
	int fd;      /* of the mapping, for mem_peek_phys(); -1: none */
	struct mem_range ranges[MEM_RANGES_MAX];
	size_t ranges_n;
	struct core *core;
	struct distant *distant;
	uint64_t direct_map; /* of distant memory; 0: not known */
	struct mmu mmu;
	struct mmu_memo memos[MMU_MEMOS]; /* by number, modulo how many there are */
	unsigned int owners;              /* besides the first one */
};

/* Opens what mem_open_core() needs; the rest of struct mem is the caller's business. */
struct err *core_open(const char *path, struct core **ret) err_must_check;
void core_destroy(struct core *c);
DEFINE_CLEANUP(struct core *, core_destroy);
/* False if there is no memory. Reads may cross pages. */
bool core_read(struct core *c, uint64_t address, void *ret, size_t len) err_must_check;
uint64_t core_end(const struct core *c);
const char *core_vmcoreinfo(struct core *c);
bool core_registers(struct core *c, uint32_t cpu, struct cpu_registers *ret);
/* The file, put in order if it was flattened; the core's. */
int core_fd(const struct core *c);
/* The notes that libkdumpfile doesn't read. NULL: there are none. */
const uint8_t *core_notes(const struct core *c, size_t *ret_size);
/*
 * The next pages that a file which is not ELF has, from page *start on: [*start, *end). False: there are no more, or it doesn't
 * say.
 */
bool core_next_pages(const struct core *c, uint64_t *start, uint64_t *end);

/* An aligned value of physical memory, in one access. False if there is no memory. */
bool mem_load_u64(struct mem *m, uint64_t address, uint64_t *ret) err_must_check;
