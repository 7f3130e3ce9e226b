/*
 * What goes out passes two stages. The queue has packets, since one may have to be sent again; `out` has bytes that go
 * to the socket as it takes them. A packet's bytes get there when the packet before it has been acknowledged, whole, so
 * that what goes without a queue, our own + and -, never gets into one.
 *
 * What comes in waits in `in` until somebody asks for the next event. Nothing is read before all of it was looked at, so
 * that a flood costs the memory of `in` and of one payload. Each packet may need an answer. So none is looked at while
 * too many bytes wait in `out`: those go away by being written, and need nothing that is still to come in. The queue
 * doesn't count for that, since an acknowledgment may be what it waits for.
 */
#include "rsp/connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/util.h"

enum { READ_SIZE = 65536, LAST_READS_MAX = 1024 };

/*
 * GDB takes each character of a reply by itself, 20 ns for each; so of memory with many zeros it reads several times as much
 * in a second if it gets runs. Short replies stay as they are: they are what people read in a log.
 */
enum { RUN_LENGTHS_FROM = 1024 };

struct item {
	struct item *next;
	enum rsp_event event; /* RSP_PACKET or RSP_INTERRUPT */
	struct buf payload;
	bool last_acked; /* there are no acknowledgments behind this one's */
};

struct rsp_conn {
	int fd;
	const struct rsp_transport *transport; /* NULL: the socket's */
	enum rsp_role role;
	bool no_ack;
	struct rsp_decoder decoder;
	char in[READ_SIZE];
	size_t in_len, in_used;
	bool ended;              /* nothing more comes in */
	bool broken;             /* nothing more goes out */
	unsigned int last_reads; /* since it was broken */
	char *reason;            /* of the first of these */
	struct item *head;       /* of the queue */
	struct item **tail;
	size_t queued; /* bytes of payloads in it */
	bool awaits_ack;
	unsigned int resends;
	struct buf out;
	size_t written; /* bytes at the start of out that are gone already */
	rsp_tap tap;
	void *tap_user;
};

struct rsp_conn *rsp_conn_create(int fd, enum rsp_role role, size_t max_payload)
{
	struct rsp_conn *c = xcalloc(1, sizeof(*c));

	c->fd = fd;
	c->role = role;
	c->decoder = (struct rsp_decoder)RSP_DECODER_INIT(max_payload);
	c->decoder.run_lengths = role == RSP_CLIENT;
	c->tail = &c->head;
	return c;
}

static void pop(struct rsp_conn *c)
{
	struct item *item = c->head;

	c->head = item->next;
	if (!c->head)
		c->tail = &c->head;
	c->queued -= item->payload.len;
	buf_deinit(&item->payload);
	free(item);
}

static void forget_output(struct rsp_conn *c)
{
	while (c->head)
		pop(c);
	buf_clear(&c->out);
	c->written = 0;
	c->awaits_ack = false;
}

void rsp_conn_destroy(struct rsp_conn *c)
{
	if (!c)
		return;
	forget_output(c);
	buf_deinit(&c->out);
	rsp_decoder_deinit(&c->decoder);
	free(c->reason);
	free(c);
}

void rsp_conn_set_tap(struct rsp_conn *c, rsp_tap tap, void *user)
{
	c->tap = tap;
	c->tap_user = user;
}

static void tell_tap(struct rsp_conn *c, enum rsp_direction direction, enum rsp_event event, const struct buf *payload)
{
	if (c->tap)
		c->tap(direction, event, payload ? buf_str(payload) : "", payload ? payload->len : 0, c->tap_user);
}

void rsp_conn_set_transport(struct rsp_conn *c, const struct rsp_transport *t)
{
	c->transport = t;
}

