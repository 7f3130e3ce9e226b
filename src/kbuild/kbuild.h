/*
 * From a kernel's source to a kernel: what was asked for is built once and kept, in a folder of the cache that is named
 * after all that went into it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"
#include "kbuild/fragment.h"
#include "kbuild/manifest.h"
#include "kbuild/toolchain.h"

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

/*
 * That a kernel is in use: shared locks on its folder in the cache and, of a tarball, on the unpacked source. Whoever
 * cleans the cache leaves alone what others hold. They pass on to forks, and end with the last of them.
 */
struct kbuild_hold {
	int build_fd, source_fd;
};

#define KBUILD_HOLD_INIT                                                                                               \
	{                                                                                                              \
		-1, -1                                                                                                 \
	}

void kbuild_hold_deinit(struct kbuild_hold *h);
/* Hands it on. */
struct kbuild_hold kbuild_hold_steal(struct kbuild_hold *h);

struct kbuild_result {
	struct manifest kernel;
	struct kbuild_hold hold;
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

/* A kernel's configuration as it came out, before the kernel is built or after. */
struct kbuild_configuration {
	struct kbuild_hold hold;
	char *tree; /* the source */
	char *out;  /* its .config is there */
	struct toolchain toolchain;
};

void kbuild_configuration_destroy(struct kbuild_configuration *c);
DEFINE_CLEANUP(struct kbuild_configuration *, kbuild_configuration_destroy);

/*
 * Configures the kernel as kbuild_run() would, unless that is done already, and builds nothing. That options were dropped
 * is no error here. The errors of kbuild_run().
 */
struct err *kbuild_configure(const struct kbuild_params *p, struct kbuild_configuration **ret) err_must_check;

/* Where in the cache `struct kbuild_hold` locks: the caller frees it. ID is a folder's name in source/. */
char *kbuild_build_lock(const char *folder);
char *kbuild_source_lock(const char *cache, const char *id);

/* What is there of the kernel that kbuild_run() would return, for somebody who wants to know why it isn't there. */
struct kbuild_inspection {
	bool to_download;       /* its source isn't there: kbuild_run() would download it */
	bool begun;             /* it was configured at some time */
	bool complete;          /* kbuild_run() would find it */
	char *wrong;            /* not complete, though it once was: why; else NULL */
	struct manifest kernel; /* if complete */
	size_t asked;           /* options that are asked for */
	struct strv unmet;      /* those that .config has otherwise, as NAME=value; if complete */
};

void kbuild_inspection_deinit(struct kbuild_inspection *i);
DEFINE_CLEANUP_STORAGE(struct kbuild_inspection, kbuild_inspection_deinit);

/* Builds nothing, downloads nothing, changes nothing. Errors: those of kbuild_run() about source, compiler and requests. */
struct err *kbuild_inspect(const struct kbuild_params *p, struct kbuild_inspection *ret) err_must_check;
