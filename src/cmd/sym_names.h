/*
 * The symbols of a kernel and of its modules, by name and by address as they are in the guest.
 */
#pragma once

#include "cmd/module_files.h"
#include "debuginfo/symbols.h"
#include "kernel/address.h"

/* What a name stands for: addresses in the guest; of a per-CPU variable, one for each CPU. */
struct sym_targets {
	uint64_t *addresses;
	size_t n;
};

void sym_targets_deinit(struct sym_targets *t);
DEFINE_CLEANUP_STORAGE(struct sym_targets, sym_targets_deinit);

struct sym_names;

/* map and in must live as long. Errors are those of symbols_open(). */
struct err *sym_names_open(const struct inspect *in, const struct address_map *map, const struct module_files *files,
			   struct sym_names **ret) err_must_check;
void sym_names_destroy(struct sym_names *n);
DEFINE_CLEANUP(struct sym_names *, sym_names_destroy);

/* All that has the name, or is a clone of it. module: of which; "": any. */
void sym_names_find(struct sym_names *n, const char *name, const char *module, struct sym_targets *ret);

/* Adds names like this one. */
void sym_names_near(const struct sym_names *n, const char *name, struct strv *ret);

/*
 * The variable or function that an address is in, and the section. Strings live as long as n; NULL: none is known. *ret_symbol's
 * address is one in the guest.
 */
bool sym_names_at(struct sym_names *n, const struct address *a, uint64_t address, struct symbols_place *ret_symbol,
		  const char **ret_section);
