#include "rsp/client.h"

#include <errno.h>
#include <poll.h>

#include "base/printable.h"
#include "base/util.h"

enum { REQUEST_SHOWN = 40, OUTPUT_TIMES = 10, OUTPUT_MAX = 1 << 20 };

struct rsp_client {
	struct rsp_conn *conn;
	bool running;
	bool late;              /* the reply to a call that has timed out is still to come */
	uint64_t retransmit_ns; /* 0: never */
};

struct rsp_client *rsp_client_create(int fd, size_t max_reply)
{
	struct rsp_client *c = xcalloc(1, sizeof(*c));

	c->conn = rsp_conn_create(fd, RSP_CLIENT, max_reply);
	return c;
}

void rsp_client_destroy(struct rsp_client *c)
{
	if (!c)
		return;
	/* The last acknowledgment may still be here. */
	rsp_conn_flush(c->conn);
	rsp_conn_destroy(c->conn);
	free(c);
}

void rsp_client_set_retransmit(struct rsp_client *c, unsigned int after_ms)
{
	c->retransmit_ns = after_ms * NSEC_PER_MSEC;
}

struct rsp_conn *rsp_client_conn(struct rsp_client *c)
{
	return c->conn;
}

void rsp_client_expect_stop(struct rsp_client *c)
{
	c->running = true;
}

bool rsp_client_running(const struct rsp_client *c)
{
	return c->running;
}

int rsp_client_fd(const struct rsp_client *c)
{
	return rsp_conn_fd(c->conn);
}

short rsp_client_poll_events(const struct rsp_client *c)
{
	return rsp_conn_poll_events(c->conn);
}

bool rsp_client_buffered(const struct rsp_client *c)
{
	return rsp_conn_buffered(c->conn);
}

/* --- Replies --- */

/* The digits of a packet of output; false if it is none. */
static bool output_digits(const void *payload, size_t len, struct rsp_reader *ret)
{
	struct rsp_reader r = rsp_reader_on(payload, len);

	if (!rsp_read_char(&r, 'O') || rsp_left(&r) % 2)
		return false;
	for (const char *p = r.p; p < r.end; p++) {
		if (rsp_hex_digit(*p) < 0)
			return false;
	}
	*ret = r;
	return true;
}

bool rsp_is_output(const void *payload, size_t len)
{
	struct rsp_reader digits;

	return output_digits(payload, len, &digits);
}

struct err *rsp_reply_error(const void *reply, size_t len, enum err_code code)
{
	struct rsp_reader r = rsp_reader_on(reply, len);
	_cleanup_(free) char *text = NULL;

	if (!len)
		return err_create(ERR_UNSUPPORTED, "the debug stub doesn't know this request");
	if (rsp_read_text(&r, "E.")) {
		text = printable(r.p, rsp_left(&r));
		return err_create(code, "the debug stub says: %s", text);
	}
	if (len == strlen("Exx") && rsp_read_char(&r, 'E') && rsp_hex_digit(r.p[0]) >= 0 && rsp_hex_digit(r.p[1]) >= 0)
		return err_create(code, "the debug stub answered with error %.2s", r.p);
	return NULL;
}

/* --- Waiting --- */

/* A call in progress. */
struct wait {
	uint64_t timeout_ns;
	uint64_t deadline_ns;
	uint64_t last_deadline_ns; /* whatever the stub prints */
	uint64_t again_ns;         /* when an unacknowledged request goes once more; 0: not */
	rsp_output output;         /* or NULL */
	void *user;
};

static struct wait wait_for(int timeout_ms, rsp_output output, void *user)
{
	uint64_t timeout_ns = (uint64_t)MAX(timeout_ms, 0) * NSEC_PER_MSEC, now = now_ns();

	return (struct wait){ .timeout_ns = timeout_ns,
			      .deadline_ns = now + timeout_ns,
			      .last_deadline_ns = now + OUTPUT_TIMES * timeout_ns,
			      .output = output,
			      .user = user };
}

