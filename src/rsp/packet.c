/*
 * The bytes between $ and # go through two steps, in GDB's order: run lengths are expanded, then escapes are undone. A
 * run repeats the byte as it was on the wire: "}\x03* " is an escaped # and three bytes 0x03.
 *
 * Nearly all bytes are ordinary. They are found, summed and copied in runs, not one by one.
 */
#include "rsp/packet.h"

#include <string.h>

#include "base/util.h"
#include "rsp/payload.h"

enum {
	INTERRUPT = 0x03,
	ESCAPE_BIT = 0x20,
	/* A run length is a printable character, this much above the number of repetitions. Source: node Overview. */
	RUN_BASE = 29,
	RUN_FIRST = ' ',
	RUN_LAST = '~',
};

/* In the order of who minds them: RUN_LENGTH is ordinary where none are expected. */
enum kind { ORDINARY, RUN_LENGTH, SPECIAL };

static const unsigned char kinds[256] = { ['*'] = RUN_LENGTH, ['$'] = SPECIAL, ['#'] = SPECIAL, ['}'] = SPECIAL };

/* Memory is sent in digits, by the megabyte: what has none of the special characters is passed over in blocks. */
enum { BLOCK = 256 };

static bool block_is_plain(const char *bytes)
{
	return !memchr(bytes, '$', BLOCK) && !memchr(bytes, '#', BLOCK) && !memchr(bytes, '}', BLOCK) &&
	       !memchr(bytes, '*', BLOCK);
}

/* How many bytes at the start are of a kind below this one. */
static size_t count_below(enum kind kind, const char *bytes, size_t len)
{
	size_t n = 0;

	while (len - n >= BLOCK && block_is_plain(bytes + n))
		n += BLOCK;
	while (n < len && kinds[(unsigned char)bytes[n]] < kind)
		n++;
	return n;
}

static unsigned char sum_of(const char *bytes, size_t len)
{
	/* Eight sums at a time; that each loses what goes beyond a byte is what is wanted in the end. */
	unsigned char sums[8] = { 0 }, sum = 0;
	size_t i = 0;

	for (; len - i >= sizeof(sums); i += sizeof(sums)) {
		for (size_t j = 0; j < sizeof(sums); j++)
			sums[j] = (unsigned char)(sums[j] + (unsigned char)bytes[i + j]);
	}
	for (size_t j = 0; j < sizeof(sums); j++)
		sum = (unsigned char)(sum + sums[j]);
	for (; i < len; i++)
		sum = (unsigned char)(sum + (unsigned char)bytes[i]);
	return sum;
}

/* --- Encoding --- */

/*
 * Looking at every eighth byte finds all runs that are worth it, and costs little where there are none, as in code. A part of a
 * run has three characters.
 */
enum { RUN_STEP = 8, RUN_MAX = RUN_LAST - RUN_BASE + 1, RUN_PART = 3 };

static bool is_run(const char bytes[RUN_STEP])
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word == (unsigned char)bytes[0] * UINT64_C(0x0101010101010101);
}

/* A run of n bytes like c. Some lengths would be written as characters that mean something else. */
static void put_run(struct buf *out, char c, size_t n)
{
	while (n > RUN_PART) {
		size_t part = MIN(n, (size_t)RUN_MAX);

		while (strchr("#$+-", (int)(RUN_BASE + part - 1)))
			part--;
		buf_putc(out, c);
		buf_putc(out, '*');
		buf_putc(out, (char)(RUN_BASE + part - 1));
		n -= part;
	}
	while (n--)
		buf_putc(out, c);
}

/* Bytes that need no escape. */
static void put_ordinary(struct buf *out, const char *bytes, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < len && len - i >= RUN_STEP; i += RUN_STEP) {
		size_t begin = i, end = i + RUN_STEP;

		if (!is_run(bytes + i))
			continue;
		while (begin > done && bytes[begin - 1] == bytes[i])
			begin--;
		while (len - end >= RUN_STEP && is_run(bytes + end) && bytes[end] == bytes[i])
			end += RUN_STEP;
		while (end < len && bytes[end] == bytes[i])
			end++;
		buf_append(out, bytes + done, begin - done);
		put_run(out, bytes[i], end - begin);
		done = end;
		i = end - RUN_STEP;
	}
	buf_append(out, bytes + done, len - done);
}

void rsp_encode(struct buf *out, const void *payload, size_t len, bool run_lengths)
{
	const char *bytes = payload;
	size_t start;

	/* Most have little to escape. */
	buf_reserve(out, len + strlen("$#00"));
	buf_putc(out, '$');
	start = out->len;
	while (len) {
		size_t n = count_below(RUN_LENGTH, bytes, len);

		if (run_lengths)
			put_ordinary(out, bytes, n);
		else
			buf_append(out, bytes, n);
		bytes += n;
		len -= n;
		if (len) {
			const char escaped[] = { '}', (char)(*bytes ^ ESCAPE_BIT) };

			buf_append(out, escaped, sizeof(escaped));
			bytes++;
			len--;
		}
	}
	buf_printf(out, "#%02x", sum_of(out->data + start, out->len - start));
}

