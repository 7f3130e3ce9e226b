/*
 * A descriptor in an event loop that bytes come from and go to without ever blocking: what can't be written yet is
 * kept, and whoever produces it can see how much is waiting and hold back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

struct stream;

struct stream_callbacks {
	/* Bytes have come. NULL: they are read and dropped. */
	struct err *(*data)(struct stream *s, const char *bytes, size_t len, void *user);
	/* The other side closed, or reading or writing failed; called once. The owner may destroy the stream here. */
	struct err *(*closed)(struct stream *s, void *user);
	/* All that was waiting has been written. May be NULL. */
	struct err *(*drained)(struct stream *s, void *user);
};

/*
 * Owns fd from now on and makes it non-blocking, unless keep_blocking is set: then fd's open file is shared with
 * others, and is only touched when poll(2) says that it is ready. callbacks must outlive the stream.
 */
struct stream *stream_create(struct loop *loop, int fd, bool keep_blocking, const struct stream_callbacks *callbacks,
			     void *user);
/* Closes fd; what was not written is lost. NULL is fine. */
void stream_destroy(struct stream *s);
DEFINE_CLEANUP(struct stream *, stream_destroy);

/* Writes what can be written now and keeps the rest. A broken stream swallows it; closed() tells. */
void stream_write(struct stream *s, const void *data, size_t len);
/* Bytes that wait to be written. */
size_t stream_pending(const struct stream *s);
/* Writes what can be written now. Bytes may be left. */
void stream_flush(struct stream *s);
/*
 * Takes in what has come already, up to about max bytes, without waiting for the loop's turn. The end is left for the
 * loop to report. Not for one that keeps blocking.
 */
struct err *stream_catch_up(struct stream *s, size_t max) err_must_check;
/* Stops or resumes reading. */
void stream_pause(struct stream *s, bool pause);
/*
 * What comes on and on in small pieces is left to gather for ms each time before it is taken in, once a few lines of it have
 * come: each piece by itself would wake us, and whoever we hand it to. What comes after a pause, or after this call, is taken in
 * at once. With 0 ms all is.
 */
void stream_gather(struct stream *s, unsigned int ms);
int stream_fd(const struct stream *s);
