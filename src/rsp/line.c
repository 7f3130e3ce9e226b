#include "rsp/line.h"

#include <ctype.h>
#include <string.h>

#include "base/util.h"
#include "rsp/client.h"
#include "rsp/payload.h"

enum { SUM_DIGITS = 2, STOP_MAX = 128 };

void rsp_line_deinit(struct rsp_line *l)
{
	buf_deinit(&l->held);
	buf_deinit(&l->sent);
	buf_deinit(&l->last);
}

void rsp_line_set_state(struct rsp_line *l, enum rsp_line_state state)
{
	l->state = state;
	l->ack_due = l->reply_due = l->damaged = false;
}

void rsp_line_set_reply_due(struct rsp_line *l)
{
	l->state = RSP_LINE_STANDS;
	l->reply_due = true;
}

size_t rsp_line_held(const struct rsp_line *l)
{
	return l->held.len;
}

/* --- What is sent --- */

static void packet_sent(struct rsp_line *l)
{
	char what = l->sent.data[1];

	l->ack_due = true;
	l->reply_due = false;
	switch (what) {
	case 'c':
	case 's':
	case 'C':
		l->state = RSP_LINE_RUNS;
		break;
	/* Away from the stub, without a reply: kdb comes, or the kernel runs. */
	case '3':
	case 'k':
		l->state = RSP_LINE_ALONE;
		break;
	default:
		l->state = RSP_LINE_STANDS;
		l->reply_due = true;
	}
}

void rsp_line_sent(struct rsp_line *l, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '$') {
			buf_clear(&l->sent);
			l->sent_hash = 0;
		} else if (!l->sent.len || (l->sent_hash && l->sent.len > l->sent_hash + SUM_DIGITS)) {
			continue;
		}
		if (bytes[i] == '#')
			l->sent_hash = l->sent.len;
		buf_putc(&l->sent, bytes[i]);
		if (l->sent_hash && l->sent.len == l->sent_hash + 1 + SUM_DIGITS)
			packet_sent(l);
	}
}

/* --- What comes --- */

/* Whether that character can be in this place of a stop reply, or of output, of a kernel that ran. */
static bool fits_stop(const struct rsp_line *l, size_t at, char c)
{
	char kind = l->held.data[1];

	if (at == 1)
		return strchr(l->takes_output ? "TSWXO" : "TSWX", c) && c;
	if (kind == 'O')
		return rsp_hex_digit(c) >= 0;
	if (at <= 3)
		return rsp_hex_digit(c) >= 0;
	return kind == 'T' && at < STOP_MAX && (isalnum((unsigned char)c) || c == ':' || c == ';');
}

static bool fits(const struct rsp_line *l)
{
	size_t at = l->held.len - 1;
	char c = l->held.data[at];

	if (at >= RSP_LINE_PACKET_MAX)
		return false;
	return l->state == RSP_LINE_RUNS ? fits_stop(l, at, c) : (unsigned char)c >= ' ';
}

static bool is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool sum_is_right(const struct rsp_line *l)
{
	const char *digits = l->held.data + l->hash + 1;
	unsigned int sum = 0;

	for (size_t i = 1; i < l->hash; i++)
		sum += (unsigned char)l->held.data[i];
	return (sum & 0xff) == (unsigned int)(rsp_hex_digit(digits[0]) * 16 + rsp_hex_digit(digits[1]));
}

static bool leaves(const struct rsp_line *l)
{
	return l->held.data[1] == 'W' || l->held.data[1] == 'X';
}

/* A kernel that runs says it only when it has stopped, or ends. It may have begun while the kernel was believed to stand. */
static bool is_stop(const struct rsp_line *l)
{
	if (l->hash < 4)
		return false;
	for (size_t i = 1; i < l->hash; i++) {
		if (!fits_stop(l, i, l->held.data[i]))
			return false;
	}
	return l->held.data[1] == 'O' || !l->is_stopped || l->is_stopped(l->user, leaves(l));
}

static bool is_output(const struct rsp_line *l)
{
	return rsp_is_output(l->held.data + 1, l->hash - 1);
}

/* What is held is whole. */
static bool is_packet(struct rsp_line *l)
{
	if (!sum_is_right(l)) {
		l->damaged = l->state == RSP_LINE_STANDS && l->reply_due;
		return false;
	}
	/* The echo of kdb, or of a terminal. */
	if (l->state == RSP_LINE_ALONE || is_same(&l->held, &l->sent))
		return false;
	if (l->state == RSP_LINE_RUNS) {
		if (!is_stop(l))
			return false;
		if (!is_output(l))
			l->state = leaves(l) ? RSP_LINE_ALONE : RSP_LINE_STANDS;
	} else if (l->reply_due) {
		l->reply_due = is_output(l);
	} else if (!is_same(&l->held, &l->last)) {
		return false;
	}
	buf_clear(&l->last);
	buf_append(&l->last, l->held.data, l->held.len);
	return true;
}

enum verdict { OPEN, TEXT, TEXT_BEFORE, PACKET };

/* What is held, now that it has one more character. */
static enum verdict judge(struct rsp_line *l)
{
	char c = l->held.data[l->held.len - 1];

	if (c == '$')
		return TEXT_BEFORE;
	if (l->hash) {
		if (rsp_hex_digit(c) < 0)
			return TEXT;
		if (l->held.len <= l->hash + SUM_DIGITS)
			return OPEN;
		return is_packet(l) ? PACKET : TEXT;
	}
	if (c == '#') {
		l->hash = l->held.len - 1;
		return OPEN;
	}
	return fits(l) ? OPEN : TEXT;
}

static void put_held(struct rsp_line *l, bool packet, size_t n, rsp_line_output output, void *user)
{
	output(packet, l->held.data, n, user);
	buf_consume(&l->held, n);
	l->hash = 0;
}

static void hold(struct rsp_line *l, char c, rsp_line_output output, void *user)
{
	buf_putc(&l->held, c);
	if (l->held.len == 1)
		return;
	switch (judge(l)) {
	case OPEN:
		break;
	case TEXT:
		put_held(l, false, l->held.len, output, user);
		break;
	case TEXT_BEFORE:
		put_held(l, false, l->held.len - 1, output, user);
		break;
	case PACKET:
		put_held(l, true, l->held.len, output, user);
		break;
	}
}

void rsp_line_feed(struct rsp_line *l, const char *bytes, size_t len, rsp_line_output output, void *user)
{
	size_t text = 0; /* where it begins that was not put out yet */

	for (size_t i = 0; i < len; i++) {
		bool ack = !l->held.len && l->ack_due && (bytes[i] == '+' || bytes[i] == '-');
		bool begins = !l->held.len && l->state != RSP_LINE_ALONE && bytes[i] == '$';

		if (!l->held.len && !ack && !begins)
			continue;
		if (i > text)
			output(false, bytes + text, i - text, user);
		text = i + 1;
		if (ack) {
			l->ack_due = false;
			output(true, bytes + i, 1, user);
		} else {
			hold(l, bytes[i], output, user);
		}
	}
	if (len > text)
		output(false, bytes + text, len - text, user);
}

void rsp_line_give_up(struct rsp_line *l, rsp_line_output output, void *user)
{
	if (l->held.len)
		put_held(l, false, l->held.len, output, user);
}
