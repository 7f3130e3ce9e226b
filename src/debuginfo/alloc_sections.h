/*
 * The sections of an ELF file that take memory once it is loaded (SHF_ALLOC), empty ones too, in the file's order: what
 * debuggers want an address for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

struct alloc_section {
	char *name;
	uint64_t size; /* bytes */
};

struct alloc_sections {
	struct alloc_section *v;
	size_t n;
};

#define ALLOC_SECTIONS_INIT                                                                                            \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

void alloc_sections_deinit(struct alloc_sections *s);
DEFINE_CLEANUP_STORAGE(struct alloc_sections, alloc_sections_deinit);

/* ERR_OS if it can't be read, ERR_BAD_DATA if it is no ELF file or a broken one. */
struct err *alloc_sections_read(const char *path, struct alloc_sections *ret) err_must_check;

/*
 * Clears the addresses of sections in a relocatable file's bytes. False: none had one, or it isn't such a file, for 64 bits and
 * little-endian. GDB takes a relocatable file in which any section has an address for one that is placed already, and then has
 * the lines of all code outside .text at wrong places; some linkers leave such addresses in modules. Pure.
 */
bool alloc_sections_clear_addresses(void *data, size_t len);

/*
 * Changes a relocatable file's bytes so that it is placed at these addresses: of its n sections, as alloc_sections_read() has
 * them. That is for LLDB, which takes one address of a library only, moves all its sections by that alike, and has places of
 * its own for those of a relocatable file, unless that has a segment. So one section becomes a segment: *ret_base is its
 * address, which is to be named as the library's. False: it isn't such a file, for 64 bits and little-endian, has other
 * sections, or all of them are empty; it may have been changed all the same. Pure.
 */
bool alloc_sections_place(struct buf *file, const uint64_t *addresses, size_t n, uint64_t *ret_base);
