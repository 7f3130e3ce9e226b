/*
 * The log of a VM's console: console.log in the run directory. What a full disk keeps out of it is told in it as soon as
 * there is room again.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct console_log {
	int dir_fd; /* the run directory; the caller's */
	int fd;
	size_t size; /* bytes, of the part that is written now */
	size_t size_max;
	size_t missed; /* bytes that could not be written since it went well the last time */
};

#define CONSOLE_LOG_INIT                                                                                               \
	{                                                                                                              \
		-1, -1, 0, 0, 0                                                                                        \
	}

/* One that is longer than size_max bytes is turned over: console.log.1 keeps the older part, and what was there goes. */
struct err *console_log_open(int dir_fd, size_t size_max, struct console_log *ret) err_must_check;
void console_log_deinit(struct console_log *l);

/*
 * Appends. An error is returned when it begins to fail, and not again while it goes on to: then the bytes are counted, and a
 * line in the log says how many are missing, once it can be written.
 */
struct err *console_log_write(struct console_log *l, const char *bytes, size_t len) err_must_check;
