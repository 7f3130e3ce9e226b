/*
 * Theory of operation. All bytes of the line come through here, whether or not somebody wants a packet at the moment: what is
 * the console's must not wait. rsp/line.h says what each of them is; packets' bytes go to the connection with the stub, and of
 * all bytes it is told what they were, in order.
 *
 * A stop reply of a kernel whose memory can't be seen may be something that a program printed. Then nothing is told until a
 * question was answered, or wasn't.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/util.h"
#include "target/kgdb_private.h"

enum {
	REPLY_MAX = 1 << 14,
	HEARD_MAX = 1024,
	/*
	 * How long a $ alone is held that a kernel wrote which runs: it is a prompt, or the beginning of a stop reply whose rest is
	 * on its way through a network; and what looks like a packet, or can be nothing else.
	 */
	ALONE_MS = 300,
	PART_MS = 2000,
	RETRANSMIT_MS = 3000,
};

struct verdict {
	bool is_packet;
	size_t len;
};

static void tell(struct kgdb_wire *w, const struct kgdb_line *line)
{
	for (size_t at = 0; at < w->verdicts.len; at += sizeof(struct verdict)) {
		struct verdict v;

		memcpy(&v, w->verdicts.data + at, sizeof(v));
		line->tell(line->user, v.is_packet, v.len);
	}
	buf_clear(&w->verdicts);
}

static void note_verdict(struct kgdb_wire *w, bool is_packet, size_t len)
{
	struct verdict v = { is_packet, len };
	struct verdict *last = w->verdicts.len
				       ? (struct verdict *)(void *)(w->verdicts.data + w->verdicts.len - sizeof(v))
				       : NULL;

	if (last && last->is_packet == is_packet)
		last->len += len;
	else
		buf_append(&w->verdicts, &v, sizeof(v));
}

static void sort_out(bool is_packet, const char *bytes, size_t len, void *user)
{
	struct kgdb_target *k = user;
	struct kgdb_wire *w = &k->wire;

	/* Only a packet that ended the kernel's run can be in doubt; what came before it isn't. */
	if (is_packet && len > 1 && !w->unsure && k->state != KGDB_STANDS && kgdb_active_cpu(k) == KGDB_CPU_UNKNOWN &&
	    !rsp_is_output(bytes + 1, len - 4)) {
		tell(w, &k->params.line);
		w->unsure = true;
	}
	note_verdict(w, is_packet, len);
	if (is_packet) {
		buf_append(&w->in, bytes, len);
		return;
	}
	buf_append(&w->heard, bytes, len);
	if (w->heard.len > HEARD_MAX)
		buf_consume(&w->heard, w->heard.len - HEARD_MAX);
}

static void write_all(struct kgdb_target *k, const char *bytes, size_t len)
{
	(void)!k->params.line.write(k->params.line.user, bytes, len);
}

/* False: there was nothing. */
static bool take_in(struct kgdb_target *k)
{
	struct kgdb_wire *w = &k->wire;
	char bytes[4096];
	ssize_t n = w->ended ? 0 : k->params.line.read(k->params.line.user, bytes, sizeof(bytes));

	if (n <= 0) {
		w->ended = w->ended || n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
		return false;
	}
	w->heard_ns = now_ns();
	rsp_line_feed(&w->line, bytes, (size_t)n, sort_out, k);
	if (w->line.damaged)
		write_all(k, "-", 1);
	w->line.damaged = false;
	if (!w->unsure)
		tell(w, &k->params.line);
	return true;
}

/* --- The connection's side --- */

static ssize_t read_packets(void *user, void *ret, size_t len)
{
	struct kgdb_target *k = user;
	struct kgdb_wire *w = &k->wire;
	size_t n;

	kgdb_wire_expire(k);
	/* All that there is, but not a flood for ever. */
	for (int i = 0; i < 256 && !w->in.len && take_in(k); i++)
		;
	n = MIN(w->in.len, len);
	if (n) {
		memcpy(ret, w->in.data, n);
		buf_consume(&w->in, n);
		return (ssize_t)n;
	}
	if (w->ended)
		return 0;
	errno = EAGAIN;
	return -1;
}

