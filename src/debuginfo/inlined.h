/*
 * Functions of which the compiler left no copy: they have no symbol, but debug information knows each place into which
 * they went, and a debugger can stop there.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * Whether debug information of the ELF file describes a function of that name. Looks at every compile unit, a second or
 * so on a large vmlinux: ask the symbol table first. ERR_BAD_DATA if there is no debug information to read.
 */
struct err *inlined_find(const char *path, const char *name, bool *ret) err_must_check;
