/*
 * Asks a stub, such as QEMU's: requests and their replies, kept in step, and each wait bounded.
 *
 * While the guest runs (between rsp_client_send() and the stop reply that rsp_client_poll() yields) nothing but an
 * interrupt may go to the stub: QEMU's takes any byte for one. Requests are refused then.
 *
 * Sources: GDB's manual, nodes Packets, Stop Reply Packets, General Query Packets (qRcmd), Standard Replies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "rsp/connection.h"

struct rsp_client;

/* Speaks on fd, a connected socket, which stays the caller's. max_reply: bytes of a payload. */
struct rsp_client *rsp_client_create(int fd, size_t max_reply);
void rsp_client_destroy(struct rsp_client *c);
DEFINE_CLEANUP(struct rsp_client *, rsp_client_destroy);

/*
 * For a line that can lose bytes: a request that isn't acknowledged within so many ms is sent again. 0, as at first: it isn't.
 */
void rsp_client_set_retransmit(struct rsp_client *c, unsigned int after_ms);

/* For its tap, and for no-ack mode. */
struct rsp_conn *rsp_client_conn(struct rsp_client *c);

/*
 * Sends a request and waits for the reply, whose payload replaces what is in ret. Stop replies that came unasked before
 * are dropped. The reply may be an error: see rsp_reply_error().
 *
 * ERR_TIMEOUT: no reply within timeout_ms. If it comes later it is dropped; until then each call waits for it first, and
 * times out without having sent anything. ERR_CLOSED: the stub is gone. ERR_BAD_DATA: a reply longer than max_reply.
 * ERR_UNSUPPORTED: the guest runs.
 */
struct err *rsp_client_call(struct rsp_client *c, const void *request, size_t len, int timeout_ms, struct buf *ret)
	err_must_check;

/* What the stub prints meanwhile, decoded. */
typedef void (*rsp_output)(const char *text, size_t len, void *user);

/* The same for requests that are answered by output (O packets) before the reply, such as qRcmd. Each output starts the
 * time anew, up to ten times timeout_ms in all. */
struct err *rsp_client_call_output(struct rsp_client *c, const void *request, size_t len, int timeout_ms,
				   rsp_output output, void *user, struct buf *ret) err_must_check;

/* Sends a packet that lets the guest go on. ERR_CLOSED; ERR_UNSUPPORTED if it runs already or a late reply is due;
 * nothing was sent then. */
struct err *rsp_client_send(struct rsp_client *c, const void *request, size_t len) err_must_check;

/*
 * Looks for a packet that came without a call, and doesn't wait: a stop reply, output of the running guest (see
 * rsp_is_output()), or, while it stands, one that came unasked. *ret_got says whether there is one, and ret then
 * has its payload. Call it until there is none. ERR_CLOSED, ERR_BAD_DATA as above.
 */
struct err *rsp_client_poll(struct rsp_client *c, bool *ret_got, struct buf *ret) err_must_check;

/* Asks for the guest to be stopped, if it runs; the stop reply comes by rsp_client_poll(). ERR_CLOSED. */
struct err *rsp_client_interrupt(struct rsp_client *c) err_must_check;

/* The guest runs, though no packet let it go on: its stop reply is to come. */
void rsp_client_expect_stop(struct rsp_client *c);

/* Between rsp_client_send() and the stop reply. */
bool rsp_client_running(const struct rsp_client *c);
int rsp_client_fd(const struct rsp_client *c);
/* What to poll the descriptor for; and whether rsp_client_poll() is to be called without polling. */
short rsp_client_poll_events(const struct rsp_client *c);
bool rsp_client_buffered(const struct rsp_client *c);

/* A packet of output: O and bytes in hexadecimal digits. OK is none. */
bool rsp_is_output(const void *payload, size_t len);

/*
 * The error that a reply stands for; NULL if it is none. Exx and E.text become one with the code given, which depends on
 * what was asked (ERR_FAULT for memory); the empty reply, by which a stub says that it doesn't know a packet, ERR_UNSUPPORTED.
 */
struct err *rsp_reply_error(const void *reply, size_t len, enum err_code code) err_must_check;
