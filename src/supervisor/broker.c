/*
 * Theory of operation
 *
 * Frames are passed on as they are, but for their channel: a client doesn't know its own. Of what the guest writes only
 * the headers are read, and the type, for END: then the channel is free again.
 *
 * What waits here is bounded. Towards the guest: when much waits, no client is read. Towards a client: a guest that keeps
 * to the rules has sent no more than the client gave it credit for; one that does not has the channel closed.
 *
 * When the agent ends, or the guest is reset, bytes for the old agent may be under way. So the connection to QEMU is
 * closed and made anew, and begins with what lets both sides find the beginning (protocol.h).
 */
#include "supervisor/broker.h"

#include <errno.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"
#include "guest/frame.h"

enum {
	CLIENTS_MAX = 64,
	PORT_BACKLOG_MAX = 256 << 10,
	/* Both streams' credit, headers, and what is not counted. */
	CLIENT_BACKLOG_MAX = 4 * KTB_AGENT_WINDOW,
	CHANNELS = 1 << 16,
	FAULTS_MAX = 8, /* of the guest's, before nothing more is expected of it */
};

struct client {
	struct client *next;
	struct broker *broker;
	struct stream *stream;
	struct buf in;    /* an unfinished frame, or what waits for the agent */
	uint16_t channel; /* 0: has sent nothing yet */
	bool ended;       /* its END is on its way to it: it will close, and what it still says is dropped */
};

struct broker {
	struct loop *loop;
	int dir_fd;
	struct stream *port;
	uint64_t number; /* of this connection's SYNC */
	bool synced;
	unsigned int faults;
	struct buf in; /* from the guest: an unfinished frame */
	struct client *clients;
	size_t clients_n;
	uint16_t last_channel;
	bool busy[CHANNELS]; /* until the guest's END */
};

static void drop_client(struct client *c)
{
	struct broker *b = c->broker;

	for (struct client **p = &b->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			b->clients_n--;
			break;
		}
	}
	stream_destroy(c->stream);
	buf_deinit(&c->in);
	free(c);
}

/* The client is no longer interested, or not to be served any longer. */
static void close_channel(struct client *c)
{
	uint8_t frame[KTB_FRAME_SMALL];

	if (c->channel && !c->ended)
		stream_write(c->broker->port, frame, frame_put_plain(frame, KTB_AGENT_CLOSE, c->channel));
	drop_client(c);
}

/* --- From clients --- */

static bool choose_channel(struct client *c)
{
	struct broker *b = c->broker;

	for (unsigned int i = 0; i < CHANNELS; i++) {
		b->last_channel++;
		if (b->last_channel && !b->busy[b->last_channel]) {
			b->busy[b->last_channel] = true;
			c->channel = b->last_channel;
			return true;
		}
	}
	return false;
}

/* Passes on the whole frames that have come. False: the client is gone. */
static bool pass_to_guest(struct client *c)
{
	enum frame_status status = FRAME_PARTIAL;
	size_t used = 0;
	struct frame f;

	if (!c->broker->synced)
		return true;
	while (c->in.len &&
	       (status = frame_parse((const uint8_t *)c->in.data + used, c->in.len - used, &f)) == FRAME_COMPLETE) {
		uint8_t *frame = (uint8_t *)c->in.data + used;

		if (!c->channel && (f.type != KTB_AGENT_OPEN || !choose_channel(c))) {
			drop_client(c);
			return false;
		}
		frame_set_channel(frame, c->channel);
		stream_write(c->broker->port, frame, frame_size(&f));
		used += frame_size(&f);
	}
	buf_consume(&c->in, used);
	if (status != FRAME_TOO_LONG)
		return true;
	close_channel(c);
	return false;
}

static void pause_clients(const struct broker *b, bool pause)
{
	for (struct client *c = b->clients; c; c = c->next)
		stream_pause(c->stream, pause);
}

static struct err *on_client_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct client *c = user;
	struct broker *b = c->broker;

	if (c->ended)
		return NULL;
	buf_append(&c->in, bytes, len);
	/* Nothing is read of one that waits but its OPEN, and what came with it. */
	if (!b->synced)
		stream_pause(s, true);
	if (pass_to_guest(c) && stream_pending(b->port) > PORT_BACKLOG_MAX)
		pause_clients(b, true);
	return NULL;
}

static struct err *on_client_closed(struct stream *s, void *user)
{
	(void)s;
	close_channel(user);
	return NULL;
}

static const struct stream_callbacks client_callbacks = {
	.data = on_client_data,
	.closed = on_client_closed,
};

