/*
 * A program with its debug information: what its variables and types are, by name; and the modules that were loaded into it,
 * which are opened only when something is not in the program itself.
 */
#pragma once

#include "base/util.h"
#include "debuginfo/ctype.h"
#include "debuginfo/names.h"
#include "debuginfo/section_place.h"

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

/* A module; everything is copied. */
struct program_module {
	const char *name;
	const char *path; /* the NAME.ko that was loaded; NULL: not known */
	const struct section_place *sections;
	size_t sections_n;
	uint64_t percpu; /* its per-CPU variables: what is added to a CPU's offset */
	uint64_t percpu_size;
};

/* Is called once, when modules are needed, and makes them known by program_add_module(). */
typedef void (*program_modules_callback)(struct program *p, void *user);
void program_set_modules(struct program *p, program_modules_callback callback, void *user);
void program_add_module(struct program *p, const struct program_module *module);
/* Opens them all, for what the program only declares. One that can't be is no error: it is logged. */
void program_open_modules(struct program *p);

/* For ctype_describe() and the like: structs that are only declared in a unit are looked for in all of them, and in the modules
 * that are open. */
const struct ctype_source *program_types(struct program *p);

/* Which variable is meant. */
struct program_name {
	const char *file;  /* the source file that must have it, or the end of its path; NULL: any */
	const char *scope; /* the function that it is a static variable of, or the module that has it; NULL: any */
	const char *name;
};

struct program_variable {
	struct ctype type;
	uint64_t address; /* as linked */
	bool in_module;   /* address is that in the guest; of a per-CPU variable, what is added to a CPU's offset */
	bool is_per_cpu;  /* of a module; the program's own can't be told by it */
};

/*
 * The variable of that name. The program's own come before those of modules, those outside of functions before those in
 * them, global ones before others. ERR_NOT_FOUND, with near names, if there is none. If it is one of several, *ret_note says
 * so, and which; the caller frees it.
 */
struct err *program_variable(struct program *p, const struct program_name *name, struct program_variable *ret,
			     char **ret_note) err_must_check;

/*
 * The type of that name: tag 's' struct, 'u' union, 'e' enum, 0 a typedef or one of C's own ("unsigned int", in any of
 * its spellings). Modules' come last. ERR_NOT_FOUND and *ret_note as above; "void" is none of them.
 */
struct err *program_type(struct program *p, char tag, const char *name, struct ctype *ret, char **ret_note)
	err_must_check;

struct program_symbol {
	const char *name;   /* belongs to the program */
	const char *module; /* NULL: the program itself */
	uint64_t offset;    /* from its start, bytes */
	uint64_t size;      /* of all of it, bytes; 0: not known */
	bool is_function;
};

/* The function or variable that has the address, as linked; labels that linkers put between things are none. The first call reads the symbol table. */
bool program_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret);
/* The same among the modules, for an address in the guest. */
bool program_module_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret);
