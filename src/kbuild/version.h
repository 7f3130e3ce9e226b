/*
 * What a program says that it is. To ask compiler and linker takes 20 ms, which every start of a VM would wait for.
 */
#pragma once

#include "base/err.h"

/*
 * The first line of `PROGRAM --version`. It is remembered in the cache (NULL: it isn't) until another file is at that path.
 * ERR_PREREQ if the program doesn't run. The caller frees *ret.
 */
struct err *program_version(const char *program, const char *cache, char **ret) err_must_check;
