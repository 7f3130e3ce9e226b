/*
 * Programs that ktb starts, and the packages that have them.
 */
#pragma once

#include "base/err.h"

/* Debian's name of the package that has the program; NULL if that is not known. Static. */
const char *program_package(const char *program);

/* How to get it: "install the package tmux: apt-get install tmux". The caller frees it. */
char *program_remedy(const char *program);

/* Absolute path of a program; ERR_PREREQ that names its package. The caller frees it. */
struct err *program_require(const char *name, char **ret) err_must_check;
