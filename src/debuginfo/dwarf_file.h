/*
 * A file opened for its debug information: vmlinux, or a module at the place where a kernel has put it. It is mapped: whoever
 * rewrites the file meanwhile may kill the reader, so keep it open no longer than needed.
 */
#pragma once

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "debuginfo/section_place.h"

struct dwarf_file {
	void *map; /* all of the file; NULL: libdwfl does that */
	size_t size;
	Elf *elf;
	Dwarf *dwarf;
	Dwfl *dwfl; /* holds it all if it is a module; else NULL */
};

#define DWARF_FILE_INIT                                                                                                \
	{                                                                                                              \
		NULL, 0, NULL, NULL, NULL                                                                              \
	}

/* ERR_OS if it can't be opened, ERR_BAD_DATA if it has no debug information that can be read. */
struct err *dwarf_file_open(struct dwarf_file *f, const char *path) err_must_check;
/*
 * The same of a relocatable file (NAME.ko) whose sections lie at these places: all addresses are those of the guest.
 * ERR_USAGE if there are none.
 */
struct err *dwarf_file_open_module(struct dwarf_file *f, const char *path, const struct section_place *places, size_t n)
	err_must_check;
void dwarf_file_deinit(struct dwarf_file *f);
DEFINE_CLEANUP_STORAGE(struct dwarf_file, dwarf_file_deinit);

/*
 * Goes to the next compile unit, as dwarf_get_units() does, and gives back what was read long ago: going through all of a
 * large file would else make all of it ours. *ret is the unit's entry. False: there is none, or it is damaged.
 */
struct dwarf_walk {
	const struct dwarf_file *file;
	Dwarf_CU *unit;
	uint64_t released; /* up to which offset */
	bool damaged;
};
bool dwarf_walk_next(struct dwarf_walk *w, Dwarf_Die *ret);

/* What libdw last complained about, as an error about the file at path. */
struct err *dwarf_file_error(const char *path) err_must_check;
