/*
 * `ktb config edit`: what a person changes in the kernel's menuconfig becomes a fragment.
 */
#pragma once

#include "config/config.h"
#include "kbuild/fragment.h"
#include "kbuild/kconfig_expr.h"

/* `file`: the fragment; NULL: kernel.config in the project's folder. */
struct err *config_edit(const struct config *cfg, const char *file) err_must_check;

/*
 * Adds to *ret, as lines of a fragment, what a person must have changed between two texts of a .config: not what follows
 * from that by itself. v: the new one, with its Kconfig files. Their names go to *ret_names. Pure.
 */
struct err *config_edit_changes(const struct dotconfig *old, const struct buf *new, const struct kconfig_values *v,
				struct buf *ret, struct strv *ret_names) err_must_check;

/* Adds a fragment's text without the lines about the options of these names. Pure. ERR_BAD_DATA for what is none. */
struct err *config_edit_keep(const char *file, const char *data, size_t len, const struct strv *names, struct buf *ret)
	err_must_check;
