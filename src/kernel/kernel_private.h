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

/* Documentation/arch/x86/x86_64/mm.rst of the kernel: "kernel text mapping". */
#define IMAGE_MAP UINT64_C(0xffffffff80000000)
#define IMAGE_MAP_SIZE (UINT64_C(1) << 30)
/* The image lies on such borders, for it is mapped by pages of that size. */
#define IMAGE_ALIGN (UINT64_C(2) << 20)

/* A build ID as it is in memory. */
struct kernel_id {
	uint8_t bytes[64];
	size_t size;
};

/*
 * What every way to a kernel begins with: one of which only the facts are known, and the bytes of its build ID. ERR_UNSUPPORTED,
 * ERR_BAD_DATA. The caller destroys *ret.
 */
struct err *kernel_begin(struct mem *m, const char *build_id, const struct layout_answer *facts, struct kernel **ret,
			 struct kernel_id *ret_id) err_must_check;
/* How many levels of page tables its variable pgdir_shift stands for; 0: it has none. */
unsigned int kernel_levels_of(uint64_t pgdir_shift);
/* The kernel's own word, as far as it has come to say it: 1 it agrees, 0 it said nothing, -1 it says something else. */
int kernel_check_vmcoreinfo(const struct kernel *k, const char *build_id);
/* The direct maps that kernels have without KASLR. */
extern const uint64_t kernel_usual_direct_maps[3];

/* The error for a kernel that was not found. */
struct err *kernel_explain_absence(const struct kernel *k, const char *build_id) err_must_check;
