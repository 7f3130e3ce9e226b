/*
 * The symbol table of an ELF file: is there such a function, and if not, which ones are called something like it; what
 * lies at an address. Debug sections are not read, so that a large vmlinux costs no more than its
 * symbol table.
 *
 * A name stands for its clones too: where the compiler left only `foo.isra.0` or `foo.constprop.0`, debuggers and this
 * module know it as `foo`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"
#include "debuginfo/section_place.h"

struct symbols;

/*
 * Reads the symbol table of the file. ERR_OS if it can't be read, ERR_BAD_DATA if it is no ELF file or its tables are
 * broken. A file without a symbol table is no error: it has no functions.
 */
struct err *symbols_open(const char *path, struct symbols **ret) err_must_check;
/*
 * The same of a relocatable file (NAME.ko) whose sections lie at these places: addresses are those. What is in other
 * sections is left out.
 */
struct err *symbols_open_module(const char *path, const struct section_place *places, size_t n, struct symbols **ret)
	err_must_check;
void symbols_destroy(struct symbols *s);
DEFINE_CLEANUP(struct symbols *, symbols_destroy);

/* Whether it has debug information (.debug_info) of its own. */
bool symbols_has_debug_info(const struct symbols *s);

size_t symbols_functions_n(const struct symbols *s);

/* Whether there is a function of that name; its virtual address as linked goes to *ret_address unless that is NULL. */
bool symbols_find_function(const struct symbols *s, const char *name, uint64_t *ret_address);

/* Calls back for each function and variable, in the file's order. Addresses as linked, sizes in bytes (0: not known). */
typedef void (*symbols_callback)(const char *name, uint64_t address, uint64_t size, bool global, void *user);
void symbols_each(const struct symbols *s, symbols_callback callback, void *user);

struct symbols_place {
	const char *name; /* valid as long as the symbols are */
	uint64_t address; /* as linked */
	uint64_t size;    /* bytes; 0: not known */
	bool is_function;
};

/* The function or variable that has the address, as linked. The first call sorts them all. */
bool symbols_at(struct symbols *s, uint64_t address, struct symbols_place *ret);

/*
 * The function that the kernel would name for the address (kallsyms): it reaches to where the next symbol in code begins,
 * padding included, and so does ret->size.
 */
bool symbols_function_at(struct symbols *s, uint64_t address, struct symbols_place *ret);

/* The name of the section that has the address; NULL: none. Belongs to the symbols. */
const char *symbols_section_at(const struct symbols *s, uint64_t address);

/* Adds at most max names of functions near to name, the nearest first. */
void symbols_near(const struct symbols *s, const char *name, size_t max, struct strv *ret);
