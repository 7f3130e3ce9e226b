/*
 * A kernel's source that is named by its address: downloaded once, kept by its digest.
 */
#pragma once

#include "base/err.h"

/*
 * *ret is the path of the tarball below `cache`; the caller frees it. Downloads it, with progress, unless it is there:
 * goes on where an earlier try stopped, and checks what came. ERR_USAGE without a proper sha256, or for an address that
 * is no tarball's; ERR_BAD_DATA if it is another file, which is removed then; else as download() says.
 */
struct err *fetch_tarball(const char *url, const char *sha256, const char *cache, char **ret) err_must_check;

/* The name of the file in an address: what is behind the last slash, without what a '?' or '#' begins. ERR_USAGE if
 * it isn't a tarball's. Pure. The caller frees it. */
struct err *fetch_name(const char *url, char **ret) err_must_check;
