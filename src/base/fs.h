/*
 * Files and folders: read whole, written atomically, locked, removed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Reads a whole file, at most max bytes (more is ERR_BAD_DATA), and appends it to b. */
struct err *read_file(const char *path, size_t max, struct buf *b) err_must_check;
/* The same below a folder's descriptor; `name` is used for messages. */
struct err *read_fd(int fd, const char *name, size_t max, struct buf *b) err_must_check;

/*
 * Writes a file so that at any moment, a crash included, either the old or the whole new content is there: a
 * temporary file beside it, fsync, rename.
 */
struct err *write_file_atomic(const char *path, const void *data, size_t len, mode_t mode) err_must_check;

/*
 * A new file beside path, of mode 0600, to be written bit by bit: *ret_fd, which the caller closes, and its name, which the
 * caller frees. When all is in it temporary_publish() gives it path's name; until then nothing is at path. One that is given up
 * is unlinked by the caller.
 */
struct err *temporary_create(const char *path, char **ret_name, int *ret_fd) err_must_check;
/* Waits until it is on the disk. What is at path already is replaced, or else ERR_OS with EEXIST. */
struct err *temporary_publish(const char *name, int fd, const char *path, bool replace) err_must_check;

/* Whether that is what such a file's name has behind the path. */
bool is_temporary(const char *suffix);

/* Removes the temporary files in a folder that killed writers left behind. Call it where nobody else writes. */
void sweep_temporary_files(const char *folder);

/* The same, but what is there already, be it a link that leads nowhere, is not touched: ERR_OS with EEXIST. */
struct err *write_file_new(const char *path, const void *data, size_t len, mode_t mode) err_must_check;

/* Writes all of it to a descriptor, however many calls that takes. */
struct err *write_all(int fd, const void *data, size_t len) err_must_check;

/* The folder and those above it that don't exist yet. One that exists is fine. */
struct err *mkdir_parents(const char *path, mode_t mode) err_must_check;

/* A file or folder with all that is in it; follows no link. One that isn't there is fine. */
struct err *remove_tree(const char *path) err_must_check;

/*
 * The folder `name` below the folder `parent` (AT_FDCWD: the working folder), to be read; the caller closes it. flags:
 * O_NOFOLLOW or 0. NULL, with errno set, if that failed.
 */
DIR *open_folder_at(int parent, const char *name, int flags);

bool file_exists(const char *path);
bool is_directory(const char *path);

/* Absolute form of path, which need not exist: relative ones are taken from `base` (NULL: the working folder), and a
 * leading "~/" from $HOME. The caller frees it. */
char *path_absolute(const char *path, const char *base);

/* Absolute path of a program found on $PATH (or named by a path), or NULL. The caller frees it. */
char *find_program(const char *name);

/*
 * Takes an exclusive lock (flock) on the file at path, which is created if need be, and returns its descriptor;
 * closing it gives the lock up, and so does the death of the process. If another process holds it: calls `waiting`
 * once (may be NULL) and waits. With nonblock: ERR_OS with EWOULDBLOCK instead. A file that was removed while we waited
 * is no lock any more: then the one at path now is taken, and if its folder went too, that is ERR_OS with ENOENT.
 */
struct err *lock_file(const char *path, bool nonblock, void (*waiting)(void *data), void *data, int *ret)
	err_must_check;

/* The same shared with others who hold it so, as a sign that something is in use. Waits. */
struct err *lock_file_shared(const char *path, int *ret) err_must_check;

/* The same on a file that must be there: ERR_OS with ENOENT if it isn't, or went before we had it. */
struct err *hold_file(const char *path, int *ret) err_must_check;
