/*
 * The kernel that the configuration asks for.
 */
#pragma once

#include "config/config.h"
#include "initramfs/image.h"
#include "kbuild/kbuild.h"

/* Builds it, unless it is there; shows progress, and says in one line what came out. Errors: kbuild_run(). */
struct err *build_kernel(const struct config *cfg, struct kbuild_result **ret) err_must_check;

/*
 * Its configuration, without building it, and what was asked for. The caller gives *ret_requests back with
 * fragment_set_destroy(). Errors: kbuild_configure().
 */
struct err *build_configuration(const struct config *cfg, struct fragment_set **ret_requests,
				struct kbuild_configuration **ret) err_must_check;

/* How it is with that kernel, without building anything: kbuild_inspect(). */
struct err *build_inspect(const struct config *cfg, struct kbuild_inspection *ret) err_must_check;

/* The guest's image: init, busybox, the kernel's modules, the user's files. *ret is its path; the caller frees it. */
struct err *build_image(const struct config *cfg, const struct manifest *kernel, char **ret) err_must_check;

/* The same with modules from anywhere (NULL: none), and with further files. */
struct err *build_image_with(const struct config *cfg, const char *modules_root, const struct initramfs_extra *extras,
			     size_t extras_n, char **ret) err_must_check;
