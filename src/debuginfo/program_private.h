/*
 * What program.c and program_find.c share. Nobody else includes this.
 */
#pragma once

#include "debuginfo/dwarf_file.h"
#include "debuginfo/program.h"
#include "debuginfo/symbols.h"

/* The program itself, or a module. */
struct program_object {
	char *module; /* NULL: the program itself */
	char *path;   /* NULL: not known */
	struct dwarf_file file;
	struct names *names; /* NULL: not open */
	struct symbols *symbols;
	bool symbols_tried, tried;
	/* Of a module. */
	struct section_place *places;
	size_t places_n;
	uint64_t percpu, percpu_size;
};

struct program {
	struct program_object own;
	struct program_object *modules;
	size_t modules_n;
	program_modules_callback callback; /* NULL: it was called, or there is none */
	void *user;
	struct ctype_source source;
};

/* The modules, made known by the callback if they aren't yet. */
void program_list_modules(struct program *p);
/* Its symbol table; NULL: it can't be read. */
struct symbols *program_object_symbols(struct program_object *o);
/* Debug information of a module. False: there is none. */
bool program_object_open(struct program_object *o);

/*
 * What an entry leads to. An index is kept in a file, and that may be damaged: what is there must have that name and
 * be of that kind.
 */
bool program_follow(const struct program_object *o, const struct name_entry *entry, const char *name, Dwarf_Die *ret);
