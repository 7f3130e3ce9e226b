/*
 * From a kernel's source to a kernel: what was asked for is built once and kept, in a folder of the cache that is named
 * after all that went into it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "kbuild/fragment.h"
#include "kbuild/manifest.h"

struct kbuild_params {
	const char *source; /* tree or tarball; NULL: the distribution's newest package */
	const char *sha256; /* that the tarball must have; NULL: any */
	const char *base;   /* "tiny", "defconfig", or a configuration file */
	const struct fragment_set *requests;
	const char *cc;
	bool ccache;       /* use it where it is installed */
	unsigned int jobs; /* 0: one for each CPU */
	bool allow_dropped;
	const char *cache; /* folder for all that is kept */
};

struct kbuild_result {
	struct manifest kernel;
	bool built;           /* now; false: it was there */
	uint64_t duration_ns; /* that building took now */
};

void kbuild_result_destroy(struct kbuild_result *r);
DEFINE_CLEANUP(struct kbuild_result *, kbuild_result_destroy);

/*
 * Builds the kernel, unless it is there already. Shows progress. ERR_PREREQ if tools are missing, ERR_USAGE if source
 * or configuration can't be what was asked for, ERR_CLOSED if a signal came meanwhile; else what failed first, and
 * where the log is.
 */
struct err *kbuild_run(const struct kbuild_params *p, struct kbuild_result **ret) err_must_check;
