/*
 * What sending and receiving files (transfer.h) have in common.
 */
#pragma once

#include <limits.h>

#include "transfer.h"

/* Where we are, for messages. */
struct transfer_path {
	char text[PATH_MAX];
	size_t depth;
	/* How long the text was before each part. */
	size_t ends[TRANSFER_DEPTH_MAX + 2];
};

void transfer_path_push(struct transfer_path *p, const char *name);
void transfer_path_pop(struct transfer_path *p);

/* The fixed part of an entry, 24 bytes. */
void transfer_put_entry(uint8_t *p, const struct transfer_entry *e);

/* May use %m. */
void transfer_report(const struct transfer_callbacks *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All of it. Reading is also false at the end. */
bool transfer_read(int fd, void *data, size_t len);
bool transfer_write(int fd, const void *data, size_t len);
