/*
 * The frame of packets: what is encoded, what is decoded, however it is cut, and what is damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/packet.h"

enum { SMALL = 64 };

static const char *const names[] = {
	[RSP_PACKET] = "packet", [RSP_NOTIFICATION] = "notification",
	[RSP_BAD_SUM] = "bad",   [RSP_TOO_LONG] = "long",
	[RSP_ACK] = "ack",       [RSP_NAK] = "nak",
	[RSP_INTERRUPT] = "^C",
};

struct options {
	size_t max;
	bool run_lengths, ignore_sums;
};

/* What the decoder says of the bytes, as text: "ack packet(m0,4) bad". */
static void describe(const struct options *o, const char *bytes, size_t len, size_t at_once, struct buf *ret)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(o->max ? o->max : SMALL);

	d.run_lengths = o->run_lengths;
	d.ignore_sums = o->ignore_sums;
	for (size_t i = 0; i < len;) {
		size_t piece = MIN(at_once, len - i);
		enum rsp_event event;
		size_t n = rsp_decode(&d, bytes + i, piece, &event);

		assert_in_range(n, 1, piece);
		i += n;
		if (event == RSP_NONE) {
			assert_int_equal(n, piece);
			continue;
		}
		buf_printf(ret, "%s%s", ret->len ? " " : "", names[event]);
		if (event == RSP_PACKET || event == RSP_NOTIFICATION) {
			buf_puts(ret, "(");
			buf_append(ret, d.payload.data, d.payload.len);
			buf_puts(ret, ")");
		}
	}
}

static void expect_bytes(const struct options *o, const char *bytes, size_t len, const char *events, size_t events_len)
{
	for (size_t at_once = 1; at_once <= len; at_once++) {
		_cleanup_(buf_deinit) struct buf got = BUF_INIT;

		describe(o, bytes, len, at_once, &got);
		assert_int_equal(got.len, events_len);
		assert_memory_equal(buf_str(&got), events, events_len);
	}
}

static void expect(struct options o, const char *bytes, const char *events)
{
	expect_bytes(&o, bytes, strlen(bytes), events, strlen(events));
}

/* $body#xx with the sum that belongs to it. The caller frees it. */
static char *packet(char first, const char *body)
{
	unsigned int sum = 0;

	for (const char *c = body; *c; c++)
		sum += (unsigned char)*c;
	return xasprintf("%c%s#%02x", first, body, sum & 0xff);
}

static void expect_packet(struct options o, const char *body, const char *events)
{
	_cleanup_(free) char *bytes = packet('$', body);

	expect(o, bytes, events);
}

static void test_encode(void **state)
{
	static const struct {
		const char *payload;
		size_t len;
		const char *packet;
	} cases[] = {
		{ "", 0, "$#00" },
		{ "OK", 2, "$OK#9a" },
		{ "a#b", 3, "$a}\003b#43" },
		{ "$#}*", 4, "$}\004}\003}]}\n#62" },
		{ "}", 1, "$}]#da" },
		{ "%+-\003", 4, "$%+-\003#80" },
		{ "\377\377", 2, "$\377\377#fe" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT;

		buf_puts(&b, "+");
		rsp_encode(&b, cases[i].payload, cases[i].len, false);
		assert_string_equal(buf_str(&b) + 1, cases[i].packet);
		assert_int_equal(buf_str(&b)[0], '+');
	}
}

static void test_every_byte_survives(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(512);
	char all[512];
	enum rsp_event event;
	size_t escaped = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++) {
		all[i] = (char)(i / 2);
		escaped += rsp_encoded_size(all[i]) - 1;
	}
	rsp_encode(&b, all, sizeof(all), false);
	assert_int_equal(b.len, sizeof(all) + escaped + 4);
	for (int run_lengths = 0; run_lengths < 2; run_lengths++) {
		d.run_lengths = run_lengths;
		assert_int_equal(rsp_decode(&d, b.data, b.len, &event), b.len);
		assert_int_equal(event, RSP_PACKET);
		assert_int_equal(d.payload.len, sizeof(all));
		assert_memory_equal(d.payload.data, all, sizeof(all));
	}
}

