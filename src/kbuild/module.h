/*
 * Modules out of the kernel's tree, built against a kernel of ours.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

struct module_params {
	const char *folder; /* with a Kbuild or Makefile; not written to */
	const char *tree;   /* the kernel's source */
	const char *out;    /* its output folder, with Module.symvers */
	const char *cc;
	bool ccache;
	unsigned int jobs; /* 0: one for each CPU */
	const char *cache; /* folder for all that is kept */
};

/*
 * Builds the modules of the folder, in a folder of the cache that is kept for the next time. *ret gets their paths. ERR_USAGE
 * if there is nothing to build, or no kernel to build it against; else as make_run(), with the paths of the folder.
 */
struct err *module_build(const struct module_params *p, struct strv *ret) err_must_check;
