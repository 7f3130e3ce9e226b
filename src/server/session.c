/*
 * Theory of operation. One loop watches three descriptors: the client's, the target's, and the one by which the supervisor says
 * that a reset is done.
 *
 * While the machine stands, a packet is taken, its work done and answered before the next one is looked at; what the work
 * asks of the target comes back in bounded time. While the client waits for a stop, nothing may be asked of the target; then
 * an interrupt is all that a client has to say. Packets that come nevertheless are kept, a bounded number of bytes, until
 * there is a stop. A client that doesn't read what it is told (a dprintf that is hit all the time) isn't drowned in it: the
 * target's stop waits for the client, and the machine with it.
 *
 * A reset of the guest stops the machine, and the supervisor then has QEMU carry it out. A wish to go on that comes before that
 * would be dropped by QEMU without a word. So from the target's word on (TARGET_REASON_RESET) such wishes are held, until the
 * supervisor has said that it is done. Its word may overtake the target's on the way through poll(2), but not in the sockets:
 * QEMU wrote to the stub's before it answered the supervisor. So the target is asked for events first.
 */
#include "server/session.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "server/session_private.h"

enum {
	QUEUE_MAX = 1 << 20, /* bytes of packets that came too early */
	STOP_TIMEOUT_MS = 5000,
	LINGER_MS = 1000,
	REFUSE_MS = 2000,
	REFUSED_PACKET_MAX = 4096,
	SHOWN_MAX = 4096, /* bytes of text in a packet */
};

struct session *session_create(int client_fd, int word_fd, struct target *t, const struct session_params *params)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	struct session *s = xcalloc(1, sizeof(*s));

	s->target = t;
	s->params = params;
	s->client_fd = client_fd;
	s->word_fd = word_fd;
	s->conn = rsp_conn_create(client_fd, RSP_SERVER, SESSION_PACKET_MAX);
	if (params->tap)
		rsp_conn_set_tap(s->conn, params->tap, params->tap_user);
	err_ignore(target_threads(t, &threads));
	s->thread = target_stopped_thread(t);
	if (!s->thread)
		s->thread = threads.n ? threads.v[0].id : 1;
	s->stop.thread = s->thread;
	s->stop.signo = SIGNAL_TRAP;
	if (params->greeting)
		session_say(s, params->greeting, strlen(params->greeting));
	return s;
}

void session_destroy(struct session *s)
{
	breakpoints_deinit(&s->breakpoints);
	target_threads_deinit(&s->threads);
	rsp_conn_destroy(s->conn);
	err_destroy(s->why);
	free(s->xfer.key);
	buf_deinit(&s->xfer.data);
	buf_deinit(&s->reply);
	buf_deinit(&s->packet);
	buf_deinit(&s->scratch);
	buf_deinit(&s->console);
	buf_deinit(&s->queue);
	free(s);
}

/* --- What is said to the user --- */

/* Guests choose some of it, and terminals obey what isn't text. */
static void put_shown(struct buf *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char shown = (c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f ? '?' : text[i];

		rsp_put_hex_bytes(b, &shown, 1);
	}
}

void session_show(struct session *s, const char *text, size_t len)
{
	while (len) {
		size_t n = MIN(len, (size_t)SHOWN_MAX);

		buf_clear(&s->packet);
		buf_putc(&s->packet, 'O');
		put_shown(&s->packet, text, n);
		err_ignore(rsp_conn_send(s->conn, buf_str(&s->packet), s->packet.len));
		text += n;
		len -= n;
	}
}

void session_show_pending(struct session *s)
{
	session_show(s, buf_str(&s->console), s->console.len);
	buf_clear(&s->console);
}

void session_say(struct session *s, const char *text, size_t len)
{
	if (s->console.len + len > SESSION_CONSOLE_MAX && s->waits)
		session_show_pending(s);
	if (s->console.len < SESSION_CONSOLE_MAX)
		buf_append(&s->console, text, MIN(len, SESSION_CONSOLE_MAX - s->console.len));
}

void session_say_line(struct session *s, const char *line)
{
	session_say(s, line, strlen(line));
	session_say(s, "\n", 1);
}

void session_target_gone(struct session *s, struct err *e)
{
	s->over = s->let_go = true;
	s->runs = false;
	session_is_to_run(s, false);
	err_destroy(s->why);
	s->why = e;
	if (!s->waits)
		return;
	session_say_line(s, err_message(e));
	session_show_pending(s);
	s->waits = false;
	buf_clear(&s->packet);
	buf_printf(&s->packet, "X%02x", SIGNAL_KILL);
	err_ignore(rsp_conn_send(s->conn, buf_str(&s->packet), s->packet.len));
}

/* --- The client --- */

