/*
 * Theory of operation. Bytes go from one side to the other; what the client sends goes through packets.h.
 *
 * A guest's reset stops the VM, which the stub tells the client, and the supervisor then resets it by QMP. A client that
 * goes on before that isn't heard: QEMU drops the wish. So from the stub's word on, wishes to go on are held until
 * the supervisor has said that it is done. Its word may overtake the stub's on the way through poll(2), but not in the
 * sockets: QEMU wrote to the stub's before it answered the supervisor. So the sockets are looked at once more first.
 */
#include "supervisor/relay.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/stream.h"
#include "base/util.h"
#include "supervisor/packets.h"

struct relay {
	struct loop *loop;
	struct stream *sides[2]; /* the client, the stub */
	struct packets packets;
	struct packets_watch watch;
	struct loop_source *word;
	unsigned int looks; /* at the sockets, since the supervisor's word */
};

enum {
	BACKLOG_MAX = 1 << 20,
	LOOKS = 2, /* one round of the loop in which they were not looked at yet, and one in which they were */
};

static bool is_choked(const struct relay *r)
{
	/* A client that reads none of our own answers is not to fill the memory with them, either. */
	return stream_pending(r->sides[1]) + packets_held(&r->packets) > BACKLOG_MAX ||
	       stream_pending(r->sides[0]) > BACKLOG_MAX;
}

static struct err *on_client_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct relay *r = user;
	_cleanup_(buf_deinit) struct buf to_stub = BUF_INIT, to_client = BUF_INIT;

	packets_feed(&r->packets, bytes, len, &to_stub, &to_client);
	stream_write(s, buf_str(&to_client), to_client.len);
	stream_write(r->sides[1], buf_str(&to_stub), to_stub.len);
	if (is_choked(r))
		stream_pause(s, true);
	return NULL;
}

static struct err *on_stub_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct relay *r = user;

	if (packets_watch_reset(&r->watch, bytes, len))
		packets_hold(&r->packets);
	stream_write(r->sides[0], bytes, len);
	if (stream_pending(r->sides[0]) > BACKLOG_MAX)
		stream_pause(s, true);
	return NULL;
}

static struct err *on_drained(struct stream *s, void *user)
{
	struct relay *r = user;

	(void)s;
	if (!is_choked(r))
		stream_pause(r->sides[0], false);
	if (stream_pending(r->sides[0]) <= BACKLOG_MAX)
		stream_pause(r->sides[1], false);
	return NULL;
}

static struct err *on_look(struct loop_source *source, int fd, short revents, void *user)
{
	_cleanup_(buf_deinit) struct buf to_stub = BUF_INIT;
	struct relay *r = user;

	(void)source;
	(void)fd;
	(void)revents;
	if (++r->looks < LOOKS) {
		loop_add_timer(r->loop, now_ns(), on_look, r);
		return NULL;
	}
	packets_release(&r->packets, &to_stub);
	stream_write(r->sides[1], buf_str(&to_stub), to_stub.len);
	return on_drained(r->sides[1], r);
}

static struct err *on_word(struct loop_source *source, int fd, short revents, void *user)
{
	struct relay *r = user;
	char word[16];

	(void)revents;
	if (read(fd, word, sizeof(word)) <= 0) {
		loop_remove(source);
		r->word = NULL;
	}
	r->looks = 0;
	loop_add_timer(r->loop, now_ns(), on_look, r);
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

struct err *relay_run(const struct debugport_session *session, void *user)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct relay r = { .loop = loop };
	struct err *e;

	(void)user;
	r.sides[0] = stream_create(loop, dup(session->client_fd), false, &client_callbacks, &r);
	r.sides[1] = stream_create(loop, dup(session->stub_fd), false, &stub_callbacks, &r);
	r.word = loop_add_fd(loop, session->word_fd, POLLIN, on_word, &r);
	e = loop_run(loop);
	loop_remove(r.word);
	stream_destroy(r.sides[0]);
	stream_destroy(r.sides[1]);
	packets_deinit(&r.packets);
	return e;
}
