/*
 * Small programs compiled while a test runs, by the compiler that builds this project.
 */
#pragma once

#include <sys/stat.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/util.h"

/* A folder of its own below the temporary one; the caller frees the name and removes the folder. */
static inline char *make_test_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/ktb-test-XXXXXX", tmp ? tmp : "/tmp");

	if (!mkdtemp(path))
		abort();
	return path;
}

/* Compiles `source` in the folder `cwd` to `out`, with debug information, optimized, for no machine in particular. */
static inline struct err *compile(const char *cwd, const char *source, const char *out)
{
	const char *cc = getenv("CC");
	const char *const argv[] = {
		cc ? cc : "cc", "-g", "-O2", "-nostdlib", "-static", "-Wl,-e,entry", "-o", out, source, NULL,
	};

	return process_run(argv, cwd, NULL, NULL);
}