static void interrupt(struct session *s)
{
	struct err *e;

	/* One that comes when the machine has stopped already has been answered by that. */
	if (!s->waits || s->interrupting || s->parts)
		return;
	s->interrupting = true;
	if (s->runs) {
		e = target_interrupt(s->target);
		if (e)
			session_target_gone(s, e);
		return;
	}
	/* It is held. */
	s->stop = (struct stop){ .thread = s->stop.thread, .signo = SIGNAL_INT };
	stop_report(s);
}

static void enqueue(struct session *s, struct rsp_reader packet)
{
	size_t len = rsp_left(&packet);

	if (s->queue.len + len + sizeof(len) > QUEUE_MAX) {
		s->over = true;
		return;
	}
	buf_append(&s->queue, &len, sizeof(len));
	buf_append(&s->queue, packet.p, len);
}

/* False: there is none. */
static bool dequeue(struct session *s)
{
	const char *at;
	size_t len;

	if (s->queue_taken == s->queue.len) {
		buf_clear(&s->queue);
		s->queue_taken = 0;
		return false;
	}
	at = s->queue.data + s->queue_taken;
	memcpy(&len, at, sizeof(len));
	s->queue_taken += sizeof(len) + len;
	/* Nothing is queued while a packet is being taken: it stays where it is. */
	packets_take(s, rsp_reader_on(at + sizeof(len), len));
	return true;
}

/* False: there is nothing to be taken now. */
static bool take_one(struct session *s)
{
	struct rsp_reader packet;

	if (!s->waits && dequeue(s))
		return true;
	switch (rsp_conn_next(s->conn, &packet)) {
	case RSP_CONN_NONE:
		return false;
	case RSP_CONN_PACKET:
		if (s->waits)
			enqueue(s, packet);
		else
			packets_take(s, packet);
		break;
	case RSP_CONN_TOO_LONG:
		if (!s->waits)
			err_ignore(rsp_conn_send(s->conn, "E16", strlen("E16")));
		break;
	case RSP_CONN_INTERRUPT:
		interrupt(s);
		break;
	case RSP_CONN_NOTIFICATION:
		break;
	case RSP_CONN_CLOSED:
		s->over = true;
		break;
	}
	return true;
}

static void take_all(struct session *s)
{
	while (!s->over && take_one(s))
		;
}

/* --- The target, and the supervisor --- */

static bool is_choked(const struct session *s)
{
	return rsp_conn_pending(s->conn) > RSP_PENDING_HOLD;
}

static void take_event(struct session *s)
{
	_cleanup_(target_event_deinit) struct target_event event = TARGET_EVENT_INIT;
	struct err *e = target_next_event(s->target, &event);

	if (e)
		session_target_gone(s, e);
	else if (s->runs || event.kind == TARGET_EVENT_EXITED)
		stop_take_event(s, &event);
}

/* The first error; what can be done is done all the same. */
static struct err *part_with(struct session *s, struct err *(*how)(struct target *t))
{
	struct err *first = breakpoints_remove_all(s), *e = how(s->target);

	s->let_go = s->over = true;
	if (!first)
		return e;
	err_ignore(e);
	return first;
}

struct err *session_detach(struct session *s)
{
	session_is_to_run(s, true);
	return part_with(s, target_detach);
}

/* What the client has asked for before a reset was done. */
static void part(struct session *s)
{
	struct err *e = session_detach(s);
	const char *answer = e ? "E01" : "OK";

	err_ignore(e);
	err_ignore(rsp_conn_send(s->conn, answer, strlen(answer)));
}

static void release(struct session *s)
{
	struct err *e = NULL;

	target_reset_done(s->target);
	if (!s->held)
		return;
	s->held = false;
	if (s->parts) {
		part(s);
		return;
	}
	if (s->waits && !s->runs)
		e = run_go(s, 0, 0);
	if (e)
		session_target_gone(s, e);
}

static void take_word(struct session *s)
{
	char bytes[16];

	if (s->runs)
		take_event(s);
	if (s->over)
		return;
	if (read(s->word_fd, bytes, sizeof(bytes)) <= 0)
		s->word_fd = -1;
	release(s);
}

/* --- The loop --- */

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

bool session_turn(struct session *s, int timeout_ms)
{
	enum { CLIENT, TARGET, WORD, FDS_N };
	bool choked = is_choked(s);
	struct pollfd fds[FDS_N] = {
		[CLIENT] = { .fd = s->client_fd, .events = rsp_conn_poll_events(s->conn) },
		[TARGET] = { .fd = choked ? -1 : target_fd(s->target), .events = POLLIN },
		[WORD] = { .fd = s->word_fd, .events = POLLIN },
	};
	int target_ms = s->runs && !choked ? target_timeout_ms(s->target) : -1;
	int n;

	if (s->over)
		return false;
	if (rsp_conn_buffered(s->conn) && !choked)
		timeout_ms = 0;
	n = poll(fds, FDS_N, sooner(timeout_ms, target_ms));
	if (fds[CLIENT].revents) {
		rsp_conn_flush(s->conn);
		rsp_conn_read(s->conn);
	}
	take_all(s);
	if (!s->over && fds[WORD].revents)
		take_word(s);
	/* A client that talks on and on doesn't keep what the target has read, or is to look at, from being taken. */
	if (!s->over && (fds[TARGET].revents || (s->runs && !choked && (n == 0 || target_timeout_ms(s->target) == 0))))
		take_event(s);
	take_all(s);
	return !s->over;
}

