/*
 * Runs the kernel's make: shows how far it is, keeps what it says, explains what failed, and leaves no process behind.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/util.h"

struct make {
	const char *tree; /* the kernel's source; not written to */
	const char *out;  /* O=; must exist */
	const char *log;  /* what make says is appended to this file */
	/* Changes of the environment for all runs: "NAME=value" sets, "NAME" removes; NULL at the end. */
	const char *const *env;
	const struct strv *variables; /* NAME=value for make's command line */
	struct progress progress;
	size_t objects_done;  /* counted up while make runs */
	size_t objects_total; /* estimate for the progress line; 0: unknown */
};

/*
 * Runs make with these arguments (targets, -jN). `what` says what for: "configure the kernel".
 *
 * When make fails, the error has the first error of its output and the path of the log. When this process gets SIGINT,
 * SIGTERM or SIGHUP, make is ended so that it can clean up after itself (ERR_CLOSED); when this process dies in
 * whatever way, all of make's processes are killed.
 */
struct err *make_run(struct make *m, const char *what, const struct strv *args) err_must_check;
