/*
 * One thing is not passed on: the packets bs and bc (step and continue backwards). Outside replay QEMU 7.2 answers them
 * with E22 and then aborts, and no client may cost the VM. They get the empty reply, which says "not supported". Source:
 * GDB's manual, node Packets; gdbstub.c of QEMU.
 */
#include "supervisor/relay.h"

#include <stdbool.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/stream.h"

enum filter_state {
	FILTER_OUTSIDE,
	FILTER_HEAD, /* behind $: may become bs or bc */
	FILTER_BODY,
	FILTER_SUM, /* the two digits behind # */
};

/* Where we are in what the client sends. */
struct filter {
	enum filter_state state;
	char head[4]; /* "$bs#" as far as it came; not passed on yet */
	size_t len;
	unsigned int digits; /* of the sum that are to come */
	bool drop;           /* the packet is not passed on */
};

struct relay {
	struct loop *loop;
	struct stream *sides[2]; /* the client, the stub */
	struct filter filter;
};

enum { BACKLOG_MAX = 1 << 20 };

static struct stream *other_side(const struct relay *r, const struct stream *s)
{
	return r->sides[s == r->sides[0]];
}

/* What is held may still become one of the two. */
static bool may_be_reverse(const struct filter *f)
{
	return (f->len < 2 || f->head[1] == 'b') && (f->len < 3 || f->head[2] == 's' || f->head[2] == 'c') &&
	       (f->len < 4 || f->head[3] == '#');
}

/* One byte of the client's: appends to *out what the stub gets. True if the client is owed the empty reply. */
static bool filter_byte(struct filter *f, char c, struct buf *out)
{
	switch (f->state) {
	case FILTER_OUTSIDE:
		if (c != '$') {
			buf_putc(out, c);
			return false;
		}
		f->head[0] = c;
		f->len = 1;
		f->drop = false;
		f->state = FILTER_HEAD;
		return false;
	case FILTER_HEAD:
		f->head[f->len++] = c;
		if (may_be_reverse(f)) {
			if (f->len < sizeof(f->head))
				return false;
			f->drop = true;
		} else {
			buf_append(out, f->head, f->len);
		}
		f->state = c == '#' ? FILTER_SUM : FILTER_BODY;
		f->digits = 2;
		return false;
	case FILTER_BODY:
		buf_putc(out, c);
		if (c == '#')
			f->state = FILTER_SUM;
		return false;
	case FILTER_SUM:
		if (!f->drop)
			buf_putc(out, c);
		if (--f->digits)
			return false;
		f->state = FILTER_OUTSIDE;
		return f->drop;
	}
	return false;
}

static struct err *on_client_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	static const char unsupported[] = "+$#00";
	struct relay *r = user;
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		if (filter_byte(&r->filter, bytes[i], &out))
			stream_write(s, unsupported, strlen(unsupported));
	}
	stream_write(r->sides[1], buf_str(&out), out.len);
	if (stream_pending(r->sides[1]) > BACKLOG_MAX)
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
	return e;
}
