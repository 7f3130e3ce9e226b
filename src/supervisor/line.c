#include "supervisor/line.h"

#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"

enum {
	HEADER = 5,              /* word, size (little endian) */
	UNCLEAR_MAX = 16 << 20,  /* that a server process hasn't told of */
	MESSAGES_MAX = 16 << 20, /* that wait for a BREAK to be sent */
};

/* --- Messages --- */

void line_put(struct buf *b, enum line_word word, const void *bytes, size_t size)
{
	buf_putc(b, (char)word);
	for (int i = 0; i < 4; i++)
		buf_putc(b, (char)(size >> 8 * i));
	if (bytes)
		buf_append(b, bytes, size);
}

enum line_parsed line_parse(const char *bytes, size_t len, struct line_message *ret, size_t *ret_len)
{
	uint32_t size = 0;
	bool follow;

	if (len < HEADER)
		return LINE_PART;
	for (int i = 0; i < 4; i++)
		size |= (uint32_t)(unsigned char)bytes[1 + i] << 8 * i;
	if ((unsigned char)bytes[0] >= LINE_WORDS_N)
		return LINE_BAD;
	follow = bytes[0] == LINE_WRITE || bytes[0] == LINE_BREAK;
	if (follow && size > LINE_MESSAGE_MAX)
		return LINE_BAD;
	if (follow && len - HEADER < size)
		return LINE_PART;
	*ret = (struct line_message){ (enum line_word)bytes[0], size, bytes + HEADER };
	*ret_len = HEADER + (follow ? size : 0);
	return LINE_WHOLE;
}

/* --- The line --- */

struct line {
	struct loop *loop;
	const struct line_callbacks *callbacks;
	void *user;
	struct stream *server;  /* NULL: nobody shares it */
	struct buf unclear;     /* what the server process was given and has not told of, */
	size_t told;            /* but for so many bytes at the start */
	struct buf messages;    /* the server process's, not understood yet */
	struct buf after_break; /* for the guest, once the BREAK is sent */
	bool breaking;
	bool obeys; /* obey_all() is at work */
	bool stands, stood;
	bool hung_up;
};

struct line *line_create(struct loop *loop, const struct line_callbacks *callbacks, void *user)
{
	struct line *l = xcalloc(1, sizeof(*l));

	l->loop = loop;
	l->callbacks = callbacks;
	l->user = user;
	return l;
}

void line_destroy(struct line *l)
{
	if (!l)
		return;
	stream_destroy(l->server);
	buf_deinit(&l->unclear);
	buf_deinit(&l->messages);
	buf_deinit(&l->after_break);
	free(l);
}

bool line_is_shared(const struct line *l)
{
	return l->server;
}

bool line_stood(const struct line *l)
{
	return l->stood;
}

static void set_stands(struct line *l, bool stands)
{
	if (l->stands == stands)
		return;
	l->stands = stands;
	l->callbacks->stands(stands, l->user);
}

static void fail(struct line *l, const char *why)
{
	log_warn("the debug server is ended: %s", why);
	line_unshare(l);
	l->callbacks->broken(l->user);
}

/* The server process has told of the next bytes. False: there are not so many. */
static bool tell(struct line *l, bool is_text, size_t size)
{
	if (size > l->unclear.len - l->told)
		return false;
	if (is_text && size)
		l->callbacks->text(l->unclear.data + l->told, size, l->user);
	l->told += size;
	/* Moving the rest to the front each time would cost more than showing it. */
	if (l->told > l->unclear.len / 2) {
		buf_consume(&l->unclear, l->told);
		l->told = 0;
	}
	return true;
}

static void begin_break(struct line *l, const struct line_message *m)
{
	buf_append(&l->after_break, m->bytes, m->size);
	l->breaking = true;
	if (l->callbacks->send_break)
		l->callbacks->send_break(l->user);
	else
		line_break_done(l);
}