/* --- Decoding --- */

void rsp_decoder_deinit(struct rsp_decoder *d)
{
	buf_deinit(&d->payload);
}

static void begin(struct rsp_decoder *d, char c)
{
	buf_clear(&d->payload);
	d->state = RSP_BODY;
	d->notification = c == '%';
	d->escaped = d->damaged = d->too_long = false;
	d->sum = 0;
	d->digit = '\0';
	d->last = -1;
}

static void put(struct rsp_decoder *d, const char *bytes, size_t len)
{
	if (d->too_long || len > d->max_payload - d->payload.len) {
		d->too_long = true;
		buf_clear(&d->payload);
		return;
	}
	buf_append(&d->payload, bytes, len);
}

/* The second step, for one byte. */
static void unescape(struct rsp_decoder *d, char c)
{
	if (d->escaped) {
		c = (char)(c ^ ESCAPE_BIT);
		put(d, &c, 1);
		d->escaped = false;
	} else if (c == '}') {
		d->escaped = true;
	} else {
		put(d, &c, 1);
	}
}

static void repeat(struct rsp_decoder *d, char length)
{
	if (d->last < 0 || length < RUN_FIRST || length > RUN_LAST) {
		d->damaged = true;
		return;
	}
	for (int i = length - RUN_BASE; i > 0; i--)
		unescape(d, (char)d->last);
}

static enum rsp_event finish(struct rsp_decoder *d, char second_digit)
{
	int high = rsp_hex_digit(d->digit), low = rsp_hex_digit(second_digit);
	bool sum_right = high >= 0 && low >= 0 && (high << 4 | low) == d->sum;

	d->state = RSP_OUTSIDE;
	/* An escape needs the byte behind it. */
	if (d->damaged || d->escaped || (!sum_right && !d->ignore_sums))
		return d->notification ? RSP_NONE : RSP_BAD_SUM;
	if (d->too_long)
		return d->notification ? RSP_NONE : RSP_TOO_LONG;
	return d->notification ? RSP_NOTIFICATION : RSP_PACKET;
}

/* The ordinary bytes that come next; at least one. */
static void take_run(struct rsp_decoder *d, const char *bytes, size_t n)
{
	size_t escaped = d->escaped;

	if (escaped)
		unescape(d, *bytes);
	put(d, bytes + escaped, n - escaped);
	d->sum = (unsigned char)(d->sum + sum_of(bytes, n));
	d->last = (unsigned char)bytes[n - 1];
}

static enum rsp_event take_outside(struct rsp_decoder *d, char c)
{
	switch (c) {
	case '%':
		begin(d, c);
		return RSP_NONE;
	case '+':
		return RSP_ACK;
	case '-':
		return RSP_NAK;
	case INTERRUPT:
		return RSP_INTERRUPT;
	default:
		return RSP_NONE;
	}
}

/* A byte between $ and # that isn't ordinary, or that is a run's length. */
static void take_special(struct rsp_decoder *d, char c)
{
	if (c == '#') {
		d->damaged |= d->state == RSP_RUN;
		d->state = RSP_SUM;
		return;
	}
	d->sum = (unsigned char)(d->sum + (unsigned char)c);
	if (d->state == RSP_RUN) {
		repeat(d, c);
		d->state = RSP_BODY;
	} else if (c == '*') {
		d->state = RSP_RUN;
	} else {
		unescape(d, c);
		d->last = (unsigned char)c;
	}
}

static enum rsp_event take_digit(struct rsp_decoder *d, char c)
{
	if (d->digit)
		return finish(d, c);
	/* A NUL is no digit either. */
	d->digit = c ? c : '?';
	return RSP_NONE;
}

static enum rsp_event take_byte(struct rsp_decoder *d, char c)
{
	if (c == '$') {
		begin(d, c);
		return RSP_NONE;
	}
	switch (d->state) {
	case RSP_OUTSIDE:
		return take_outside(d, c);
	case RSP_BODY:
	case RSP_RUN:
		take_special(d, c);
		return RSP_NONE;
	case RSP_SUM:
		return take_digit(d, c);
	}
	return RSP_NONE;
}

size_t rsp_decode(struct rsp_decoder *d, const char *bytes, size_t len, enum rsp_event *ret)
{
	enum rsp_event event = RSP_NONE;
	size_t done = 0;

	while (done < len && event == RSP_NONE) {
		if (d->state == RSP_BODY) {
			size_t n = count_below(d->run_lengths ? RUN_LENGTH : SPECIAL, bytes + done, len - done);

			if (n)
				take_run(d, bytes + done, n);
			done += n;
		}
		if (done < len)
			event = take_byte(d, bytes[done++]);
	}
	*ret = event;
	return done;
}
