/*
 * A kernel's source that is named by its address: downloaded once, kept by its digest.
 */
#pragma once

#include "base/err.h"

/*
 * *ret is where the tarball is kept below `cache` once it was downloaded; the caller frees it. Asks nobody for it.
 * ERR_USAGE without a proper sha256, or for an address that is no tarball's.
 */
struct err *fetch_path(const char *url, const char *sha256, const char *cache, char **ret) err_must_check;

/*
 * Downloads it, with progress, to `path`, which fetch_path() gave, unless it is there: goes on where an earlier try
 * stopped, and checks what came. Until the caller closes *ret_hold nobody who cleans the cache removes it.
 * ERR_BAD_DATA if it is another file, which is removed then; else as download() says.
 */
struct err *fetch_tarball(const char *url, const char *sha256, const char *path, int *ret_hold) err_must_check;

/* The name of the file in an address: what is behind the last slash, without what a '?' or '#' begins. ERR_USAGE if
 * it isn't a tarball's. Pure. The caller frees it. */
struct err *fetch_name(const char *url, char **ret) err_must_check;
