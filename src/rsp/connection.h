/*
 * One end of a connection that speaks GDB's remote serial protocol. It never blocks: whoever owns the descriptor polls
 * it, and calls rsp_conn_read() and rsp_conn_flush() when it is ready.
 *
 * Acknowledgments are made here. A packet is sent when the one before it has been acknowledged, so that it is clear
 * which one a "-" asks for again. A packet that comes where an acknowledgment was due counts as one: the other side
 * has gone on.
 *
 * Sources: GDB's manual, nodes Overview and Packet Acknowledgment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "rsp/packet.h"
#include "rsp/payload.h"

enum rsp_role {
	RSP_SERVER, /* receives requests */
	RSP_CLIENT, /* receives replies, which may have run lengths in them */
};

enum {
	/* Bytes that wait for the other side to read. From HOLD on nothing more is read from it; MAX ends the connection. */
	RSP_PENDING_HOLD = 1 << 20,
	RSP_PENDING_MAX = 16 << 20,
	/* A packet is sent again so often. */
	RSP_RESENDS_MAX = 5,
};

struct rsp_conn;

/* Speaks on fd, a connected socket; it stays the caller's and must outlive the connection. max_payload: bytes of a packet
 * that is received. */
struct rsp_conn *rsp_conn_create(int fd, enum rsp_role role, size_t max_payload);
void rsp_conn_destroy(struct rsp_conn *c);
DEFINE_CLEANUP(struct rsp_conn *, rsp_conn_destroy);

/*
 * How bytes get in and out where that isn't by recv(2) and send(2) on the descriptor, as for a packet stream that is only
 * a part of what comes there. Neither waits; as those, they return -1 with errno (EAGAIN: not now).
 */
struct rsp_transport {
	ssize_t (*read)(void *user, void *ret, size_t len); /* 0: the end */
	ssize_t (*write)(void *user, const void *bytes, size_t len);
	void *user;
};

/* Before anything was sent or read. It must outlive the connection. */
void rsp_conn_set_transport(struct rsp_conn *c, const struct rsp_transport *t);

enum rsp_direction {
	RSP_IN,
	RSP_OUT,
};

/* Sees each event that passes, acknowledgments and damaged packets included; payload is what it has of one. What goes out
 * is seen when it is due: behind the acknowledgment of what was before it, and again if it is sent again. */
typedef void (*rsp_tap)(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len,
			void *user);
void rsp_conn_set_tap(struct rsp_conn *c, rsp_tap tap, void *user);

/*
 * Queues a packet and writes what can be written. ERR_CLOSED: the connection has ended, or now has since the other side
 * doesn't read. (What follows, as an event, is RSP_CONN_CLOSED.)
 */
struct err *rsp_conn_send(struct rsp_conn *c, const void *payload, size_t len) err_must_check;
/* The same for the byte 0x03, which has its place in the queue but isn't acknowledged. */
struct err *rsp_conn_send_interrupt(struct rsp_conn *c) err_must_check;

/* Sends the packet that waits for its acknowledgment again; nothing if none does, or that was done often enough. */
void rsp_conn_retransmit(struct rsp_conn *c);

/*
 * No acknowledgments any more, either way. It holds once all that has been queued is acknowledged: a server calls this
 * right after it queued the OK to QStartNoAckMode, a client when it has the OK. From then on sums are not looked at.
 */
void rsp_conn_set_no_ack(struct rsp_conn *c);

/* Reads what has come, a bounded amount; nothing if there are still events to take. Then take the events. */
void rsp_conn_read(struct rsp_conn *c);
/* Writes what can be written. */
void rsp_conn_flush(struct rsp_conn *c);

/* What to poll the descriptor for: POLLIN, POLLOUT; 0 when the connection has ended. */
short rsp_conn_poll_events(const struct rsp_conn *c);
/* Bytes that were sent and that the other side has not taken, and those behind them in the queue. */
size_t rsp_conn_pending(const struct rsp_conn *c);
/* Whether there are bytes that were read, and that rsp_conn_next() has not seen: poll(2) knows nothing of them. */
bool rsp_conn_buffered(const struct rsp_conn *c);

enum rsp_conn_event {
	RSP_CONN_NONE, /* nothing complete: poll */
	RSP_CONN_PACKET,
	RSP_CONN_NOTIFICATION,
	RSP_CONN_TOO_LONG, /* a packet that was acknowledged and dropped; a server should answer with an error */
	RSP_CONN_INTERRUPT,
	RSP_CONN_CLOSED, /* for ever, after all that came before */
};

/*
 * The next event. `*ret`, written for RSP_CONN_PACKET and RSP_CONN_NOTIFICATION, is the payload, valid until the next
 * call of this function. There is none as long as the other side lets more than RSP_PENDING_HOLD wait.
 */
enum rsp_conn_event rsp_conn_next(struct rsp_conn *c, struct rsp_reader *ret);

/* Why the connection has ended, for a message: "it was closed". NULL while it hasn't. Valid as long as c. */
const char *rsp_conn_end_reason(const struct rsp_conn *c);
int rsp_conn_fd(const struct rsp_conn *c);
