/*
 * A program with its debug information: what its variables and types are, by name.
 */
#pragma once

#include "base/util.h"
#include "debuginfo/ctype.h"
#include "debuginfo/names.h"

struct program;

/*
 * Opens the ELF file, whose build ID must be that one. What is found out where things are is kept (debuginfo/names.h).
 * ERR_BAD_DATA if it is another program, or has no debug information.
 */
struct err *program_open(const char *path, const char *build_id, struct program **ret) err_must_check;
/* The same without looking at the build ID, and without keeping anything. */
struct err *program_open_uncached(const char *path, struct program **ret) err_must_check;
void program_destroy(struct program *p);
DEFINE_CLEANUP(struct program *, program_destroy);

/* For ctype_describe() and the like: structs that are only declared in a unit are looked for in all of them. */
const struct ctype_source *program_types(struct program *p);

struct program_variable {
	struct ctype type;
	uint64_t address; /* as linked */
};

/*
 * The variable of that name. file: the source file that must have it, or the end of its path; NULL: any. A global one is
 * preferred. ERR_NOT_FOUND, with near names, if there is none. If it is one of several, *ret_note says so, and which; the
 * caller frees it.
 */
struct err *program_variable(struct program *p, const char *file, const char *name, struct program_variable *ret,
			     char **ret_note) err_must_check;

/*
 * The type of that name: tag 's' struct, 'u' union, 'e' enum, 0 a typedef or one of C's own ("unsigned int", in any of
 * its spellings). ERR_NOT_FOUND and *ret_note as above; "void" is none of them.
 */
struct err *program_type(struct program *p, char tag, const char *name, struct ctype *ret, char **ret_note)
	err_must_check;

struct program_symbol {
	const char *name; /* belongs to the program */
	uint64_t offset;  /* from its start, bytes */
	uint64_t size;    /* of all of it, bytes; 0: not known */
	bool is_function;
};

/* The function or variable that has the address, as linked; labels that linkers put between things are none. The first call reads the symbol table. */
bool program_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret);
