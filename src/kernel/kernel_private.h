/*
 * What the files of kernel/ share. Nobody else includes this.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/limits.h"

struct kernel {
	struct mem *mem;
	struct layout_answer facts[KERNEL_FACTS_N];
	uint64_t phys;  /* of _text */
	uint64_t slide; /* added to addresses as linked */
	struct mmu mmu;
	bool confirmed;
	bool image; /* the build ID was found somewhere, running or not */
};

static inline bool has(const struct kernel *k, enum kernel_fact f)
{
	return k->facts[f].found;
}

/* Where a member is; 0 if there is none. */
static inline uint64_t offset_of(const struct kernel *k, enum kernel_fact f)
{
	return k->facts[f].value;
}

/* The address of a symbol in the guest. */
static inline uint64_t symbol(const struct kernel *k, enum kernel_fact f)
{
	return k->facts[f].value + k->slide;
}

/* The kernel's half of the address space; a pointer to elsewhere is none of the kernel's structures. */
static inline bool is_kernel_address(uint64_t address)
{
	return address >> 63;
}

/* A number of size 1, 2, 4 or 8, at an address. */
static inline bool read_number(const struct kernel *k, uint64_t address, uint32_t size, uint64_t *ret)
{
	uint64_t value = 0;

	if (size > sizeof(value) || !mem_try_read(k->mem, address, &value, size))
		return false;
	*ret = value;
	return true;
}

/* The number that is in the bytes of a member, which are in value from the lowest on. */
uint64_t decode_member(const struct layout_answer *a, uint64_t value);

/* A number that is a member; bit fields, and signs, are taken care of. False if the kernel has no such member. */
bool read_member(const struct kernel *k, uint64_t base, enum kernel_fact f, uint64_t *ret);
/* The same from a copy of the struct, of size bytes. */
bool member_of(const struct kernel *k, const void *copy, size_t size, enum kernel_fact f, uint64_t *ret);

/* A pointer that is a member, and goes to the kernel's half. */
static inline bool read_pointer(const struct kernel *k, uint64_t base, enum kernel_fact f, uint64_t *ret)
{
	return read_member(k, base, f, ret) && is_kernel_address(*ret);
}

/*
 * A string, with its NUL. False if it doesn't end within size. Never more is read than up to the end of the page that its end
 * is in.
 */
bool read_string(const struct kernel *k, uint64_t address, char *ret, size_t size);

/* Both ends of a struct list_head. */
struct links {
	uint64_t next, prev;
};

static inline bool read_links(const struct kernel *k, uint64_t address, struct links *ret)
{
	return mem_try_read(k->mem, address, ret, sizeof(*ret));
}

/* ERR_UNSUPPORTED if one of n facts is missing. what: for what they are needed. */
struct err *need(const struct kernel *k, const char *what, const enum kernel_fact *facts, size_t n) err_must_check;

/* The error for a kernel that was not found. */
struct err *kernel_explain_absence(const struct kernel *k, const char *build_id) err_must_check;
