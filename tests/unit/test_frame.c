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
	const struct frame_winsize ws = { .rows = 50, .cols = 300 };
	uint8_t buf[KTB_FRAME_SMALL];
	struct frame f;
	size_t n;

	(void)state;
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
	struct frame_winsize ws;
	struct frame f;

	(void)state;
	frame_put_header(buf, 3, KTB_FRAME_WINSIZE, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_false(frame_get_winsize(&f, &ws));
	frame_put_header(buf, 12, KTB_FRAME_WINSIZE, 0);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_true(frame_get_winsize(&f, &ws));
}

/* --- The agent's port --- */

static void finds_the_sync(void **state)
{
	uint8_t buf[100 + KTB_SYNC_SIZE];
	uint64_t number = 0;
	size_t used;

	(void)state;
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(frame_put_sync(buf + 100, 0x1122334455667788), KTB_SYNC_SIZE);
	assert_true(frame_find_sync(buf, sizeof(buf), &number, &used));
	assert_true(number == 0x1122334455667788);
	assert_int_equal(used, sizeof(buf));
	/* In pieces: what may be its beginning is kept. */
	for (size_t n = 0; n < sizeof(buf); n++) {
		assert_false(frame_find_sync(buf, n, &number, &used));
		assert_int_equal(used, n < 100 ? n : 100);
	}
}

static void filler_ends_any_frame(void **state)
{
	static uint8_t buf[KTB_FRAME_HEADER + KTB_AGENT_FILLER];
	struct frame f;

	(void)state;
	/* The longest, of which nothing has come, is completed; what is left is no frame. */
	memset(buf, 0xff, sizeof(buf));
	frame_put_header(buf, KTB_FRAME_PAYLOAD_MAX, KTB_AGENT_DATA, 1);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_true(sizeof(buf) - frame_size(&f) >= KTB_FRAME_HEADER);
	assert_int_equal(frame_parse(buf + frame_size(&f), KTB_FRAME_HEADER, &f), FRAME_TOO_LONG);
}

static void reads_the_open_it_writes(void **state)
{
	static const char strings[] = "/tmp\0echo\0a b\0A=b";
	const struct frame_open open = {
		.flags = KTB_OPEN_TTY, .rows = 24, .cols = 80, .out_credit = 5, .err_credit = 6, .args_n = 2, .env_n = 1
	};
	uint8_t buf[KTB_OPEN_HEAD + sizeof(strings)];
	struct frame_open got;
	struct frame f;

	(void)state;
	frame_put_open(buf, &open, sizeof(strings));
	memcpy(buf + KTB_OPEN_HEAD, strings, sizeof(strings));
	frame_set_channel(buf, 7);
	assert_int_equal(frame_parse(buf, sizeof(buf), &f), FRAME_COMPLETE);
	assert_int_equal(f.channel, 7);
	assert_true(frame_get_open(&f, &got));
	assert_int_equal(got.flags, KTB_OPEN_TTY);
	assert_int_equal(got.rows, 24);
	assert_int_equal(got.cols, 80);
	assert_int_equal(got.out_credit, 5);
	assert_int_equal(got.err_credit, 6);
	assert_string_equal(got.strings, "/tmp");
	assert_int_equal(got.strings_len, sizeof(strings));
	/* One string less than promised, or one that doesn't end. */
	f.length--;
	assert_false(frame_get_open(&f, &got));
	f.length = KTB_OPEN_HEAD - KTB_FRAME_HEADER;
	assert_false(frame_get_open(&f, &got));
}

static void reads_what_a_command_says(void **state)
{
	const struct frame_credit credit = { .stream = KTB_STDERR, .bytes = 77 };
	const struct frame_end end = { .how = KTB_END_SIGNALLED, .value = 9 };
	uint8_t buf[KTB_FRAME_SMALL];
	struct frame_credit got_credit;
	struct frame_end got_end;
	uint32_t number;
	struct frame f;

	(void)state;
	assert_int_equal(frame_parse(buf, frame_put_credit(buf, 3, &credit), &f), FRAME_COMPLETE);
	assert_true(frame_get_credit(&f, &got_credit));
	assert_int_equal(got_credit.stream, KTB_STDERR);
	assert_int_equal(got_credit.bytes, 77);
	assert_int_equal(frame_parse(buf, frame_put_end(buf, 3, &end), &f), FRAME_COMPLETE);
	assert_true(frame_get_end(&f, &got_end));
	assert_int_equal(got_end.how, KTB_END_SIGNALLED);
	assert_int_equal(got_end.value, 9);
	assert_int_equal(got_end.text_len, 0);
	assert_int_equal(frame_parse(buf, frame_put_number(buf, KTB_AGENT_SIGNAL, 3, 15), &f), FRAME_COMPLETE);
	assert_true(frame_get_number(&f, &number));
	assert_int_equal(number, 15);
	assert_false(frame_get_end(&f, &got_end));
	assert_int_equal(frame_parse(buf, frame_put_plain(buf, KTB_AGENT_EOF, 3), &f), FRAME_COMPLETE);
	assert_false(frame_get_number(&f, &number));
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
		cmocka_unit_test(finds_the_sync),
		cmocka_unit_test(filler_ends_any_frame),
		cmocka_unit_test(reads_the_open_it_writes),
		cmocka_unit_test(reads_what_a_command_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
