/*
 * Makes a kernel's .config out of what was asked for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/hash.h"
#include "kbuild/fragment.h"
#include "kbuild/make.h"

struct configuration {
	const char *base; /* "tiny", "defconfig", or the path of a configuration file */
	const struct fragment_set *requests;
	bool allow_dropped;
	bool silent; /* say nothing of what was dropped or gave way */
};

/* A digest of what is asked for: the base, its content if it is a file, and all requests. */
struct err *configuration_hash(const struct configuration *c, struct digest *ret) err_must_check;

/*
 * Configures the kernel in make's folder, and makes sure that it took what was asked for: ERR_USAGE that explains what
 * it didn't, or with allow_dropped a warning, and their number in *ret_dropped. Does nothing if the file `stamp` says
 * that all of this was done for the same request, and neither .config nor the kernel's Kconfig files changed since.
 */
struct err *configure(struct make *m, const struct configuration *c, const struct digest *wanted, const char *stamp,
		      size_t *ret_dropped) err_must_check;

/* Whether configure() would find nothing to do. Of make only the folders are looked at. */
bool configuration_is_current(const struct make *m, const struct configuration *c, const struct digest *wanted,
			      const char *stamp);

/* The text of the .config in the folder. */
struct err *configuration_read(const char *out, struct buf *ret) err_must_check;

/* Whether an option is y in the text of a .config. */
bool configuration_has(const char *config, const char *name);

/* How often its clock ticks in a second (CONFIG_HZ); 0 if that isn't in the text of a .config. */
unsigned int configuration_hz(const char *config);

/* Number of options that are y or m in the text of a .config. */
size_t configuration_count_options(const char *config);

/*
 * Steps through the Kconfig files that auto.conf.cmd names ("deps_config := \", one in each line), which Kconfig
 * writes: the next path, of *ret_len bytes, or NULL. Pure.
 */
const char *configuration_next_input(const char *data, size_t len, size_t *offset, size_t *ret_len);