static void add_client(struct broker *b, int fd)
{
	struct client *c;

	if (b->clients_n >= CLIENTS_MAX) {
		log_warn("more than %d commands at a time in the guest: one was refused", CLIENTS_MAX);
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->broker = b;
	c->stream = stream_create(b->loop, fd, false, &client_callbacks, c);
	c->next = b->clients;
	b->clients = c;
	b->clients_n++;
	if (stream_pending(b->port) > PORT_BACKLOG_MAX)
		stream_pause(c->stream, true);
}

/* --- From the guest --- */

static struct client *find_client(const struct broker *b, uint16_t channel)
{
	for (struct client *c = b->clients; c; c = c->next) {
		if (c->channel == channel && !c->ended)
			return c;
	}
	return NULL;
}

static void pass_to_client(struct broker *b, const struct frame *f)
{
	struct client *c = f->channel ? find_client(b, f->channel) : NULL;
	bool end = f->type == KTB_AGENT_END;

	if (end)
		b->busy[f->channel] = false;
	if (!c)
		return;
	stream_write(c->stream, f->payload - KTB_FRAME_HEADER, frame_size(f));
	/* The client closes: one that still writes when it is closed upon could lose what it has not read yet. */
	if (end) {
		c->ended = true;
	} else if (stream_pending(c->stream) > CLIENT_BACKLOG_MAX) {
		log_warn("the guest sends more than it was asked for; the command was given up");
		close_channel(c);
	}
}

static struct err *connect_port(struct broker *b);

static void resume_clients(struct broker *b)
{
	pause_clients(b, false);
	for (struct client *c = b->clients, *next; c; c = next) {
		next = c->next;
		pass_to_guest(c);
	}
}

static struct err *take_bytes(struct broker *b)
{
	enum frame_status status = FRAME_PARTIAL;
	size_t used = 0;
	struct frame f;

	while (!b->synced) {
		uint64_t number;
		size_t n;
		bool found = frame_find_sync((const uint8_t *)b->in.data + used, b->in.len - used, &number, &n);

		used += n;
		if (!found)
			break;
		if (number != b->number)
			continue;
		b->synced = true;
		resume_clients(b);
	}
	while (b->synced && b->in.len &&
	       (status = frame_parse((const uint8_t *)b->in.data + used, b->in.len - used, &f)) == FRAME_COMPLETE) {
		pass_to_client(b, &f);
		used += frame_size(&f);
	}
	buf_consume(&b->in, used);
	if (status != FRAME_TOO_LONG)
		return NULL;
	if (++b->faults > FAULTS_MAX)
		return err_create(ERR_BAD_DATA, "it goes on sending what makes no sense");
	log_warn("the guest's agent sent what makes no sense; its commands were given up");
	return connect_port(b);
}

static struct err *on_port_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct broker *b = user;

	(void)s;
	buf_append(&b->in, bytes, len);
	return take_bytes(b);
}

static struct err *on_port_closed(struct stream *s, void *user)
{
	struct broker *b = user;

	(void)s;
	loop_quit(b->loop);
	return NULL;
}

static struct err *on_port_drained(struct stream *s, void *user)
{
	(void)s;
	pause_clients(user, false);
	return NULL;
}

static const struct stream_callbacks port_callbacks = {
	.data = on_port_data,
	.closed = on_port_closed,
	.drained = on_port_drained,
};

/* For the first time, or anew: those that were served are not any more. */
static struct err *connect_port(struct broker *b)
{
	_cleanup_(free) char *filler = xmalloc(KTB_AGENT_FILLER);
	uint8_t frame[KTB_SYNC_SIZE];
	int fd;

	for (struct client *c = b->clients, *next; c; c = next) {
		next = c->next;
		if (c->channel)
			drop_client(c);
	}
	stream_destroy(steal(&b->port));
	buf_clear(&b->in);
	memset(b->busy, 0, sizeof(b->busy));
	b->synced = false;
	if (getrandom(&b->number, sizeof(b->number), 0) != sizeof(b->number))
		return err_os(errno, "get a random number");
	TRY(sock_connect_at(b->dir_fd, "agent.sock", &fd));
	b->port = stream_create(b->loop, fd, false, &port_callbacks, b);
	memset(filler, 0xff, KTB_AGENT_FILLER);
	stream_write(b->port, filler, KTB_AGENT_FILLER);
	stream_write(b->port, frame, frame_put_sync(frame, b->number));
	return NULL;
}

/* --- From the supervisor --- */

static struct err *on_message(struct loop_source *source, int fd, short revents, void *user)
{
	struct broker *b = user;
	int client_fd;
	char message;
	size_t n;

	(void)source;
	(void)revents;
	TRY(sock_receive_fd(fd, &message, 1, &n, &client_fd));
	if (!n) {
		loop_quit(b->loop);
		return NULL;
	}
	if (client_fd >= 0)
		add_client(b, client_fd);
	if (message == BROKER_GUEST_CLOSED)
		return connect_port(b);
	return NULL;
}

struct err *broker_run(int supervisor_fd, int dir_fd)
{
	struct broker *b = xcalloc(1, sizeof(*b));
	struct err *e;

	b->loop = loop_create();
	b->dir_fd = dir_fd;
	loop_add_fd(b->loop, supervisor_fd, POLLIN, on_message, b);
	e = connect_port(b);
	if (!e)
		e = loop_run(b->loop);
	while (b->clients)
		drop_client(b->clients);
	stream_destroy(b->port);
	buf_deinit(&b->in);
	loop_destroy(b->loop);
	free(b);
	return e;
}
