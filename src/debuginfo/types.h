/*
 * Types of a program by their names, in its debug information (DWARF, by libdw).
 */
#pragma once

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "debuginfo/dwarf_file.h"
#include "debuginfo/layout.h"

/* Called with each type of the whole program that has a name and a definition, or is an enumeration; once for each unit. */
typedef bool (*types_callback)(Dwarf_Die *type, int tag, void *user);

/*
 * Goes through the types at the outermost level of all compile units, in their order, until the callback returns false.
 * In a kernel most types come up in the first units; all of a large one take seconds.
 */
struct err *types_walk(const struct dwarf_file *file, const char *path, types_callback callback, void *user)
	err_must_check;

/*
 * Follows a path of members ("mm", "thread.sp", "f_path.dentry") through a struct or union, anonymous members and
 * typedefs included, and into the first element of arrays. False if there is no such member. *ret_type is its type, without
 * typedefs and qualifiers; its tag is 0 for void.
 */
bool types_member(Dwarf_Die *type, const char *path, struct layout_answer *ret, Dwarf_Die *ret_type);

/* The type behind typedefs and qualifiers. False if there is none (void). */
bool types_strip(Dwarf_Die *type, Dwarf_Die *ret);

/*
 * Where a member of a struct (DW_TAG_member) begins: ret->value, and for a bit field ret->bit_offset and ret->bit_size; the
 * rest of *ret is 0. storage_size: of its type, in bytes. False if it is at no fixed place, or damaged.
 */
bool types_member_place(Dwarf_Die *member, uint64_t storage_size, struct layout_answer *ret);
