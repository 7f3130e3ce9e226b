/*
 * A file that takes long to write, and appears when all of it is there. Until then it has no name, where the file system can do
 * that: so nothing is left of it however the writer ends. Elsewhere it has one beside its place, and is locked; one that
 * nobody holds is removed when the next is made.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

struct draft {
	char *path; /* where it is to be */
	char *name; /* what it is called meanwhile; NULL: it has no name */
	int fd;     /* open for reading and writing */
};

#define DRAFT_INIT                                                                                                     \
	{                                                                                                              \
		NULL, NULL, -1                                                                                         \
	}

/* A new one, of mode 0600. */
struct err *draft_open(const char *path, struct draft *ret) err_must_check;
/* The same where files need a name. */
struct err *draft_open_named(const char *path, struct draft *ret) err_must_check;
/* A path that it can be opened by; the caller frees it. */
char *draft_where(const struct draft *d);

/*
 * Waits until it is on the disk, and puts it in its place. What is there already is replaced, or else ERR_OS with EEXIST. The
 * descriptor stays open.
 */
struct err *draft_publish(struct draft *d, bool replace) err_must_check;

/* Closes it; one that was not published is gone. */
void draft_deinit(struct draft *d);
DEFINE_CLEANUP_STORAGE(struct draft, draft_deinit);
