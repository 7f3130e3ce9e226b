/*
 * Small things that all of init uses.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* As in the rest of the project: `_cleanup_(close) int fd = -1;` */
#define _cleanup_(f) __attribute__((cleanup(f##p)))

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* One line on stderr, which is the console: "init: ...". Leaves errno alone, so that it may be used with %m. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Reads a short file, such as those of proc and sysfs, as text: at most size - 1 bytes, terminated, a newline at the
 * end cut off. Returns the text's length, or -1 with errno set.
 */
ssize_t read_text(const char *path, char *buf, size_t size);

void sleep_ms(int ms);

/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);
