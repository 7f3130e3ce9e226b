/*
 * Which file on the host a loaded module came from. A kernel that was built here has its modules, with debug information, in
 * its build folder, and those out of the tree are in the cache; of another kernel's they are where --modules says, where
 * the VM got them from, or where its package puts them. The folders of gdb.modules are looked through in any case. Several
 * files can have a module's name: the build ID decides.
 */
#pragma once

#include "cmd/inspect.h"
#include "kernel/module.h"

enum module_file_state {
	MODULE_FILE_NONE,    /* there is no such file */
	MODULE_FILE_SAME,    /* the one that was loaded */
	MODULE_FILE_OTHER,   /* one of that name, but built again since, or another one */
	MODULE_FILE_UNKNOWN, /* one of that name; its build ID or the module's can't be read */
};

struct module_file {
	enum module_file_state state;
	char *path;     /* NULL: none */
	char *build_id; /* of the file; NULL: none */
};

void module_file_deinit(struct module_file *f);
DEFINE_CLEANUP_STORAGE(struct module_file, module_file_deinit);

struct module_files;

/* Where modules can be; each may be NULL. */
struct module_folders {
	const struct vm_record *vm;
	const char *vmlinux;
	const char *release;      /* of the kernel */
	const struct strv *named; /* folders that the user has named: these come first */
};

/* Looks there. */
struct module_files *module_files_search(const struct module_folders *where);

/* Looks where modules can be. ERR_NOT_FOUND if --modules names no folder. */
struct err *module_files_open(const struct config *cfg, const struct inspect *in, struct module_files **ret)
	err_must_check;
void module_files_destroy(struct module_files *files);
DEFINE_CLEANUP(struct module_files *, module_files_destroy);

/* The file of a module, as far as it can be found. */
void module_files_find(const struct module_files *files, const struct module *m, struct module_file *ret);

/* Makes modules known to what names code: their files, unless they are others than those that were loaded. */
void module_files_add(const struct module_files *files, const struct module_list *list, struct symbolizer *s);

/*
 * Reads the list of modules, and looks where their files can be. A list that can't be read is no error, but said as a warning:
 * the kernel's own code has names all the same.
 */
struct err *module_files_read(const struct config *cfg, const struct inspect *in, struct module_list *ret_list,
			      struct module_files **ret_files) err_must_check;

/* Both, for those who go on whatever is missing: that is said as a warning. *ret_list may be NULL. */
void module_files_add_all(const struct config *cfg, const struct inspect *in, struct symbolizer *s,
			  struct module_list *ret_list);
