/*
 * Breakpoints as the user names them, checked before GDB starts: a function that doesn't exist is noticed at once and
 * not after minutes of waiting for it, and what books call do_fork is found.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"
#include "debuginfo/symbols.h"

/* What is known about functions of a kernel. */
struct gdb_break_scope {
	const struct symbols *symbols; /* of vmlinux */
	const char *vmlinux;
	const char *build_dir; /* where modules were built; NULL: no modules */
};

struct gdb_break {
	char *where;  /* for GDB's command "break" */
	bool pending; /* may lie in a module that isn't loaded yet */
};

#define GDB_BREAK_INIT                                                                                                 \
	{                                                                                                              \
		NULL, false                                                                                            \
	}

void gdb_break_deinit(struct gdb_break *b);
DEFINE_CLEANUP_STORAGE(struct gdb_break, gdb_break_deinit);

/*
 * Takes what "break" takes, and MODULE:FUNCTION. Where it begins with a function's name, that is looked up in vmlinux,
 * among old names, in modules, and among functions that were inlined everywhere; *ret_note is then something the user
 * should know, or NULL (the caller frees it). All else (FILE:LINE, *ADDRESS, ...) is left to GDB. ERR_NOT_FOUND with
 * near names if there is no such function.
 */
struct err *gdb_break_resolve(const struct gdb_break_scope *scope, const char *where, struct gdb_break *ret,
			      char **ret_note) err_must_check;
