/*
 * A module as a library of a debugger: where each section of its file lies (GDB manual, node Library List Format). GDB wants an
 * address for each section that takes memory, in the file's order. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "debuginfo/alloc_sections.h"
#include "kernel/module.h"

/* The end of the address space, which no kernel maps, so that errors can be told from pointers; GDB sees no module reach below itself. */
#define LINUX_HOLE UINT64_C(0xffffffffffe00000)

/* Whether the module has that memory: its list of sections keeps those that were freed. One that is empty is anywhere. */
bool linux_has_area(const struct module *m, uint64_t address, uint64_t size);

/* Where the guest has each of the n sections of a module's file; size 0: nowhere. */
void linux_module_places(const struct alloc_section *sections, size_t n, const struct module *m,
			 struct module_area *ret);
/* The address that a debugger is told of a section at that place; 0: it needs one where nothing is. */
uint64_t linux_section_address(const struct alloc_section *section, const struct module_area *place,
			       const struct module *m);

/* A place for so many bytes where no memory can be, from *hole on, which is LINUX_HOLE at first and moves on. */
uint64_t linux_take_hole(uint64_t *hole, uint64_t size);
/* Whether that is such a place: breakpoints there are none. */
bool linux_is_nowhere(uint64_t address);

/* Appends the beginning of an element: the file's name. */
void linux_library_begin(const char *path, struct buf *ret);
/*
 * Appends the element for a module whose file, at path, has these sections at these places. Those that the guest has no place
 * for get one of linux_take_hole().
 */
void linux_library_xml(const char *path, const struct alloc_section *sections, const struct module_area *places,
		       size_t n, const struct module *m, uint64_t *hole, struct buf *ret);
