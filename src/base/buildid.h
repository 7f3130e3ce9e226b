/*
 * The build ID that a linker puts into an ELF file: what says whether a program, its debug information and a memory
 * image belong together. Format: NT_GNU_BUILD_ID note, gABI "Note Section", binutils' ld --build-id.
 */
#pragma once

#include "base/err.h"

/*
 * The build ID as lower-case hexadecimal digits; the caller frees it. Looks at program headers and, for files that
 * have none (modules), at sections. ERR_NOT_FOUND if there is none, ERR_BAD_DATA if it isn't an ELF file.
 */
struct err *build_id_read(const char *path, char **ret) err_must_check;
