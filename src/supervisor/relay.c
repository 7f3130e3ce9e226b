#include "supervisor/relay.h"

#include "base/loop.h"
#include "base/stream.h"

struct relay {
	struct loop *loop;
	struct stream *sides[2]; /* the client, the stub */
};

enum { BACKLOG_MAX = 1 << 20 };

static struct stream *other_side(const struct relay *r, const struct stream *s)
{
	return r->sides[s == r->sides[0]];
}

static struct err *on_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct relay *r = user;
	struct stream *to = other_side(r, s);

	stream_write(to, bytes, len);
	if (stream_pending(to) > BACKLOG_MAX)
		stream_pause(s, true);
	return NULL;
}

static struct err *on_drained(struct stream *s, void *user)
{
	stream_pause(other_side(user, s), false);
	return NULL;
}

static struct err *on_closed(struct stream *s, void *user)
{
	struct relay *r = user;

	(void)s;
	loop_quit(r->loop);
	return NULL;
}

static const struct stream_callbacks callbacks = { .data = on_data, .closed = on_closed, .drained = on_drained };

struct err *relay_run(int client_fd, int stub_fd)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct relay r = { .loop = loop };
	struct err *e;

	r.sides[0] = stream_create(loop, dup(client_fd), false, &callbacks, &r);
	r.sides[1] = stream_create(loop, dup(stub_fd), false, &callbacks, &r);
	e = loop_run(loop);
	stream_destroy(r.sides[0]);
	stream_destroy(r.sides[1]);
	return e;
}