static ssize_t write_packets(void *user, const void *bytes, size_t len)
{
	struct kgdb_target *k = user;
	ssize_t n = k->params.line.write(k->params.line.user, bytes, len);

	if (n > 0)
		rsp_line_sent(&k->wire.line, bytes, (size_t)n);
	return n;
}

/* That it has left can't be asked, as a stop can: where it isn't seen, it is text. */
static bool has_stopped(void *user, bool leaves)
{
	const struct kgdb_target *k = user;

	if (leaves)
		return k->params.has_left && k->params.has_left(k->params.user);
	return kgdb_active_cpu(k) != KGDB_NO_CPU;
}

void kgdb_wire_init(struct kgdb_target *k)
{
	k->wire.line = (struct rsp_line)RSP_LINE_INIT;
	k->wire.line.takes_output = k->params.takes_output;
	/* Where nobody can see it, it is asked for: see sort_out(). */
	if (k->params.active_cpu)
		k->wire.line.is_stopped = has_stopped;
	k->wire.line.user = k;
	k->transport = (struct rsp_transport){ read_packets, write_packets, k };
}

void kgdb_wire_deinit(struct kgdb_target *k)
{
	struct kgdb_wire *w = &k->wire;

	rsp_client_destroy(steal(&k->stub));
	w->unsure = false;
	/* Whatever is not clear at the end is the console's, and told by nobody. */
	tell(w, &k->params.line);
	rsp_line_deinit(&w->line);
	buf_deinit(&w->in);
	buf_deinit(&w->verdicts);
	buf_deinit(&w->heard);
}

void kgdb_wire_connect(struct kgdb_target *k)
{
	rsp_client_destroy(k->stub);
	buf_clear(&k->wire.in);
	k->stub = rsp_client_create(k->params.line.fd, REPLY_MAX);
	rsp_conn_set_transport(rsp_client_conn(k->stub), &k->transport);
	rsp_client_set_retransmit(k->stub, RETRANSMIT_MS);
	if (k->params.tap)
		rsp_conn_set_tap(rsp_client_conn(k->stub), k->params.tap, k->params.tap_user);
}

void kgdb_wire_confirm(struct kgdb_target *k, bool was_stop)
{
	struct kgdb_wire *w = &k->wire;

	for (size_t at = 0; !was_stop && at < w->verdicts.len; at += sizeof(struct verdict))
		((struct verdict *)(void *)(w->verdicts.data + at))->is_packet = false;
	w->unsure = false;
	tell(w, &k->params.line);
}

/* --- Time --- */

int kgdb_wire_timeout_ms(const struct kgdb_target *k)
{
	const struct kgdb_wire *w = &k->wire;
	size_t held = rsp_line_held(&w->line);
	bool is_packet = held > 1 || w->line.state == RSP_LINE_STANDS;
	uint64_t since = (now_ns() - w->heard_ns) / NSEC_PER_MSEC, limit = is_packet ? PART_MS : ALONE_MS;

	if (!held)
		return -1;
	return since < limit ? (int)(limit - since) : 0;
}

void kgdb_wire_expire(struct kgdb_target *k)
{
	if (kgdb_wire_timeout_ms(k) != 0)
		return;
	rsp_line_give_up(&k->wire.line, sort_out, k);
	if (!k->wire.unsure)
		tell(&k->wire, &k->params.line);
}

void kgdb_wire_type(struct kgdb_target *k, const char *text)
{
	write_all(k, text, strlen(text));
}

void kgdb_wire_wait(struct kgdb_target *k, int timeout_ms)
{
	struct pollfd p = { .fd = k->params.line.fd, .events = POLLIN };

	poll(&p, 1, timeout_ms);
	if (p.revents)
		take_in(k);
}
