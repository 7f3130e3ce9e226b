#include "base/stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/util.h"

enum { READ_SIZE = 16384, SHARED_WRITE_SIZE = 512 };

/* See stream_gather(). */
enum { AT_ONCE = 512, STEADY_MS = 20 };

struct stream {
	int fd;
	bool keep_blocking;
	bool no_socket; /* found out by the first write */
	bool paused;
	bool ended; /* nothing more will come */
	bool broken;
	struct loop *loop;
	struct loop_source *source;
	unsigned int gather_ms;
	uint64_t came_ns; /* the last bytes */
	size_t burst;     /* how many came without a pause */
	struct loop_source *rest;
	struct buf out;
	size_t written; /* bytes at the start of out that are gone already */
	const struct stream_callbacks *callbacks;
	void *user;
	bool in_callback;
	bool destroyed; /* in a callback; freed when that has returned */
};

size_t stream_pending(const struct stream *s)
{
	return s->out.len - s->written;
}

static void forget_output(struct stream *s)
{
	buf_clear(&s->out);
	s->written = 0;
}

/* Moving what is left to the front for each write would cost more than writing it. */
static void consume_output(struct stream *s, size_t n)
{
	s->written += n;
	if (s->written == s->out.len) {
		forget_output(s);
	} else if (s->written > s->out.len / 2) {
		buf_consume(&s->out, s->written);
		s->written = 0;
	}
}

static void update_events(struct stream *s)
{
	short events = 0;

	if (!s->paused && !s->ended && !s->rest)
		events |= POLLIN;
	if (stream_pending(s) && !s->broken)
		events |= POLLOUT;
	loop_set_events(s->source, events);
}

/* A broken stream is reported from the loop, never from within stream_write(). */
void stream_flush(struct stream *s)
{
	while (stream_pending(s) && !s->broken) {
		/* A shared descriptor blocks if it is given more than it has room for: poll(2) promises only a little. */
		size_t len = s->keep_blocking ? MIN(stream_pending(s), (size_t)SHARED_WRITE_SIZE) : stream_pending(s);
		ssize_t n = -1;

		if (!s->no_socket) {
			n = send(s->fd, s->out.data + s->written, len, MSG_NOSIGNAL | MSG_DONTWAIT);
			s->no_socket = n < 0 && errno == ENOTSOCK;
		}
		if (s->no_socket)
			n = write(s->fd, s->out.data + s->written, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			s->broken = true;
			forget_output(s);
			break;
		}
		consume_output(s, (size_t)n);
		if (s->keep_blocking)
			break;
	}
	update_events(s);
}

static struct err *report_closed(struct stream *s)
{
	s->ended = true;
	s->broken = true;
	forget_output(s);
	update_events(s);
	return s->callbacks->closed ? s->callbacks->closed(s, s->user) : NULL;
}

static struct err *on_rested(struct loop_source *source, int fd, short revents, void *user)
{
	struct stream *s = user;

	(void)source;
	(void)fd;
	(void)revents;
	s->rest = NULL;
	update_events(s);
	return NULL;
}

static void rest(struct stream *s, size_t n)
{
	uint64_t now = now_ns();

	if (now - s->came_ns > STEADY_MS * NSEC_PER_MSEC)
		s->burst = 0;
	s->came_ns = now;
	s->burst += n;
	if (!s->gather_ms || s->burst <= AT_ONCE)
		return;
	s->rest = loop_add_timer(s->loop, now + s->gather_ms * NSEC_PER_MSEC, on_rested, s);
	update_events(s);
}

static struct err *receive(struct stream *s, size_t *ret_n, bool *ret_closed)
{
	char bytes[READ_SIZE];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return NULL;
	if (n <= 0) {
		*ret_closed = true;
		return NULL;
	}
	*ret_n = (size_t)n;
	return s->callbacks->data ? s->callbacks->data(s, bytes, (size_t)n, s->user) : NULL;
}

static struct err *handle_events(struct stream *s, short revents)
{
	bool closed = false;
	size_t n = 0;

	if ((revents & POLLOUT) && stream_pending(s)) {
		stream_flush(s);
		if (!stream_pending(s) && !s->broken && s->callbacks->drained)
			TRY(s->callbacks->drained(s, s->user));
	}
	if (!s->destroyed && !s->paused && !s->ended && (revents & (POLLIN | POLLHUP | POLLERR)))
		TRY(receive(s, &n, &closed));
	if (!s->destroyed && n && !s->rest)
		rest(s, n);
	/* Paused, and the peer is gone: without a report poll(2) would return at once for ever. */
	if (!s->destroyed && (closed || s->broken || (s->paused && (revents & (POLLHUP | POLLERR)))))
		return report_closed(s);
	return NULL;
}

static struct err *on_ready(struct loop_source *source, int fd, short revents, void *user)
{
	struct stream *s = user;
	struct err *e;

	(void)source;
	(void)fd;
	s->in_callback = true;
	e = handle_events(s, revents);
	s->in_callback = false;
	if (s->destroyed)
		free(s);
	return e;
}

struct err *stream_catch_up(struct stream *s, size_t max)
{
	bool closed = false, nested = s->in_callback;
	struct err *e = NULL;

	s->in_callback = true;
	while (!e && max && !s->destroyed && !s->paused && !s->ended) {
		size_t n = 0;

		e = receive(s, &n, &closed);
		if (!n)
			break;
		max -= MIN(n, max);
	}
	s->in_callback = nested;
	if (s->destroyed && !nested)
		free(s);
	return e;
}

struct stream *stream_create(struct loop *loop, int fd, bool keep_blocking, const struct stream_callbacks *callbacks,
			     void *user)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	if (!keep_blocking)
		set_nonblock(fd, true);
	s->loop = loop;
	s->fd = fd;
	s->keep_blocking = keep_blocking;
	s->callbacks = callbacks;
	s->user = user;
	s->source = loop_add_fd(loop, fd, POLLIN, on_ready, s);
	return s;
}

void stream_destroy(struct stream *s)
{
	if (!s)
		return;
	loop_remove(s->source);
	loop_remove(s->rest);
	close(s->fd);
	buf_deinit(&s->out);
	s->destroyed = true;
	if (!s->in_callback)
		free(s);
}

void stream_write(struct stream *s, const void *data, size_t len)
{
	bool was_empty = !stream_pending(s);

	if (s->broken || !len)
		return;
	buf_append(&s->out, data, len);
	if (was_empty && !s->keep_blocking)
		stream_flush(s);
	else
		update_events(s);
	/* Broken while writing: have the loop call us, by way of the hangup that poll(2) reports unasked. */
	if (s->broken)
		loop_set_events(s->source, POLLIN | POLLOUT);
}

void stream_pause(struct stream *s, bool pause)
{
	s->paused = pause;
	update_events(s);
}

void stream_gather(struct stream *s, unsigned int ms)
{
	s->gather_ms = ms;
	s->burst = 0;
	loop_remove(steal(&s->rest));
	update_events(s);
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}
