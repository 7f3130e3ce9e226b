/*
 * A kernel's source as a tarball: what is in it by its digest, and unpacked once for each digest.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/hash.h"

/* By its name: ends in .tar, .xz, .gz, .zst, .bz2 or a short form of these. */
bool tarball_is_named(const char *path);

/*
 * SHA-256 of the file. It is remembered below `cache` for this path, size, time and inode, so that the same file is
 * read only once.
 */
struct err *tarball_hash(const char *path, const char *cache, struct digest *ret) err_must_check;

/* Whether it is unpacked already: then *ret is the tree. The caller frees it. */
bool tarball_is_unpacked(const struct digest *sha256, const char *cache, char **ret);

/*
 * The unpacked tree, which is below `cache`; unpacks it if it isn't there. Either all of it is there or nothing: it is
 * unpacked beside its place and renamed; what a killed run left is removed by the next one. ERR_BAD_DATA if the file is
 * damaged, no tarball, or has no kernel in it. The caller frees *ret.
 */
struct err *tarball_unpack(const char *path, const struct digest *sha256, const char *cache, char **ret) err_must_check;