static struct err *closed(const struct rsp_client *c)
{
	return err_create(ERR_CLOSED, "the connection to the debug stub has ended: %s", rsp_conn_end_reason(c->conn));
}

static struct err *too_long(void)
{
	return err_create(ERR_BAD_DATA, "the debug stub's reply is longer than allowed");
}

static void retransmit(const struct rsp_client *c, struct wait *w, uint64_t now)
{
	if (!c->retransmit_ns || now < w->again_ns)
		return;
	if (w->again_ns)
		rsp_conn_retransmit(c->conn);
	w->again_ns = now + c->retransmit_ns;
}

/* Polls until the descriptor is ready. *ret_late: the time is up. */
static struct err *wait_ready(const struct rsp_client *c, struct wait *w, bool *ret_late)
{
	struct pollfd p = { .fd = rsp_client_fd(c), .events = rsp_client_poll_events(c) };
	uint64_t now = now_ns();
	int left_ms;

	*ret_late = now >= w->deadline_ns;
	if (*ret_late)
		return NULL;
	retransmit(c, w, now);
	left_ms = (int)((MIN(w->deadline_ns, w->again_ns ? w->again_ns : UINT64_MAX) - now + NSEC_PER_MSEC - 1) /
			NSEC_PER_MSEC);
	if (poll(&p, 1, left_ms) < 0 && errno != EINTR)
		return err_os(errno, "wait for the debug stub");
	return NULL;
}

static void handle_output(struct wait *w, const struct rsp_reader *digits)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct rsp_reader r = *digits;

	if (!w->output)
		return;
	w->deadline_ns = MIN(now_ns() + w->timeout_ns, w->last_deadline_ns);
	if (rsp_read_hex_data(&r, OUTPUT_MAX, &text))
		w->output(buf_str(&text), text.len, w->user);
}

enum outcome { GOT_REPLY, GOT_TOO_LONG, GOT_NOTHING };

/* Waits for a packet that is no output; its payload is *ret until the next event. ERR_CLOSED, ERR_OS. */
static struct err *wait_for_reply(struct rsp_client *c, struct wait *w, enum outcome *ret_outcome,
				  struct rsp_reader *ret)
{
	struct rsp_reader digits;
	bool late = false;

	while (!late) {
		switch (rsp_conn_next(c->conn, ret)) {
		case RSP_CONN_PACKET:
			if (output_digits(ret->p, rsp_left(ret), &digits)) {
				handle_output(w, &digits);
				continue;
			}
			*ret_outcome = GOT_REPLY;
			return NULL;
		case RSP_CONN_TOO_LONG:
			*ret_outcome = GOT_TOO_LONG;
			return NULL;
		case RSP_CONN_CLOSED:
			return closed(c);
		case RSP_CONN_NOTIFICATION:
		case RSP_CONN_INTERRUPT:
			break;
		case RSP_CONN_NONE:
			TRY(wait_ready(c, w, &late));
			rsp_conn_flush(c->conn);
			rsp_conn_read(c->conn);
			break;
		}
	}
	*ret_outcome = GOT_NOTHING;
	return NULL;
}

/* --- Calls --- */

/* Drops what nobody waits for. At most what can be read at once: a stub that talks on and on holds up nobody. */
static struct err *drop_unasked(struct rsp_client *c)
{
	enum rsp_conn_event event;
	struct rsp_reader packet;

	rsp_conn_read(c->conn);
	do
		event = rsp_conn_next(c->conn, &packet);
	while (event != RSP_CONN_NONE && event != RSP_CONN_CLOSED);
	return event == RSP_CONN_CLOSED ? closed(c) : NULL;
}

static struct err *refuse_running(const struct rsp_client *c)
{
	if (!c->running)
		return NULL;
	return err_create(ERR_UNSUPPORTED, "the guest runs, and until it stops the debug stub can't be asked");
}

