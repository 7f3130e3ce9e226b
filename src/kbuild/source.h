/*
 * Where a kernel's source comes from: the distribution's package, a tarball, or a tree. The source itself is never
 * written to.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/hash.h"

enum source_kind {
	SOURCE_TARBALL,
	SOURCE_TREE,
};

struct source {
	enum source_kind kind;
	char *path;           /* of the tarball, or the tree; absolute, without links */
	char *url;            /* where source_prepare() gets the tarball from if it isn't there; NULL: it is */
	struct digest sha256; /* of the tarball */
	char *tree;           /* folder to build from; of a tarball NULL until source_prepare() */
};

#define SOURCE_INIT                                                                                                    \
	{                                                                                                              \
		.kind = SOURCE_TREE                                                                                    \
	}

void source_deinit(struct source *s);
DEFINE_CLEANUP_STORAGE(struct source, source_deinit);

/* "tarball" or "tree". Static. */
const char *source_kind_name(enum source_kind kind);

/*
 * Finds and identifies the source. A path of NULL stands for the distribution's newest linux-source package. One that is
 * an address is known by its digest, and nothing is downloaded. sha256: what the tarball's digest must be, or NULL. `cache`
 * is where a tarball's digest is remembered. ERR_USAGE for what is no kernel's source, ERR_BAD_DATA for a wrong digest,
 * ERR_PREREQ if there is no package.
 */
struct err *source_find(const char *path, const char *sha256, const char *cache, struct source *ret) err_must_check;

/* Whether source_prepare() has to download it first. */
bool source_is_missing(const struct source *s, const char *cache);

/*
 * Makes the source ready to be built from: downloads (kbuild/fetch.h) and unpacks a tarball, unless that was done before;
 * makes sure that a tree can be built elsewhere.
 */
struct err *source_prepare(struct source *s, const char *cache) err_must_check;

/* A digest that changes whenever the source does. */
struct err *source_state(const struct source *s, struct digest *ret) err_must_check;

/* The linux-source-X.Y tarball of the highest version in the folder; ERR_NOT_FOUND. The caller frees it. */
struct err *source_newest_package(const char *folder, char **ret) err_must_check;
