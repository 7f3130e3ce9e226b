/*
 * Fuzzes the decoder of packets: the same comes out however the bytes are cut, no payload is longer than allowed, and each
 * comes out again when it is encoded. Payloads are then read as their handlers do. The first byte chooses what the
 * decoder is told.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "rsp/packet.h"
#include "rsp/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PAYLOAD = 300 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_encoding(const struct buf *payload, bool run_lengths)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(MAX_PAYLOAD);
	_cleanup_(buf_deinit) struct buf packet = BUF_INIT;
	enum rsp_event event;

	rsp_encode(&packet, buf_str(payload), payload->len, run_lengths);
	d.run_lengths = true;
	check(rsp_decode(&d, packet.data, packet.len, &event) == packet.len && event == RSP_PACKET);
	check(d.payload.len == payload->len && memcmp(buf_str(&d.payload), buf_str(payload), payload->len) == 0);
}

static void check_thread(struct rsp_reader *r)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct rsp_thread t, again;
	struct rsp_reader written;

	if (!rsp_read_thread(r, &t))
		return;
	rsp_put_thread(&b, t);
	written = rsp_reader_on(buf_str(&b), b.len);
	check(rsp_read_thread(&written, &again) && rsp_at_end(&written));
	/* A thread of whatever process may lose that there was one. */
	check(again.tid == t.tid && again.pid == t.pid);
}

static void check_hex(struct rsp_reader *r)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT, digits = BUF_INIT;
	const char *from = r->p;

	if (!rsp_read_hex_data(r, MAX_PAYLOAD / 4, &b))
		return;
	check(b.len <= MAX_PAYLOAD / 4);
	rsp_put_hex_bytes(&digits, buf_str(&b), b.len);
	check(digits.len == (size_t)(r->p - from) && strncasecmp(buf_str(&digits), from, digits.len) == 0);
}

static void check_number(struct rsp_reader *r)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	uint64_t n, again;
	struct rsp_reader written;

	if (!rsp_read_hex(r, &n))
		return;
	rsp_put_hex(&b, n);
	written = rsp_reader_on(buf_str(&b), b.len);
	check(rsp_read_hex(&written, &again) && again == n && rsp_at_end(&written));
}

static void check_payload(const struct buf *payload)
{
	struct rsp_reader whole = rsp_reader_on(buf_str(payload), payload->len), field;
	uint64_t address, length;
	unsigned char bytes[4];

	check(payload->len <= MAX_PAYLOAD);
	check_encoding(payload, false);
	check_encoding(payload, true);
	while (rsp_read_field(&whole, ';', &field)) {
		struct rsp_reader thread = field, hex = field, number = field, range = field, some = field;

		check_thread(&thread);
		check_hex(&hex);
		check_number(&number);
		(void)!rsp_read_range(&range, &address, &length);
		(void)!rsp_read_hex_bytes(&some, bytes, sizeof(bytes));
		(void)!rsp_read_decimal(&field, &address);
		check(thread.p <= thread.end && hex.p <= hex.end && number.p <= number.end && range.p <= range.end &&
		      some.p <= some.end && field.p <= field.end);
	}
}

/* All that the decoder says, one behind the other. */
static void decode(uint8_t choices, const char *bytes, size_t len, size_t at_once, struct buf *ret)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(MAX_PAYLOAD);

	d.run_lengths = choices & 1;
	d.ignore_sums = choices & 2;
	for (size_t i = 0; i < len;) {
		size_t piece = MIN(at_once, len - i);
		enum rsp_event event;
		size_t n = rsp_decode(&d, bytes + i, piece, &event);

		check(n > 0 && n <= piece && (n == piece || event != RSP_NONE));
		i += n;
		if (event == RSP_NONE)
			continue;
		buf_putc(ret, (char)event);
		if (event == RSP_PACKET || event == RSP_NOTIFICATION) {
			check_payload(&d.payload);
			buf_append(ret, buf_str(&d.payload), d.payload.len);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf whole = BUF_INIT, pieces = BUF_INIT;
	const char *bytes = (const char *)data + 1;

	if (!size)
		return 0;
	decode(data[0], bytes, size - 1, size, &whole);
	for (size_t at_once = 1; at_once < 4; at_once++) {
		buf_clear(&pieces);
		decode(data[0], bytes, size - 1, at_once, &pieces);
		check(pieces.len == whole.len && memcmp(buf_str(&pieces), buf_str(&whole), whole.len) == 0);
	}
	return 0;
}
