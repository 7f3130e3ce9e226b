/*
 * The guest's userland: busybox, one static program under many names.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

/* Path of the busybox on $PATH. ERR_PREREQ, with the package to install, if there is none. The caller frees it. */
struct err *busybox_find(char **ret) err_must_check;

/* ERR_PREREQ unless the program at path is an x86-64 one that runs without a loader and libraries. */
struct err *busybox_check(const char *path) err_must_check;

/*
 * Asks the busybox at path for its applets, and adds their paths without leading slash ("bin/ls") to applets; not
 * busybox itself, and nothing directly in the root.
 */
struct err *busybox_applets(const char *path, struct strv *applets) err_must_check;
