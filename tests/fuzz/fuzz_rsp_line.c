/*
 * Fuzzes a line that a console and a debugger share: each byte comes out once, in order, as text or as part of a packet, however
 * the stream was cut; and what is a packet is a whole one, or an acknowledgment. The input is a configuration, then records:
 * what happens (received, sent, another state, given up), a length, so many bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "rsp/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STOPPED = 1, KNOWS = 2, OUTPUT = 4, LEFT = 8 };
enum { RECEIVED, SENT, STATE, GIVEN_UP, KINDS_N };

struct side {
	struct rsp_line line;
	struct buf all, kinds; /* the bytes that came out, and of each whether it was a packet's */
};

static void put(bool is_packet, const char *bytes, size_t len, void *user)
{
	struct side *s = user;

	if (!len || (is_packet && len != 1 && (bytes[0] != '$' || len < 4 || bytes[len - 3] != '#')))
		abort();
	if (is_packet && len == 1 && bytes[0] != '+' && bytes[0] != '-')
		abort();
	buf_append(&s->all, bytes, len);
	for (size_t i = 0; i < len; i++)
		buf_putc(&s->kinds, is_packet ? 'p' : 't');
}

static bool stopped(void *user, bool leaves)
{
	return *(const uint8_t *)user & (leaves ? LEFT : STOPPED);
}

static void step(struct side *s, uint8_t kind, const char *bytes, size_t len, bool apart)
{
	switch (kind % KINDS_N) {
	case RECEIVED:
		for (size_t i = 0; i < (apart ? len : 1); i++)
			rsp_line_feed(&s->line, bytes + i, apart ? 1 : len, put, s);
		break;
	case SENT:
		rsp_line_sent(&s->line, bytes, len);
		break;
	case STATE:
		rsp_line_set_state(&s->line, (enum rsp_line_state)(len % (RSP_LINE_RUNS + 1)));
		break;
	case GIVEN_UP:
		rsp_line_give_up(&s->line, put, s);
		break;
	}
}

static void side_deinit(struct side *s)
{
	rsp_line_deinit(&s->line);
	buf_deinit(&s->all);
	buf_deinit(&s->kinds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole = { .line = RSP_LINE_INIT }, apart = { .line = RSP_LINE_INIT };
	_cleanup_(buf_deinit) struct buf received = BUF_INIT;
	uint8_t config = size ? data[0] : 0;

	if (config & KNOWS)
		whole.line.is_stopped = apart.line.is_stopped = stopped;
	whole.line.user = apart.line.user = &config;
	whole.line.takes_output = apart.line.takes_output = config & OUTPUT;
	for (size_t i = 1; i + 1 < size;) {
		size_t len = MIN((size_t)data[i + 1], size - i - 2);
		const char *bytes = (const char *)data + i + 2;

		step(&whole, data[i], bytes, len, false);
		step(&apart, data[i], bytes, len, true);
		if (data[i] % KINDS_N == RECEIVED)
			buf_append(&received, bytes, len);
		if (rsp_line_held(&whole.line) > RSP_LINE_PACKET_MAX)
			abort();
		i += 2 + len;
	}
	rsp_line_give_up(&whole.line, put, &whole);
	rsp_line_give_up(&apart.line, put, &apart);
	if (whole.all.len != received.len || apart.all.len != received.len)
		abort();
	if (received.len && (memcmp(whole.all.data, received.data, received.len) != 0 ||
			     memcmp(apart.all.data, received.data, received.len) != 0 ||
			     memcmp(whole.kinds.data, apart.kinds.data, received.len) != 0))
		abort();
	side_deinit(&whole);
	side_deinit(&apart);
	return 0;
}
