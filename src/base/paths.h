/*
 * Where this program keeps and finds things. All results belong to the caller.
 */
#pragma once

#include "base/err.h"

/* $XDG_CACHE_HOME/ktb, or ~/.cache/ktb. The folder need not exist. ERR_PREREQ without a home. */
struct err *cache_dir(char **ret) err_must_check;

/*
 * The folder with the built-in Kconfig fragments, and the guest's init: beside the program where it was built; where it
 * was installed, PREFIX/share/ktb and PREFIX/libexec/ktb, wherever PREFIX has gone since; or else in the folders that
 * the build was configured for. ERR_PREREQ if they are in none of these places.
 */
struct err *fragments_dir(char **ret) err_must_check;
struct err *guest_init_path(char **ret) err_must_check;

/* This program itself. */
struct err *own_program(char **ret) err_must_check;
