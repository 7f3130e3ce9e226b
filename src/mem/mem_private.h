/*
 * What the files of mem/ share: the two kinds of memory behind struct mem. Nobody else includes this.
 */
#pragma once

#include "mem/mem.h"

struct core;

struct mem {
	/* RAM or a buffer: the ranges, sorted by address, and their bytes. NULL for a core. */
	const uint8_t *base;
	size_t base_size;
	bool mapped; /* base is ours, to be unmapped */
	int fd;      /* of the mapping, for mem_peek_phys(); -1: none */
	struct mem_range ranges[MEM_RANGES_MAX];
	size_t ranges_n;
	struct core *core;
	struct mmu mmu;
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

/* An aligned value of physical memory, in one access. False if there is no memory. */
bool mem_load_u64(struct mem *m, uint64_t address, uint64_t *ret) err_must_check;
