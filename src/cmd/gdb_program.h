/*
 * The GDB of this machine: what it can do, and the index of a vmlinux that spares it most of its start.
 *
 * GDB reads all debug information of a vmlinux before its first prompt, seconds for a large one. From an index it needs
 * a tenth of that. It would write one itself ("set index-cache enabled on"), but makes the user wait for it, or, where
 * it works in the background (since GDB 14), may end before it is written. So the index is made by a GDB of its own,
 * beside the user's first session.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct gdb_program {
	char *path;
	unsigned int major; /* 13 of GDB 13.1 */
	bool python;        /* built with Python: the kernel's scripts work */
};

#define GDB_PROGRAM_INIT                                                                                               \
	{                                                                                                              \
		NULL, 0, false                                                                                         \
	}

/*
 * Finds the program and asks it; the answer is kept in the cache folder as long as the program is the same. ERR_PREREQ
 * if it isn't installed.
 */
struct err *gdb_program_find(const char *name, struct gdb_program *ret) err_must_check;
void gdb_program_deinit(struct gdb_program *p);
DEFINE_CLEANUP_STORAGE(struct gdb_program, gdb_program_deinit);

/* Reads what `gdb -ex 'show version' -ex 'show configuration'` prints; sets all but path. Pure. */
struct err *gdb_program_parse(const char *text, struct gdb_program *p) err_must_check;

/* The folder that GDB is told to find indexes in. The caller frees it. */
struct err *gdb_index_dir(char **ret) err_must_check;

/* Whether there is an index for the file with this build ID; marks it as used. */
bool gdb_index_exists(const char *dir, const char *build_id);

/*
 * Starts to make one: by a process of its own, at low priority, which ends by itself and for which nobody need wait. If
 * one is at it already, or it fails, GDB just starts as slowly as without.
 */
struct err *gdb_index_start(const struct gdb_program *p, const char *vmlinux, const char *dir, const char *build_id)
	err_must_check;
