/*
 * The build ID that a linker puts into an ELF file: what says whether a program, its debug information and a memory
 * image belong together. Format: NT_GNU_BUILD_ID note, gABI "Note Section", binutils' ld --build-id.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Longer ones, as text, are none. */
enum { BUILD_ID_DIGITS_MAX = 128 };

/* Whether the text is one: lower-case hexadecimal digits. Then it can be the name of a file. */
bool build_id_is_valid(const char *s);

/*
 * The build ID as lower-case hexadecimal digits; the caller frees it. Looks at program headers and, for files that
 * have none (modules), at sections. ERR_NOT_FOUND if there is none, ERR_BAD_DATA if it isn't an ELF file.
 */
struct err *build_id_read(const char *path, char **ret) err_must_check;

/*
 * Where the bytes of the build ID lie when the file is loaded: their virtual address as linked, and how many. Errors as
 * above; modules, which are not linked yet, have none.
 */
struct err *build_id_locate(const char *path, uint64_t *ret_address, uint32_t *ret_size) err_must_check;

/*
 * Where a running kernel has its notes: the physical address and the size of the segment of notes of its vmlinux, as
 * long as it was not moved (KASLR). ERR_NOT_FOUND if the file has none.
 */
struct err *build_id_segment(const char *path, uint64_t *ret_address, size_t *ret_size) err_must_check;

/* The build ID in a copy of such a segment, whatever else it is; NULL if there is none. Pure. The caller frees it. */
char *build_id_find(const void *notes, size_t len);

/* ERR_BAD_DATA, with both build IDs, if the ELF file has another one. */
struct err *build_id_check(const char *path, const char *build_id) err_must_check;
