/*
 * Where in a program's debug information its variables and types are, by name. Debug information has no index of that
 * kind, so all of it must be gone through: a fifth of a second for a small kernel, some seconds for a distribution's. That
 * is done once for each build ID, and what was found is kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"
#include "debuginfo/dwarf_file.h"
#include "debuginfo/symbols.h"

/* As bits, so that several can be asked for. */
enum name_kind {
	NAME_VARIABLE = 1U << 0,
	NAME_STRUCT = 1U << 1,
	NAME_UNION = 1U << 2,
	NAME_ENUM = 1U << 3,
	NAME_TYPEDEF = 1U << 4,
	NAME_BASE = 1U << 5,   /* int, unsigned long, ... */
	NAME_STATIC = 1U << 6, /* a variable in a function that outlives its calls; also as FUNCTION::NAME */
};
#define NAME_TYPES (NAME_STRUCT | NAME_UNION | NAME_ENUM | NAME_TYPEDEF | NAME_BASE)

struct name_entry {
	enum name_kind kind;
	bool global;      /* a variable that other files can see */
	uint64_t die;     /* where it is described, from the start of .debug_info */
	uint64_t address; /* of a variable, as linked */
};

struct names;

/*
 * Goes through the debug information of the ELF file. Of types only definitions count, and of those that are alike only one
 * is kept; of variables those that have a fixed place. One that is only declared counts if the symbol
 * table knows where it is: it was defined by the linker, or in assembler. ERR_BAD_DATA if there is nothing to read.
 */
struct err *names_build(const char *path, struct names **ret) err_must_check;
/* The same of a file that was opened for both; path is for messages. */
struct err *names_build_from(const struct dwarf_file *file, const struct symbols *symbols, const char *path,
			     struct names **ret) err_must_check;
void names_destroy(struct names *n);
DEFINE_CLEANUP(struct names *, names_destroy);

/* From the cache, else from vmlinux, whose build ID must be build_id, and then into the cache. */
struct err *names_load(const char *build_id, const char *vmlinux, struct names **ret) err_must_check;

/* As it is kept: bytes of this machine's order, appended to ret, which is empty. */
void names_format(const struct names *n, const char *build_id, struct buf *ret);
/* Puts the checksum into bytes that names_format() has written, and that were changed since. */
void names_seal(struct buf *b);
/* Takes the bytes over (b is empty then) if they are what names_format() wrote for this build ID; else ERR_BAD_DATA. */
struct err *names_parse(struct buf *b, const char *build_id, struct names **ret) err_must_check;

/*
 * How many of that name and those kinds there are; the first max of them go to ret. Of variables, global ones come first.
 */
size_t names_find(const struct names *n, const char *name, unsigned int kinds, struct name_entry *ret, size_t max);

/* Adds at most max names of those kinds near to name, the nearest first. */
void names_near(const struct names *n, const char *name, unsigned int kinds, size_t max, struct strv *ret);