static ssize_t write_some(const struct rsp_conn *c, const void *bytes, size_t len)
{
	return c->transport ? c->transport->write(c->transport->user, bytes, len)
			    : send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t read_some(const struct rsp_conn *c, void *ret, size_t len)
{
	return c->transport ? c->transport->read(c->transport->user, ret, len) : recv(c->fd, ret, len, MSG_DONTWAIT);
}

/* --- The end --- */

static void note_reason(struct rsp_conn *c, const char *reason)
{
	if (!c->reason)
		c->reason = xstrdup(reason);
}

static void break_output(struct rsp_conn *c, const char *reason)
{
	note_reason(c, reason);
	c->broken = true;
	forget_output(c);
}

/* The other side can't be dealt with. */
static void give_up(struct rsp_conn *c, const char *reason)
{
	break_output(c, reason);
	c->ended = true;
}

const char *rsp_conn_end_reason(const struct rsp_conn *c)
{
	return c->reason;
}

/* --- Out --- */

static size_t unwritten(const struct rsp_conn *c)
{
	return c->out.len - c->written;
}

size_t rsp_conn_pending(const struct rsp_conn *c)
{
	return unwritten(c) + c->queued;
}

/* Moving what is left to the front for each write would cost more than writing it. */
static void consume_output(struct rsp_conn *c, size_t n)
{
	c->written += n;
	if (c->written == c->out.len) {
		buf_clear(&c->out);
		c->written = 0;
	} else if (c->written > c->out.len / 2) {
		buf_consume(&c->out, c->written);
		c->written = 0;
	}
}

void rsp_conn_flush(struct rsp_conn *c)
{
	while (unwritten(c)) {
		ssize_t n = write_some(c, c->out.data + c->written, unwritten(c));

		if (n >= 0)
			consume_output(c, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			break_output(c, errno == EPIPE ? "it was closed" : strerror(errno));
	}
}

static void transmit(struct rsp_conn *c)
{
	const struct item *item = c->head;

	tell_tap(c, RSP_OUT, item->event, &item->payload);
	if (item->event == RSP_INTERRUPT)
		buf_putc(&c->out, '\003');
	else
		rsp_encode(&c->out, item->payload.data, item->payload.len,
			   c->role == RSP_SERVER && item->payload.len >= RUN_LENGTHS_FROM);
}

static void stop_acks(struct rsp_conn *c)
{
	c->no_ack = true;
	c->decoder.ignore_sums = true;
}

/* Sends from the queue what may be sent. */
static void advance(struct rsp_conn *c)
{
	while (c->head && !c->awaits_ack) {
		transmit(c);
		if (c->head->event == RSP_PACKET && !c->no_ack)
			c->awaits_ack = true;
		else
			pop(c);
	}
}

static void on_ack(struct rsp_conn *c)
{
	if (!c->awaits_ack)
		return;
	if (c->head->last_acked)
		stop_acks(c);
	c->awaits_ack = false;
	c->resends = 0;
	pop(c);
	advance(c);
}

static void on_nak(struct rsp_conn *c)
{
	if (!c->awaits_ack)
		return;
	if (++c->resends > RSP_RESENDS_MAX)
		give_up(c, "it asked for the same packet again and again");
	else
		transmit(c);
}

void rsp_conn_retransmit(struct rsp_conn *c)
{
	if (!c->awaits_ack || c->broken || ++c->resends > RSP_RESENDS_MAX)
		return;
	transmit(c);
	rsp_conn_flush(c);
}

static void acknowledge(struct rsp_conn *c, enum rsp_event event)
{
	if (c->no_ack || c->broken)
		return;
	tell_tap(c, RSP_OUT, event, NULL);
	buf_putc(&c->out, event == RSP_ACK ? '+' : '-');
}

static struct err *closed(const struct rsp_conn *c)
{
	return err_create(ERR_CLOSED, "the connection has ended: %s", c->reason);
}

static struct err *enqueue(struct rsp_conn *c, enum rsp_event event, const void *payload, size_t len)
{
	struct item *item;

	if (!c->broken && len > RSP_PENDING_MAX - MIN(rsp_conn_pending(c), (size_t)RSP_PENDING_MAX))
		give_up(c, "it doesn't read what it is sent");
	if (c->broken)
		return closed(c);
	item = xcalloc(1, sizeof(*item));
	item->event = event;
	buf_append(&item->payload, payload, len);
	c->queued += len;
	*c->tail = item;
	c->tail = &item->next;
	advance(c);
	rsp_conn_flush(c);
	return c->broken ? closed(c) : NULL;
}

struct err *rsp_conn_send(struct rsp_conn *c, const void *payload, size_t len)
{
	return enqueue(c, RSP_PACKET, payload, len);
}

struct err *rsp_conn_send_interrupt(struct rsp_conn *c)
{
	return enqueue(c, RSP_INTERRUPT, NULL, 0);
}

void rsp_conn_set_no_ack(struct rsp_conn *c)
{
	struct item *last = c->head;

	while (last && last->next)
		last = last->next;
	if (last)
		last->last_acked = true;
	else
		stop_acks(c);
}

/* --- In --- */

static bool held_back(const struct rsp_conn *c)
{
	return unwritten(c) > RSP_PENDING_HOLD;
}

bool rsp_conn_buffered(const struct rsp_conn *c)
{
	return c->in_used < c->in_len && !held_back(c);
}

void rsp_conn_read(struct rsp_conn *c)
{
	ssize_t n;

	if (c->ended || c->in_used < c->in_len || held_back(c))
		return;
	do
		n = read_some(c, c->in, sizeof(c->in));
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->in_len = (size_t)n;
		c->in_used = 0;
	} else if (n == 0) {
		note_reason(c, "it was closed");
		c->ended = true;
	} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
		give_up(c, strerror(errno));
	} else if (c->broken) {
		/* No answer could reach the other side. What it said before has been read. */
		c->ended = true;
	}
}