/* Has the reply of a call that timed out out of the way. */
static struct err *finish_late(struct rsp_client *c, struct wait *w)
{
	enum outcome outcome;
	struct rsp_reader reply;

	if (!c->late)
		return NULL;
	TRY(wait_for_reply(c, w, &outcome, &reply));
	if (outcome == GOT_NOTHING)
		return err_create(ERR_TIMEOUT, "the debug stub still hasn't answered an earlier request");
	c->late = false;
	return NULL;
}

static struct err *timed_out(const struct wait *w, const void *request, size_t len)
{
	_cleanup_(free) char *shown = printable(request, MIN(len, (size_t)REQUEST_SHOWN)),
			     *span = format_duration(w->timeout_ns);

	return err_create(ERR_TIMEOUT, "the debug stub didn't answer '%s%s' within %s", shown,
			  len > REQUEST_SHOWN ? "..." : "", span);
}

static struct err *call(struct rsp_client *c, const void *request, size_t len, struct wait *w, struct buf *ret)
{
	enum outcome outcome;
	struct rsp_reader reply;

	TRY(refuse_running(c));
	TRY(finish_late(c, &(struct wait){ .timeout_ns = w->timeout_ns, .deadline_ns = w->deadline_ns }));
	TRY(drop_unasked(c));
	TRY(rsp_conn_send(c->conn, request, len));
	c->late = true;
	TRY(wait_for_reply(c, w, &outcome, &reply));
	if (outcome == GOT_NOTHING)
		return timed_out(w, request, len);
	c->late = false;
	if (outcome == GOT_TOO_LONG)
		return too_long();
	buf_clear(ret);
	buf_append(ret, reply.p, rsp_left(&reply));
	return NULL;
}

struct err *rsp_client_call(struct rsp_client *c, const void *request, size_t len, int timeout_ms, struct buf *ret)
{
	struct wait w = wait_for(timeout_ms, NULL, NULL);

	return call(c, request, len, &w, ret);
}

struct err *rsp_client_call_output(struct rsp_client *c, const void *request, size_t len, int timeout_ms,
				   rsp_output output, void *user, struct buf *ret)
{
	struct wait w = wait_for(timeout_ms, output, user);

	return call(c, request, len, &w, ret);
}

struct err *rsp_client_send(struct rsp_client *c, const void *request, size_t len)
{
	struct wait no_time = wait_for(0, NULL, NULL);

	TRY(refuse_running(c));
	rsp_conn_read(c->conn);
	TRY(finish_late(c, &no_time));
	TRY(drop_unasked(c));
	TRY(rsp_conn_send(c->conn, request, len));
	c->running = true;
	return NULL;
}

struct err *rsp_client_poll(struct rsp_client *c, bool *ret_got, struct buf *ret)
{
	bool was_read = false, got = false;
	struct rsp_reader packet;

	while (!got) {
		switch (rsp_conn_next(c->conn, &packet)) {
		case RSP_CONN_PACKET:
			got = rsp_is_output(packet.p, rsp_left(&packet)) || !c->late;
			if (!got)
				c->late = false;
			break;
		case RSP_CONN_TOO_LONG:
			c->running = c->late = false;
			return too_long();
		case RSP_CONN_CLOSED:
			return closed(c);
		case RSP_CONN_NOTIFICATION:
		case RSP_CONN_INTERRUPT:
			break;
		case RSP_CONN_NONE:
			if (was_read) {
				*ret_got = false;
				return NULL;
			}
			rsp_conn_read(c->conn);
			was_read = true;
			break;
		}
	}
	if (!rsp_is_output(packet.p, rsp_left(&packet)))
		c->running = false;
	buf_clear(ret);
	buf_append(ret, packet.p, rsp_left(&packet));
	*ret_got = true;
	return NULL;
}

struct err *rsp_client_interrupt(struct rsp_client *c)
{
	return c->running ? rsp_conn_send_interrupt(c->conn) : NULL;
}
