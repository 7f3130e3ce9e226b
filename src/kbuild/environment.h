/*
 * The environment in which the kernel is built: what the user's shell, an outer make or a packaging tool left in ours
 * must not change the kernel.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"
#include "kbuild/toolchain.h"

/*
 * Adds changes of the environment for process_spawn(), and variables for make's command line. `folder` is the build's
 * own; with ccache, links to it are put into its folder "bin".
 */
struct err *environment_prepare(const struct toolchain *t, const char *folder, const char *out, struct strv *env,
				struct strv *variables) err_must_check;