/* What an event of the decoder's is for our owner, once acknowledgments are dealt with. */
static enum rsp_conn_event take(struct rsp_conn *c, enum rsp_event event)
{
	switch (event) {
	case RSP_NONE:
		break;
	case RSP_PACKET:
	case RSP_TOO_LONG:
		on_ack(c);
		acknowledge(c, RSP_ACK);
		return event == RSP_PACKET ? RSP_CONN_PACKET : RSP_CONN_TOO_LONG;
	case RSP_NOTIFICATION:
		return RSP_CONN_NOTIFICATION;
	case RSP_BAD_SUM:
		acknowledge(c, RSP_NAK);
		break;
	case RSP_ACK:
		on_ack(c);
		break;
	case RSP_NAK:
		on_nak(c);
		break;
	case RSP_INTERRUPT:
		/* A server's end says no such thing. */
		return c->role == RSP_SERVER ? RSP_CONN_INTERRUPT : RSP_CONN_NONE;
	}
	return RSP_CONN_NONE;
}

static enum rsp_conn_event decode(struct rsp_conn *c)
{
	enum rsp_event event;
	bool has_payload;

	c->in_used += rsp_decode(&c->decoder, c->in + c->in_used, c->in_len - c->in_used, &event);
	has_payload = event == RSP_PACKET || event == RSP_NOTIFICATION;
	if (event != RSP_NONE)
		tell_tap(c, RSP_IN, event, has_payload ? &c->decoder.payload : NULL);
	return take(c, event);
}

/*
 * Whether to look at the input once more. Where nothing can be sent any more, what was said before is read to its end,
 * also if that never comes.
 */
static bool read_last(struct rsp_conn *c)
{
	if (!c->broken || c->ended)
		return false;
	if (++c->last_reads > LAST_READS_MAX)
		c->ended = true;
	rsp_conn_read(c);
	return rsp_conn_buffered(c);
}

enum rsp_conn_event rsp_conn_next(struct rsp_conn *c, struct rsp_reader *ret)
{
	enum rsp_conn_event event = RSP_CONN_NONE;

	do {
		while (event == RSP_CONN_NONE && rsp_conn_buffered(c))
			event = decode(c);
		/* An acknowledgment goes together with the answer, if that comes at once. */
		if (event == RSP_CONN_NONE)
			rsp_conn_flush(c);
	} while (event == RSP_CONN_NONE && read_last(c));
	if (event == RSP_CONN_PACKET || event == RSP_CONN_NOTIFICATION)
		*ret = rsp_reader_on(buf_str(&c->decoder.payload), c->decoder.payload.len);
	if (event == RSP_CONN_NONE && c->ended && c->in_used == c->in_len)
		return RSP_CONN_CLOSED;
	return event;
}

short rsp_conn_poll_events(const struct rsp_conn *c)
{
	short events = 0;

	if (!c->ended && !held_back(c))
		events |= POLLIN;
	if (unwritten(c))
		events |= POLLOUT;
	return events;
}

int rsp_conn_fd(const struct rsp_conn *c)
{
	return c->fd;
}
