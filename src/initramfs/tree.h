/*
 * What is to be in an image: a list of members, some with content of their own, some with that of a file of the host.
 * Members come in layers; where two have the same name, the one of the higher layer (in the same, the later one) is in
 * the image. Folders of the same name become one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/hash.h"

enum tree_layer {
	TREE_IMPLIED, /* folders that are there because something is in them */
	TREE_BASE,
	TREE_USER,
	TREE_FIXED, /* what no other member may replace */
};

struct tree_member {
	char *name;   /* path in the guest without the leading slash */
	mode_t mode;  /* type and permissions */
	char *source; /* file of the host that has the content, or NULL */
	char *text;   /* content if there is no source; target of a symbolic link */
	dev_t device;
	struct stat host; /* of what it was made from; all zero if from nothing */
	enum tree_layer layer;
	size_t order;
};

struct tree {
	struct tree_member *members;
	size_t n, cap;
};

#define TREE_INIT                                                                                                      \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

void tree_deinit(struct tree *t);
DEFINE_CLEANUP_STORAGE(struct tree, tree_deinit);

/* Single members. The folders above them need not be added. */
void tree_add_folder(struct tree *t, enum tree_layer layer, const char *name, mode_t mode);
void tree_add_text(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, const char *text);
void tree_add_symlink(struct tree *t, enum tree_layer layer, const char *name, const char *target);
void tree_add_device(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, dev_t device);
/* A regular file of the host, with permissions of our choice. ERR_NOT_FOUND; ERR_BAD_DATA if it is something else. */
struct err *tree_add_file(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, const char *source)
	err_must_check;

/* Says which things of a folder are left out; depth 0 is what lies directly in it. */
typedef bool (*tree_filter)(const char *name, const struct stat *st, int depth);

/*
 * A file or folder of the host with all that is in it, permissions as they are, symbolic links as they are, but source
 * itself may be a link to what is meant. Sockets and pipes are left out with a warning. name "" is the root: source
 * must be a folder then. filter may be NULL.
 *
 * ERR_NOT_FOUND if there is no source; ERR_OS if a folder can't be read; ERR_USAGE if it is too deep, or too much.
 */
struct err *tree_add_host(struct tree *t, enum tree_layer layer, const char *name, const char *source,
			  tree_filter filter) err_must_check;

/*
 * Adds to the hash what the image depends on: names, texts, and for content of the host's path, size, times, mode and
 * inode. Sorts the members. *ret_newest_ns is the time (since 1970) of the youngest change of a file of the host.
 */
void tree_hash(struct tree *t, struct hash *h, uint64_t *ret_newest_ns);

/*
 * Brings the members into the order of an archive, each folder before what is in it, and leaves one of each name.
 * ERR_USAGE if a name is both a folder and something else, or if a fixed member would be replaced.
 */
struct err *tree_finish(struct tree *t) err_must_check;
