/*
 * The event loop: one thread, one poll(2), descriptors, timers and signals with a callback each.
 *
 * A callback may add and remove any source, its own included. A callback that returns an error ends the loop, and
 * loop_run() returns that error.
 */
#pragma once

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct loop;
struct loop_source;

/* fd is the descriptor of the source, revents what poll(2) reported; for a timer -1 and 0; for a signal the number
 * and 0. */
typedef struct err *(*loop_callback)(struct loop_source *source, int fd, short revents, void *data);

struct loop *loop_create(void);
/* Removes all sources; descriptors that were added stay open. */
void loop_destroy(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_destroy);

/* Watches fd for events (POLLIN, POLLOUT; POLLHUP and POLLERR come unasked). The loop doesn't own fd. */
struct loop_source *loop_add_fd(struct loop *loop, int fd, short events, loop_callback cb, void *data);
/* Events 0: the source is not polled at all, so that a hangup doesn't spin. */
void loop_set_events(struct loop_source *source, short events);

/* Calls back once, when the monotonic clock (now_ns()) has reached deadline_ns; the source is gone afterwards. */
struct loop_source *loop_add_timer(struct loop *loop, uint64_t deadline_ns, loop_callback cb, void *data);

/*
 * Blocks the signal and calls back when it comes. The signals of a loop are unblocked again with its destruction.
 */
struct err *loop_add_signal(struct loop *loop, int signal_number, loop_callback cb, void *data) err_must_check;

/* Removes a source of any kind but signals. NULL is fine. */
void loop_remove(struct loop_source *source);

/* Runs until loop_quit(), or until a callback fails. */
struct err *loop_run(struct loop *loop) err_must_check;
void loop_quit(struct loop *loop);
