#include "supervisor/relay.h"

#include "base/buf.h"
#include "base/loop.h"
#include "base/stream.h"
#include "base/util.h"
#include "supervisor/packets.h"

struct relay {
	struct loop *loop;
	struct stream *sides[2]; /* the client, the stub */
	struct packets packets;
};

enum { BACKLOG_MAX = 1 << 20 };

static struct err *on_client_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct relay *r = user;
	_cleanup_(buf_deinit) struct buf to_stub = BUF_INIT, to_client = BUF_INIT;

	packets_feed(&r->packets, bytes, len, &to_stub, &to_client);
	stream_write(s, buf_str(&to_client), to_client.len);
	stream_write(r->sides[1], buf_str(&to_stub), to_stub.len);
	/* A client that reads none of our own answers is not to fill the memory with them, either. */
	if (stream_pending(r->sides[1]) > BACKLOG_MAX || stream_pending(s) > BACKLOG_MAX)
		stream_pause(s, true);
	return NULL;
}

static struct err *on_stub_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct relay *r = user;

	stream_write(r->sides[0], bytes, len);
	if (stream_pending(r->sides[0]) > BACKLOG_MAX)
		stream_pause(s, true);
	return NULL;
}

static struct err *on_drained(struct stream *s, void *user)
{
	struct relay *r = user;

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(r->sides); i++) {
		if (stream_pending(r->sides[!i]) <= BACKLOG_MAX && stream_pending(r->sides[0]) <= BACKLOG_MAX)
			stream_pause(r->sides[i], false);
	}
	return NULL;
}

static struct err *on_closed(struct stream *s, void *user)
{
	struct relay *r = user;

	(void)s;
	loop_quit(r->loop);
	return NULL;
}

static const struct stream_callbacks client_callbacks = {
	.data = on_client_data,
	.closed = on_closed,
	.drained = on_drained,
};
static const struct stream_callbacks stub_callbacks = {
	.data = on_stub_data,
	.closed = on_closed,
	.drained = on_drained,
};

struct err *relay_run(int client_fd, int stub_fd)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct relay r = { .loop = loop };
	struct err *e;

	r.sides[0] = stream_create(loop, dup(client_fd), false, &client_callbacks, &r);
	r.sides[1] = stream_create(loop, dup(stub_fd), false, &stub_callbacks, &r);
	e = loop_run(loop);
	stream_destroy(r.sides[0]);
	stream_destroy(r.sides[1]);
	packets_deinit(&r.packets);
	return e;
}