/* --- The end --- */

/* The last words shall arrive: what is closed with bytes unread is torn down at once. */
static void linger(struct session *s)
{
	uint64_t deadline = now_ns() + LINGER_MS * NSEC_PER_MSEC;
	struct rsp_reader packet;
	bool said = false;

	while (now_ns() < deadline) {
		struct pollfd fd = { .fd = s->client_fd, .events = (short)(rsp_conn_poll_events(s->conn) | POLLIN) };
		enum rsp_conn_event event;

		if (!said && !rsp_conn_pending(s->conn)) {
			shutdown(s->client_fd, SHUT_WR);
			said = true;
		}
		poll(&fd, 1, 10);
		rsp_conn_flush(s->conn);
		rsp_conn_read(s->conn);
		do {
			event = rsp_conn_next(s->conn, &packet);
			if (event == RSP_CONN_CLOSED)
				return;
		} while (event != RSP_CONN_NONE);
	}
}

static struct err *bring_to_stop(struct session *s)
{
	uint64_t deadline = now_ns() + STOP_TIMEOUT_MS * NSEC_PER_MSEC;

	if (s->runs)
		TRY(target_interrupt(s->target));
	while (s->runs) {
		struct pollfd fd = { .fd = target_fd(s->target), .events = POLLIN };
		_cleanup_(target_event_deinit) struct target_event event = TARGET_EVENT_INIT;

		if (now_ns() > deadline)
			return err_create(ERR_TIMEOUT, "it doesn't stop");
		poll(&fd, 1, sooner(target_timeout_ms(s->target), 100));
		TRY(target_next_event(s->target, &event));
		s->runs = event.kind == TARGET_EVENT_NONE;
		s->held = event.kind == TARGET_EVENT_STOP && event.reason == TARGET_REASON_RESET && s->word_fd >= 0;
		if (event.kind == TARGET_EVENT_EXITED)
			s->let_go = true;
	}
	return NULL;
}

/* What would let it go on before that is lost on QEMU. */
static void await_reset(struct session *s)
{
	struct pollfd word = { .fd = s->word_fd, .events = POLLIN };

	if (!s->held)
		return;
	poll(&word, 1, STOP_TIMEOUT_MS);
	target_reset_done(s->target);
	s->held = false;
}

static struct err *let_go(struct session *s)
{
	session_is_to_run(s, s->parts || !s->params->stop_on_disconnect);
	TRY(bring_to_stop(s));
	if (s->let_go)
		return NULL;
	if (s->params->stop_on_disconnect && !s->parts)
		return part_with(s, target_leave);
	await_reset(s);
	return session_detach(s);
}

struct err *session_finish(struct session *s)
{
	struct err *e = NULL;

	if (!s->let_go)
		e = err_wrap(let_go(s), "leave the machine as it should be, now that its debugger has gone");
	linger(s);
	s->let_go = true;
	if (s->why) {
		err_ignore(e);
		e = steal(&s->why);
	}
	return e;
}

struct err *session_run(int client_fd, int word_fd, struct target *t, const struct session_params *params)
{
	_cleanup_(session_destroy) struct session *s = session_create(client_fd, word_fd, t, params);

	while (session_turn(s, -1))
		;
	return session_finish(s);
}

/* The words, without what would have to be escaped: GDB shows that as it is. */
static char *error_reply(const char *why)
{
	char *text = xasprintf("E.ktb: %s", why);

	for (char *p = text; *p; p++) {
		if (strchr("$#}*\n", *p))
			*p = ' ';
	}
	return text;
}

void session_refuse(int client_fd, const char *why)
{
	_cleanup_(rsp_conn_destroy) struct rsp_conn *c = rsp_conn_create(client_fd, RSP_SERVER, REFUSED_PACKET_MAX);
	_cleanup_(free) char *reply = error_reply(why);
	uint64_t deadline = now_ns() + REFUSE_MS * NSEC_PER_MSEC;
	enum rsp_conn_event event = RSP_CONN_NONE;
	struct rsp_reader packet;

	while (event != RSP_CONN_CLOSED && now_ns() < deadline) {
		struct pollfd fd = { .fd = client_fd, .events = rsp_conn_poll_events(c) };

		poll(&fd, 1, REFUSE_MS / 10);
		rsp_conn_flush(c);
		rsp_conn_read(c);
		while ((event = rsp_conn_next(c, &packet)) != RSP_CONN_NONE && event != RSP_CONN_CLOSED) {
			if (event == RSP_CONN_PACKET)
				err_ignore(rsp_conn_send(c, reply, strlen(reply)));
		}
	}
}
