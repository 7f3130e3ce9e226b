/*
 * Where a kernel's source and build folder were when it was compiled, as its debug information has it. Debuggers look
 * for sources there; where a tree has moved since, they must be told.
 */
#pragma once

#include "base/err.h"
#include "debuginfo/dwarf_file.h"

/*
 * *ret_build is the folder the compiler ran in (DW_AT_comp_dir). *ret_source is the source tree, found by the name of
 * init/main.c, which every kernel has; the same as *ret_build where names are relative to it. Neither ends with
 * a slash; the caller frees both. ERR_BAD_DATA if there is no debug information, ERR_NOT_FOUND if it says
 * nothing about them.
 */
struct err *source_paths_read(const char *path, char **ret_build, char **ret_source) err_must_check;

/* The source tree alone, which is known even where the build folder was kept out. NULL: not known. The caller frees it. */
char *source_tree_find(const struct dwarf_file *f);

/* An absolute path with "." and ".." taken away as text: what it leads to may not exist here. The caller frees it. */
char *source_path_normalize(const char *path);
