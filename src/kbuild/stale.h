/*
 * Which objects make will make anew, because a file that they were made from has changed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stale;

/* `out` is the build's folder: names of files that are not absolute are relative to it. NULL if it can't be opened. */
struct stale *stale_create(const char *out);
void stale_destroy(struct stale *s);

/*
 * Whether the object that `cmd`, a file .NAME.cmd in the folder `dirfd`, belongs to is older than one of its files, or
 * one of them is gone. What else has make work (another command, an object that an archive has in it) is not looked at.
 */
bool stale_object(struct stale *s, int dirfd, const char *cmd);

/*
 * The next file that a .NAME.cmd names, as scripts/basic/fixdep.c of the kernel writes it: "source_NAME := FILE", then
 * "deps_NAME := \" and a line for each further one. *text is moved on; false at its end. Options of the configuration
 * ("$(wildcard ...)") are left out. Pure.
 */
bool stale_next_file(const char **text, const char **ret, size_t *ret_len);
