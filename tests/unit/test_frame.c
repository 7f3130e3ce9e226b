/*
 * Frames of the control port: parsing, writing, and what a reader has to put up with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/frame.h"

/* As in protocol.h, written down by hand. */
static const uint8_t winsize[] = { 4, 0, 0, 0, 2, 0, 0, 0, 0x32, 0, 0x2c, 0x01 };

static void parses_a_frame(void **state)
{
	struct frame_winsize ws;
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(winsize, sizeof(winsize), &f), FRAME_COMPLETE);
	assert_int_equal(f.length, 4);
	assert_int_equal(f.type, KTB_FRAME_WINSIZE);
	assert_int_equal(f.channel, 0);
	assert_ptr_equal(f.payload, winsize + KTB_FRAME_HEADER);
	assert_int_equal(frame_size(&f), sizeof(winsize));
	assert_true(frame_get_winsize(&f, &ws));
	assert_int_equal(ws.rows, 50);
	assert_int_equal(ws.cols, 300);
}

static void reads_all_bytes_of_the_header(void **state)
{
	static uint8_t buf[KTB_FRAME_HEADER + 0x0201] = { 0x01, 0x02, 0, 0, 0x34, 0x12, 0x78, 0x56 };
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_int_equal(f.length, 0x0201);
	assert_int_equal(f.type, 0x1234);
	assert_int_equal(f.channel, 0x5678);
}

static void waits_for_the_rest(void **state)
{
	struct frame f = { .length = 77 };

	(void)state;
	for (size_t n = 0; n < sizeof(winsize); n++)
		assert_int_equal(frame_parse(winsize, n, &f), FRAME_PARTIAL);
	assert_int_equal(f.length, 77);
}

static void leaves_what_follows(void **state)
{
	uint8_t buf[2 * sizeof(winsize)];
	struct frame f;

	(void)state;
	memcpy(buf, winsize, sizeof(winsize));
	memcpy(buf + sizeof(winsize), winsize, sizeof(winsize));
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_int_equal(frame_size(&f), sizeof(winsize));
}

static void takes_the_longest_and_no_longer(void **state)
{
	static uint8_t buf[KTB_FRAME_HEADER + KTB_FRAME_PAYLOAD_MAX];
	struct frame f;

	(void)state;
	frame_put_header(buf, KTB_FRAME_PAYLOAD_MAX, 9, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_int_equal(frame_size(&f), sizeof(buf));
	frame_put_header(buf, KTB_FRAME_PAYLOAD_MAX + 1, 9, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_TOO_LONG);
	frame_put_header(buf, UINT32_MAX, 9, 0);
	assert_int_equal(frame_parse(buf, KTB_FRAME_HEADER, &f), FRAME_TOO_LONG);
}

static void writes_what_it_reads(void **state)
{
	const struct frame_hello hello = { .version = 0x01020304, .flags = KTB_HELLO_PVPANIC };
	const struct frame_winsize ws = { .rows = 50, .cols = 300 };
	uint8_t buf[KTB_FRAME_SMALL];
	struct frame_hello hello_read;
	struct frame f;
	size_t n;

	(void)state;
	n = frame_put_hello(buf, &hello);
	assert_int_equal(frame_parse(buf, n, &f), FRAME_COMPLETE);
	assert_int_equal(frame_size(&f), n);
	assert_int_equal(f.type, KTB_FRAME_HELLO);
	assert_true(frame_get_hello(&f, &hello_read));
	assert_int_equal(hello_read.version, hello.version);
	assert_int_equal(hello_read.flags, hello.flags);

	n = frame_put_winsize(buf, &ws);
	assert_int_equal(n, sizeof(winsize));
	assert_memory_equal(buf, winsize, n);

	n = frame_put_empty(buf, KTB_FRAME_POWEROFF);
	assert_int_equal(n, KTB_FRAME_HEADER);
	assert_int_equal(frame_parse(buf, n, &f), FRAME_COMPLETE);
	assert_int_equal(f.type, KTB_FRAME_POWEROFF);
	assert_int_equal(f.length, 0);
}

static void refuses_short_payloads_and_takes_long_ones(void **state)
{
	uint8_t buf[KTB_FRAME_HEADER + 12] = { 0 };
	struct frame_hello hello;
	struct frame_winsize ws;
	struct frame f;

	(void)state;
	frame_put_header(buf, 3, KTB_FRAME_WINSIZE, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_false(frame_get_winsize(&f, &ws));
	frame_put_header(buf, 7, KTB_FRAME_HELLO, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_false(frame_get_hello(&f, &hello));
	frame_put_header(buf, 12, KTB_FRAME_HELLO, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_true(frame_get_hello(&f, &hello));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_a_frame),
		cmocka_unit_test(reads_all_bytes_of_the_header),
		cmocka_unit_test(waits_for_the_rest),
		cmocka_unit_test(leaves_what_follows),
		cmocka_unit_test(takes_the_longest_and_no_longer),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(refuses_short_payloads_and_takes_long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
