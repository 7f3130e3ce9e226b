/*
 * Transcripts: what is written can be read again, and what is no transcript is refused by its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/transcript.h"

static const struct {
	struct rsp_record record;
	const char *line;
} cases[] = {
	{ { 1234, RSP_SIDE_CLIENT, RSP_IN, RSP_PACKET, "qSupported:multiprocess+", 24 },
	  "0.001234 < $qSupported:multiprocess+\n" },
	{ { 1240, RSP_SIDE_CLIENT, RSP_OUT, RSP_ACK, "", 0 }, "0.001240 > +\n" },
	{ { 2000000, RSP_SIDE_STUB, RSP_OUT, RSP_PACKET, "m0,4", 4 }, "2.000000 stub> $m0,4\n" },
	{ { 2000001, RSP_SIDE_STUB, RSP_IN, RSP_NAK, "", 0 }, "2.000001 stub< -\n" },
	{ { 2000002, RSP_SIDE_STUB, RSP_IN, RSP_BAD_SUM, "", 0 }, "2.000002 stub< !sum\n" },
	{ { 2000003, RSP_SIDE_CLIENT, RSP_IN, RSP_TOO_LONG, "", 0 }, "2.000003 < !long\n" },
	{ { 123456789012, RSP_SIDE_CLIENT, RSP_IN, RSP_INTERRUPT, "", 0 }, "123456.789012 < ^C\n" },
	{ { 0, RSP_SIDE_STUB, RSP_IN, RSP_NOTIFICATION, "Stop:T05", 8 }, "0.000000 stub< %Stop:T05\n" },
	{ { 0, RSP_SIDE_CLIENT, RSP_OUT, RSP_PACKET, "", 0 }, "0.000000 > $\n" },
	{ { 0, RSP_SIDE_CLIENT, RSP_IN, RSP_PACKET, "a b \\\n\0\x7f\xff# ", 11 },
	  "0.000000 < $a b \\\\\\x0a\\x00\\x7f\\xff#\\x20\n" },
	{ { 0, RSP_SIDE_CLIENT, RSP_IN, RSP_PACKET, "  ", 2 }, "0.000000 < $ \\x20\n" },
	{ { UINT64_MAX, RSP_SIDE_CLIENT, RSP_IN, RSP_ACK, "", 0 }, "18446744073709.551615 < +\n" },
};

static void assert_same(const struct rsp_record *a, const struct rsp_record *b)
{
	assert_true(a->time_us == b->time_us);
	assert_int_equal(a->side, b->side);
	assert_int_equal(a->direction, b->direction);
	assert_int_equal(a->event, b->event);
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->payload, b->payload, a->len);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT;

		rsp_transcript_put(&b, &cases[i].record);
		assert_string_equal(buf_str(&b), cases[i].line);
	}
}

static void test_read_again(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct rsp_record record;
	bool more;

	(void)state;
	buf_puts(&b, "# from a session\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		buf_puts(&b, cases[i].line);
	/* An editor may leave the last newline out. */
	for (int cut = 0; cut < 2; cut++) {
		_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader r =
			RSP_TRANSCRIPT_READER_INIT(buf_str(&b), b.len - (size_t)cut);

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			assert_null(rsp_transcript_next(&r, &more, &record));
			assert_true(more);
			assert_int_equal(r.line, i + 3);
			assert_same(&record, &cases[i].record);
		}
		assert_null(rsp_transcript_next(&r, &more, &record));
		assert_false(more);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"x",
		" ",
		"0.000001",
		"0.000001 ",
		"0.000001 <",
		"0.000001 < ",
		"0.000001 < x",
		"0.000001 < +x",
		"0.000001 < !sums",
		"0.000001 < ^",
		"0.000001 stub $g",
		"0.000001 <> $g",
		"0.000001  < $g",
		"0.00001 < $g",
		"0.0000001 < $g",
		".000001 < $g",
		"-1.000001 < $g",
		"1 < $g",
		"18446744073709.551616 < +",
		"99999999999999999999.000000 < +",
		"0.000001 < $\\",
		"0.000001 < $\\x",
		"0.000001 < $\\x1",
		"0.000001 < $\\n",
		"0.000001 < $a\tb",
		"0.000001 < $g\r",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(free) char *text = xasprintf("# one\n%s\n0.000002 > +\n", bad[i]);
		_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader r =
			RSP_TRANSCRIPT_READER_INIT(text, strlen(text));
		struct rsp_record record;
		struct err *e;
		bool more;

		e = rsp_transcript_next(&r, &more, &record);
		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		assert_non_null(strstr(err_message(e), "line 2 "));
		err_destroy(e);
		/* It goes on behind it. */
		assert_null(rsp_transcript_next(&r, &more, &record));
		assert_true(more && record.event == RSP_ACK);
	}
}

static void test_empty(void **state)
{
	_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader r = RSP_TRANSCRIPT_READER_INIT("", 0);
	struct rsp_record record;
	bool more = true;

	(void)state;
	assert_null(rsp_transcript_next(&r, &more, &record));
	assert_false(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("rsp_transcript", tests, NULL, NULL);
}
