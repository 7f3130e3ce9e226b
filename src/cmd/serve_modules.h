/*
 * The files of modules, for a debugger's server process: found among those that were there when it last looked, which it does
 * anew for a module that isn't among them. So what is built while the VM runs is found too.
 */
#pragma once

#include "cmd/module_files.h"

struct serve_modules;

/* named: the folders of gdb.modules. Both must outlive it. */
struct serve_modules *serve_modules_create(const struct vm_record *vm, const struct strv *named);
void serve_modules_destroy(struct serve_modules *s);
DEFINE_CLEANUP(struct serve_modules *, serve_modules_destroy);

/*
 * As struct linux_params has it. A compressed file is unpacked for the debugger; ERR_UNSUPPORTED if it can't be, ERR_BAD_DATA if
 * it is damaged.
 */
struct err *serve_modules_find(struct serve_modules *s, const struct module *m, char **ret, bool *ret_stale)
	err_must_check;