/* Runs of all lengths, of ordinary bytes and others, next to each other. */
static void test_runs_survive_and_save(void **state)
{
	static const char chars[] = "0f}*#";
	_cleanup_(buf_deinit) struct buf zeros = BUF_INIT;

	(void)state;
	for (size_t len = 0; len < 400; len++) {
		for (size_t c = 0; c < strlen(chars); c++) {
			_cleanup_(buf_deinit) struct buf payload = BUF_INIT, plain = BUF_INIT, b = BUF_INIT;
			_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(4096);
			enum rsp_event event;

			buf_puts(&payload, len % 2 ? "a" : "");
			for (size_t i = 0; i < len; i++)
				buf_putc(&payload, chars[c]);
			buf_puts(&payload, "}0000011112222233");
			rsp_encode(&plain, payload.data, payload.len, false);
			rsp_encode(&b, payload.data, payload.len, true);
			assert_true(b.len <= plain.len);
			assert_null(strpbrk(buf_str(&b) + 1, "$+-"));
			d.run_lengths = true;
			assert_int_equal(rsp_decode(&d, b.data, b.len, &event), b.len);
			assert_int_equal(event, RSP_PACKET);
			assert_int_equal(d.payload.len, payload.len);
			assert_memory_equal(d.payload.data, payload.data, payload.len);
		}
	}
	rsp_encode(&zeros, "0000000000", 10, true);
	assert_string_equal(buf_str(&zeros), "$0*&#80");
}

static void test_events(void **state)
{
	static const struct options plain;

	(void)state;
	expect(plain, "+$m0,4#fd-\003", "ack packet(m0,4) nak ^C");
	expect(plain, "$#00$OK#9A", "packet() packet(OK)");
	/* What is none of it is passed over; so is the rest of a packet that has another in it. */
	expect(plain, "hello#00\r\n$OK#9a}", "packet(OK)");
	expect(plain, "$m0,$OK#9a", "packet(OK)");
	expect(plain, "$OK#$OK#9a", "packet(OK)");
	expect(plain, "$OK#9$OK#9a", "packet(OK)");
	expect(plain, "%Stop:T05$OK#9a", "packet(OK)");
	/* Inside of a packet these are bytes like any others. */
	expect_packet(plain, "+-%\003", "packet(+-%\003)");
	expect_packet(plain, "a}\003b}]", "packet(a#b})");
	expect_packet(plain, "}+}-", "packet(\v\r)");
	expect_packet(plain, "qa*b", "packet(qa*b)");
}

static void test_nul_bytes(void **state)
{
	static const struct options plain;
	static const char bytes[] = "\0$a\0b}\0#c1\0+";

	/* 0x61 + 0x62 + 0x7d = 0x140; the sum of the NULs is 0. */
	(void)state;
	expect_bytes(&plain, "$a\0b}\0#40", 9, "packet(a\0b )", 12);
	expect_bytes(&plain, bytes, sizeof(bytes) - 1, "bad ack", 7);
	expect_bytes(&plain, "$#\0\0", 4, "bad", 3);
}

static void test_damaged(void **state)
{
	static const struct options plain, careless = { .ignore_sums = true };

	(void)state;
	expect(plain, "$OK#9b", "bad");
	expect(plain, "$OK#zz$OK#9a", "bad packet(OK)");
	expect(plain, "$OK# 9", "bad");
	expect(careless, "$OK#9b", "packet(OK)");
	expect(careless, "$OK#zz", "packet(OK)");
	/* An escape of nothing: no sum makes that right. */
	expect_packet(plain, "OK}", "bad");
	expect_packet(careless, "OK}", "bad");
}

static void test_notifications(void **state)
{
	static const struct options plain, small = { .max = 2 };
	_cleanup_(free) char *stop = packet('%', "Stop:T05");

	(void)state;
	expect(plain, stop, "notification(Stop:T05)");
	/* Nobody asks for one again. */
	expect(plain, "%Stop:T05#00+", "ack");
	expect(small, "%abc#26+", "ack");
}

