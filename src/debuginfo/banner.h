/*
 * A vmlinux's banner: "Linux version 6.1.0 (builder@host) (gcc ...) #1 SMP ...", which says which build it is.
 */
#pragma once

#include "base/err.h"

/*
 * The caller frees it. *ret is NULL if the file doesn't have it, as one with nothing but debug information. ERR_BAD_DATA if
 * it isn't an ELF file.
 */
struct err *banner_read(const char *path, char **ret) err_must_check;
