/*
 * A kernel's source tree: is it one, can it be built without writing to it, and has it changed.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/hash.h"

/* ERR_USAGE unless the folder is a kernel tree that can be read. */
struct err *tree_check(const char *path) err_must_check;

/* ERR_USAGE if make can't take the path: it has spaces or colons. */
struct err *tree_check_name(const char *path) err_must_check;

/* ERR_USAGE if a kernel was built inside the tree: Kbuild then refuses to build elsewhere. */
struct err *tree_check_clean(const char *path) err_must_check;

/*
 * A digest that changes when a file of the tree does. For a git checkout: the commit, what `git status` says, and size
 * and time of each file that it names; what git ignores doesn't count. For any other tree: name, size, time and inode
 * of each file. Writes nothing, not even git's index.
 */
struct err *tree_state(const char *path, struct digest *ret) err_must_check;

/*
 * Steps through the output of `git status --porcelain=v2 -z`: the path of the next entry, or NULL at the end. The data
 * must have a NUL behind its last byte. Source: git-status(1), "Porcelain Format Version 2".
 */
const char *git_status_next(const char *data, size_t len, size_t *offset);