/* False: it makes no sense. */
static bool obey(struct line *l, const struct line_message *m)
{
	switch (m->word) {
	case LINE_TEXT:
	case LINE_PACKET:
		return tell(l, m->word == LINE_TEXT, m->size);
	case LINE_WRITE:
		l->callbacks->write(m->bytes, m->size, false, l->user);
		return true;
	case LINE_BREAK:
		begin_break(l, m);
		return true;
	case LINE_STANDS:
	case LINE_RUNS:
		l->stood = m->word == LINE_STANDS;
		set_stands(l, l->stood);
		return true;
	case LINE_WORDS_N:
		break;
	}
	return false;
}

/* What comes behind a BREAK waits for it. One that is sent at once has that done here, by the loop that sent it. */
static void obey_all(struct line *l)
{
	size_t done = 0, n = 0;

	if (l->obeys)
		return;
	l->obeys = true;
	while (l->server && !l->breaking) {
		struct line_message m;
		enum line_parsed parsed = line_parse(buf_str(&l->messages) + done, l->messages.len - done, &m, &n);

		if (parsed == LINE_PART)
			break;
		if (parsed == LINE_BAD || !obey(l, &m)) {
			fail(l, "what it says of the serial line makes no sense");
			done = 0;
			break;
		}
		done += n;
	}
	l->obeys = false;
	buf_consume(&l->messages, done);
}

void line_break_done(struct line *l)
{
	_cleanup_(buf_deinit) struct buf bytes = l->after_break;

	if (!l->breaking)
		return;
	l->breaking = false;
	l->after_break = (struct buf)BUF_INIT;
	if (bytes.len)
		l->callbacks->write(bytes.data, bytes.len, true, l->user);
	obey_all(l);
}

static struct err *on_messages(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct line *l = user;
	bool was_breaking = l->breaking;

	(void)s;
	if (l->hung_up)
		return NULL;
	buf_append(&l->messages, bytes, len);
	if (l->messages.len > MESSAGES_MAX)
		fail(l, "it says too much of the serial line");
	else if (!was_breaking)
		obey_all(l);
	return NULL;
}

void line_catch_up(struct line *l)
{
	char bytes[4096];
	ssize_t n;

	while (l->server && (n = recv(stream_fd(l->server), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		err_ignore(on_messages(l->server, bytes, (size_t)n, l));
}

static struct err *on_server_closed(struct stream *s, void *user)
{
	(void)s;
	line_unshare(user);
	return NULL;
}

static const struct stream_callbacks server_callbacks = { .data = on_messages, .closed = on_server_closed };

struct err *line_share(struct line *l, int *ret)
{
	int ours, theirs;

	line_unshare(l);
	TRY(sock_pair(&ours, &theirs));
	l->server = stream_create(l->loop, ours, false, &server_callbacks, l);
	l->hung_up = false;
	*ret = theirs;
	return NULL;
}

static void forget(struct line *l)
{
	if (l->unclear.len > l->told)
		l->callbacks->text(l->unclear.data + l->told, l->unclear.len - l->told, l->user);
	buf_clear(&l->unclear);
	l->told = 0;
	buf_clear(&l->messages);
	buf_clear(&l->after_break);
	l->breaking = false;
	set_stands(l, false);
}

void line_unshare(struct line *l)
{
	stream_destroy(steal(&l->server));
	forget(l);
}

void line_hang_up(struct line *l)
{
	if (!l->server)
		return;
	l->hung_up = true;
	l->stood = false;
	shutdown(stream_fd(l->server), SHUT_WR);
	forget(l);
}

void line_feed(struct line *l, const char *bytes, size_t len)
{
	if (!l->server || l->hung_up) {
		l->callbacks->text(bytes, len, l->user);
		return;
	}
	buf_append(&l->unclear, bytes, len);
	stream_write(l->server, bytes, len);
	if (l->unclear.len - l->told > UNCLEAR_MAX)
		fail(l, "it doesn't read the serial line");
}
