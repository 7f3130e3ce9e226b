/*
 * Cleanup attributes: whoever owns something says so where it is declared.
 *
 *	_cleanup_(free) char *path = NULL;
 *	_cleanup_(close) int fd = -1;
 *
 * `_cleanup_(f)` calls `fp(&variable)` when the variable leaves its scope. A type of our own gets one by
 * DEFINE_CLEANUP(struct thing *, thing_destroy), where thing_destroy(NULL) does nothing.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "unused": some are only there to be held, such as a lock. */
#define _cleanup_(f) __attribute__((cleanup(f##p), unused))

#define DEFINE_CLEANUP(type, func)                                                                                     \
	static inline void func##p(type *p)                                                                            \
	{                                                                                                              \
		if (*p)                                                                                                \
			func(*p);                                                                                      \
	}                                                                                                              \
	struct cleanup_semicolon_##func

/* The same for storage that the caller owns: `_cleanup_(buf_deinit) struct buf b = BUF_INIT;` */
#define DEFINE_CLEANUP_STORAGE(type, func)                                                                             \
	static inline void func##p(type *p)                                                                            \
	{                                                                                                              \
		func(p);                                                                                               \
	}                                                                                                              \
	struct cleanup_semicolon_##func

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

DEFINE_CLEANUP(FILE *, fclose);
DEFINE_CLEANUP(DIR *, closedir);

/* Hands ownership on: evaluates to *p and leaves NULL behind. */
#define steal(p)                                                                                                       \
	({                                                                                                             \
		__typeof__(*(p)) stolen_ = *(p);                                                                       \
		*(p) = NULL;                                                                                           \
		stolen_;                                                                                               \
	})

/* The same for a file descriptor, which leaves -1 behind. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}
