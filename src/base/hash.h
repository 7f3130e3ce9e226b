/*
 * SHA-256, by libcrypto. The library is loaded at the first use: most commands need no hash, and loading it takes
 * longer than all the rest of their start (docs/architecture.md).
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* A digest as 64 lower-case hexadecimal digits and a NUL. */
struct digest {
	char hex[65];
};

struct hash;

/* ERR_PREREQ if libcrypto can't be loaded. */
struct err *hash_create(struct hash **ret) err_must_check;
void hash_destroy(struct hash *h);
DEFINE_CLEANUP(struct hash *, hash_destroy);

void hash_update(struct hash *h, const void *data, size_t len);
/* A string with its terminating NUL, so that "ab","c" and "a","bc" differ. NULL counts as one NUL. */
void hash_string(struct hash *h, const char *s);
/* The digest of all that was added. Call once. */
void hash_final(struct hash *h, struct digest *ret);

/* The digest of a whole file; progress, if not NULL, is called with the bytes done so far now and then. */
struct err *hash_file(const char *path, void (*progress)(size_t done, void *data), void *data, struct digest *ret)
	err_must_check;