static void test_run_lengths(void **state)
{
	static const struct options runs = { .run_lengths = true, .max = 200 };
	_cleanup_(free) char *zeros = xasprintf("packet(%098d)", 0);

	/* The manual's own example: "0* " is four zeros. */
	(void)state;
	expect_packet(runs, "0* ", "packet(0000)");
	expect_packet(runs, "x0*!1*\"y", "packet(x00000111111y)");
	expect_packet(runs, "0*~", zeros);
	/* A run of what a run ended with. */
	expect_packet(runs, "0* * ", "packet(0000000)");
	/* The repeated byte is the one on the wire: an escaped # is not repeated, its second byte is. */
	expect_packet(runs, "}\003* ", "packet(#\003\003\003)");
	expect_packet(runs, "}* ", "packet(]])");
	expect_packet(runs, "}\n", "packet(*)");
}

static void test_damaged_run_lengths(void **state)
{
	static const struct options runs = { .run_lengths = true };

	(void)state;
	expect_packet(runs, "* ", "bad");
	expect_packet(runs, "0*", "bad");
	expect_packet(runs, "0*\037", "bad");
	expect_packet(runs, "0*\177", "bad");
	expect(runs, "$0*$OK#9a", "packet(OK)");
}

static void test_bounds(void **state)
{
	static const struct options small = { .max = 4 }, runs = { .max = 4, .run_lengths = true };

	(void)state;
	expect_packet(small, "1234", "packet(1234)");
	expect_packet(small, "12345", "long");
	expect_packet(small, "}\003}\003}\003}\003", "packet(####)");
	expect_packet(small, "1234}\003", "long");
	expect(small, "$12345#00", "bad");
	expect(small, "$12345#ff+$OK#9a", "long ack packet(OK)");
	expect_packet(runs, "0* ", "packet(0000)");
	expect_packet(runs, "0*!", "long");
}

/* Few bytes that mean very many. */
static void test_run_length_bomb(void **state)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(100000);
	_cleanup_(buf_deinit) struct buf body = BUF_INIT;
	_cleanup_(free) char *bytes = NULL;
	enum rsp_event event;

	(void)state;
	buf_putc(&body, '0');
	for (int i = 0; i < 100000; i++)
		buf_puts(&body, "*~");
	bytes = packet('$', buf_str(&body));
	d.run_lengths = true;
	assert_int_equal(rsp_decode(&d, bytes, strlen(bytes), &event), strlen(bytes));
	assert_int_equal(event, RSP_TOO_LONG);
	assert_in_range(d.payload.cap, 0, 400000);
	rsp_decode(&d, "$OK#9a", 6, &event);
	assert_int_equal(event, RSP_PACKET);
	assert_string_equal(buf_str(&d.payload), "OK");
}

/* One that has no end takes no memory. */
static void test_endless(void **state)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(SMALL);
	char bytes[4096];
	enum rsp_event event;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	bytes[0] = '$';
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rsp_decode(&d, bytes + !!i, sizeof(bytes) - !!i, &event), sizeof(bytes) - !!i);
		assert_int_equal(event, RSP_NONE);
	}
	assert_in_range(d.payload.cap, 0, 4 * SMALL);
}

static uint64_t time_decoding(const struct buf *bytes, size_t max)
{
	_cleanup_(rsp_decoder_deinit) struct rsp_decoder d = RSP_DECODER_INIT(max);
	uint64_t start = now_ns();
	enum rsp_event event;

	for (size_t i = 0; i < bytes->len;)
		i += rsp_decode(&d, bytes->data + i, MIN(bytes->len - i, (size_t)SMALL), &event);
	assert_int_equal(event, RSP_PACKET);
	assert_int_equal(d.payload.len, max);
	return now_ns() - start;
}

/* However small the pieces are, reading takes a time in proportion. Were all that is there moved for each it would be a minute. */
static void test_large_packet_is_linear(void **state)
{
	size_t size = 8 << 20;
	_cleanup_(buf_deinit) struct buf payload = BUF_INIT, bytes = BUF_INIT;

	(void)state;
	memset(buf_reserve(&payload, size), '7', size);
	buf_commit(&payload, size);
	rsp_encode(&bytes, payload.data, payload.len, false);
	assert_int_equal(bytes.len, size + 4);
	assert_in_range(time_decoding(&bytes, size), 0, 5 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_every_byte_survives),
		cmocka_unit_test(test_runs_survive_and_save),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_run_lengths),
		cmocka_unit_test(test_damaged_run_lengths),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_run_length_bomb),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_large_packet_is_linear),
	};

	return cmocka_run_group_tests_name("rsp_packet", tests, NULL, NULL);
}
