#include "supervisor/packets.h"

#include <ctype.h>

#include "base/hmp.h"
#include "base/util.h"

/* Newer QEMUs take 131104 bytes, older ones 4096. */
enum { PACKET_MAX = 256 << 10, COMMAND_MAX = 1024 };

void packets_deinit(struct packets *p)
{
	buf_deinit(&p->packet);
	buf_deinit(&p->held);
}

bool packets_begin_with(char first)
{
	return first == '+' || first == '-' || first == '$' || first == '\003';
}

/* --- The monitor --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The line that a qRcmd packet has behind its comma; false if it is none. */
static bool decode_command(const struct buf *payload, struct buf *ret)
{
	static const char prefix[] = "qRcmd,";
	const size_t start = strlen(prefix);

	if (payload->len < start || memcmp(payload->data, prefix, start) != 0 || (payload->len - start) % 2 ||
	    payload->len > COMMAND_MAX)
		return false;
	for (size_t i = start; i < payload->len; i += 2) {
		int high = hex_digit(payload->data[i]), low = hex_digit(payload->data[i + 1]);

		/* What is behind a NUL would be seen by nobody here. */
		if (high < 0 || low < 0 || !(high || low))
			return false;
		buf_putc(ret, (char)(high << 4 | low));
	}
	return true;
}

/* --- Answers --- */

void packets_put_reply(struct buf *b, const char *payload)
{
	unsigned int sum = 0;

	for (const char *c = payload; *c; c++)
		sum += (unsigned char)*c;
	buf_printf(b, "$%s#%02x", payload, sum & 0xff);
}

/* GDB prints what O packets bring while it waits for the answer; an error then fails the command, in a script, too. */
static void refuse_command(struct buf *to_client, const char *line)
{
	_cleanup_(free) char *refusal = hmp_refusal(line), *text = xasprintf("ktb: %s.\n", refusal);
	_cleanup_(buf_deinit) struct buf hex = BUF_INIT;

	buf_putc(&hex, 'O');
	for (const char *c = text; *c; c++)
		buf_printf(&hex, "%02x", (unsigned char)*c);
	packets_put_reply(to_client, buf_str(&hex));
	packets_put_reply(to_client, "E01");
}

/* --- Packets --- */

/* What the stub makes of the body: each } stands for the byte behind it, with bit 5 turned over. */
static void unescape(const char *body, size_t len, struct buf *ret)
{
	bool escaped = false;

	for (size_t i = 0; i < len; i++) {
		if (escaped)
			buf_putc(ret, (char)(body[i] ^ 0x20));
		else if (body[i] != '}')
			buf_putc(ret, body[i]);
		escaped = !escaped && body[i] == '}';
	}
}

static bool sum_is_right(const struct buf *packet)
{
	const char *digits = packet->data + packet->len - 2;
	unsigned int sum = 0;

	for (const char *c = packet->data + 1; c < digits - 1; c++)
		sum += (unsigned char)*c;
	return hex_digit(digits[0]) == (int)(sum >> 4 & 0xf) && hex_digit(digits[1]) == (int)(sum & 0xf);
}

static bool is_command(const struct buf *payload)
{
	static const char name[] = "Rcmd";

	return payload->len > strlen(name) && (payload->data[0] == 'q' || payload->data[0] == 'Q') &&
	       memcmp(payload->data + 1, name, strlen(name)) == 0;
}

static bool lets_go_on(const struct buf *payload)
{
	static const char prefix[] = "vCont;";

	switch (payload->len ? payload->data[0] : '\0') {
	case 'c':
	case 'C':
	case 's':
	case 'S':
		return true;
	default:
		return payload->len > strlen(prefix) && memcmp(payload->data, prefix, strlen(prefix)) == 0;
	}
}

static void pass(struct packets *p, const char *bytes, size_t len, struct buf *to_stub)
{
	buf_append(p->held.len ? &p->held : to_stub, bytes, len);
}

/* A packet is complete: $body#xx. */
static void judge(struct packets *p, struct buf *to_stub, struct buf *to_client)
{
	_cleanup_(buf_deinit) struct buf payload = BUF_INIT, line = BUF_INIT;
	const char *body = p->packet.data + 1;
	size_t len = p->packet.len - strlen("$#00");

	if (p->too_long) {
		buf_puts(to_client, "+");
		packets_put_reply(to_client, "");
		return;
	}
	if (!sum_is_right(&p->packet)) {
		buf_puts(to_client, "-");
		return;
	}
	unescape(body, len, &payload);
	if (is_command(&payload)) {
		bool known = decode_command(&payload, &line);

		if (known && hmp_is_harmless(buf_str(&line))) {
			pass(p, p->packet.data, p->packet.len, to_stub);
			return;
		}
		buf_puts(to_client, "+");
		refuse_command(to_client, known ? buf_str(&line) : "");
		return;
	}
	/* No debugger sends run-lengths, and in one the stub does not see the end of a packet. */
	if ((payload.len && payload.data[0] == 'b') || memchr(body, '*', len)) {
		buf_puts(to_client, "+");
		packets_put_reply(to_client, "");
		return;
	}
	pass(p, p->packet.data, p->packet.len, p->holding && lets_go_on(&payload) ? &p->held : to_stub);
}

static void begin(struct packets *p)
{
	buf_clear(&p->packet);
	buf_putc(&p->packet, '$');
	p->too_long = false;
	p->state = PACKETS_BODY;
}

static void feed_byte(struct packets *p, char c, struct buf *to_stub, struct buf *to_client)
{
	/* Wherever it comes: no byte of a packet is written so, and the stub may take it for the beginning of one. */
	if (c == '$') {
		begin(p);
		return;
	}
	switch (p->state) {
	case PACKETS_OUTSIDE:
		if (packets_begin_with(c))
			pass(p, &c, 1, to_stub);
		return;
	case PACKETS_BODY:
		if (p->packet.len < PACKET_MAX)
			buf_putc(&p->packet, c);
		else
			p->too_long = true;
		if (c == '#') {
			p->state = PACKETS_SUM;
			p->digits = 2;
		}
		return;
	case PACKETS_SUM:
		buf_putc(&p->packet, c);
		if (--p->digits)
			return;
		p->state = PACKETS_OUTSIDE;
		judge(p, to_stub, to_client);
		return;
	}
}

void packets_feed(struct packets *p, const char *bytes, size_t len, struct buf *to_stub, struct buf *to_client)
{
	for (size_t i = 0; i < len; i++)
		feed_byte(p, bytes[i], to_stub, to_client);
}

void packets_hold(struct packets *p)
{
	p->holding = true;
}

void packets_release(struct packets *p, struct buf *to_stub)
{
	p->holding = false;
	buf_append(to_stub, buf_str(&p->held), p->held.len);
	buf_clear(&p->held);
}

size_t packets_held(const struct packets *p)
{
	return p->held.len;
}

bool packets_watch_reset(struct packets_watch *w, const char *bytes, size_t len)
{
	static const char reply[] = "$T03";
	bool seen = false;

	for (size_t i = 0; i < len; i++) {
		/* $ stands at the beginning of a packet and nowhere else. */
		w->matched = bytes[i] == reply[w->matched] ? w->matched + 1 : bytes[i] == '$';
		if (w->matched == strlen(reply)) {
			seen = true;
			w->matched = 0;
		}
	}
	return seen;
}
