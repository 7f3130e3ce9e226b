/*
 * The compiler that builds a kernel, and whatever else Kbuild needs on the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct toolchain {
	char *cc;         /* as it was asked for */
	char *cc_path;    /* resolved */
	char *cc_version; /* first line of --version */
	char *ld_version;
	uint64_t cc_size;
	uint64_t cc_mtime_ns;
	char *ccache; /* path of ccache, NULL: none */
};

#define TOOLCHAIN_INIT                                                                                                 \
	{                                                                                                              \
		.cc = NULL                                                                                             \
	}

void toolchain_deinit(struct toolchain *t);
DEFINE_CLEANUP_STORAGE(struct toolchain, toolchain_deinit);

/*
 * Finds and identifies the compiler. ERR_PREREQ if it isn't there or doesn't run. What it and the linker said of themselves is
 * remembered in the cache (version.h; NULL: they are asked).
 */
struct err *toolchain_find(const char *cc, bool use_ccache, const char *cache, struct toolchain *ret) err_must_check;

/* Adds to the hash what makes a difference to the kernel: compiler and linker, not ccache. */
void toolchain_hash(const struct toolchain *t, struct hash *h);

/* ERR_PREREQ that names all programs and headers that a build needs and that are not installed. */
struct err *toolchain_check(void) err_must_check;

/* The same for what only some configurations need; `config` is the text of a .config. */
struct err *toolchain_check_config(const char *config) err_must_check;

/* The same for what `make menuconfig` needs besides. */
struct err *toolchain_check_menuconfig(void) err_must_check;
