/*
 * modules.dep: which module needs which others. Pure.
 *
 * Source: depmod(8), modules.dep(5). A line is "PATH: PATH PATH"; what stands last is to be loaded first.
 */
#pragma once

#include <stdbool.h>

#include "base/util.h"

/* A module's name in a path: "kernel/fs/9p/9p.ko.xz" is 9p; '-' is the same as '_'. */
bool module_is_named(const char *path, const char *name);

/*
 * Adds the paths of the module and of all that it needs, in the order in which they are loaded, unless they are in the
 * list already. False if modules.dep doesn't know the module.
 */
bool module_deps_add(const char *modules_dep, const char *name, struct strv *paths);
