/*
 * What a kernel's file for booting says about itself: the header in a bzImage. Pure.
 *
 * Source: Documentation/arch/x86/boot.rst of the kernel, "The Real-Mode Kernel Header".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* So many bytes of the file's beginning hold all that is read here. */
enum { BZIMAGE_HEADER_MAX = 64 * 1024 };

/* Whether it is one at all. */
bool bzimage_is(const void *data, size_t len);

/*
 * The text that the kernel was given at its build: "6.1.0-49-amd64 (builder@host) #1 SMP PREEMPT_DYNAMIC Debian 6.1.174-1
 * (2026-05-27)". ERR_BAD_DATA if it isn't a bzImage, ERR_NOT_FOUND if it has no such text. The caller frees it.
 */
struct err *bzimage_version(const void *data, size_t len, char **ret) err_must_check;

/* The release in such a text, as uname -r says it: what is in front of the first blank. The caller frees it. ERR_BAD_DATA
 * if that can't be one: it becomes a part of paths. */
struct err *bzimage_release(const char *version, char **ret) err_must_check;

/*
 * Whether a kernel's banner ("Linux version 6.1.0 (builder@host) (gcc ...) #1 SMP ...") is that of the same build as this
 * text.
 */
bool bzimage_matches_banner(const char *version, const char *banner);
