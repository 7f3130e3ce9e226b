/*
 * Debug sessions: what each packet does, in its good and its bad forms; what the client is told, and what real ones say.
 */
#include "base/fs.h"
#include "rsp/transcript.h"

#include "session_fixture.h"

/* --- Packets --- */

static void test_features(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	assert_non_null(strstr(ask(&f, GDB), "PacketSize=20000;QStartNoAckMode+;"));
	assert_null(strstr(ask(&f, GDB), "error-message"));
	assert_non_null(strstr(ask(&f, GDB ";error-message+"), ";error-message+"));
	assert_non_null(strstr(ask(&f, "qSupported"), "swbreak+"));
	EXPECT(&f, "vMustReplyEmpty", "");
	EXPECT(&f, "vCont?", "vCont;c;C;s;S;r");
	EXPECT(&f, "qAttached", "1");
	EXPECT(&f, "qSymbol::", "OK");
	EXPECT(&f, "?", "T05thread:1;" AT_START);
	EXPECT(&f, "!", "OK");
	EXPECT(&f, "qqemu.sstep", "0x7");
	EXPECT(&f, "qqemu.nonsense", "");
}

static void test_unknown(void **state)
{
	static const char *const unknown[] = { "",
					       "bs",
					       "bc",
					       "b",
					       "qHostInfo",
					       "jThreadsInfo",
					       "QNonStop:1",
					       "vFile:open",
					       "QTDV:1:0:0:",
					       "qP",
					       "_M1,2",
					       "QPassSignals:e",
					       "qXfer:memory-map:read::0,100",
					       "qXfer:features:write:target.xml:0,1" };
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT(&f, unknown[i], "");
}

static void test_malformed(void **state)
{
	static const char *const malformed[] = { "m",
						 "m1",
						 "m1,",
						 "m1000,2x",
						 "mx,1",
						 "M1000,2:00",
						 "M1000,1",
						 "X1000,2:a",
						 "p",
						 "p1g",
						 "P1",
						 "P1=",
						 "P1=0",
						 "G",
						 "Gx",
						 "Hg",
						 "Hgx",
						 "T",
						 "Z0",
						 "Z0,1",
						 "Z0,1000",
						 "z0,1000",
						 "vCont;",
						 "vCont;x",
						 "vCont;c:",
						 "vCont;C",
						 "vCont;r1",
						 "qRcmd,1",
						 "qRcmd,68656c6c6f00",
						 "qTV:",
						 "qThreadExtraInfo,",
						 "qXfer:features:read:target.xml:0",
						 "qXfer:features:read:target.xml:0,1,2",
						 "C",
						 "S",
						 "Cx" };
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
		EXPECT(&f, malformed[i], "E16");
	expect_log(&f, "");
}

static void test_registers(void **state)
{
	_cleanup_(end) struct fixture f;
	size_t len = 2 * (size_t)FAKE_REGISTERS_SIZE;
	char *all;

	(void)state;
	begin(&f);
	EXPECT(&f, "P0=8877665544332211", "OK");
	EXPECT(&f, "p0", "8877665544332211");
	EXPECT(&f, "p10", "0010000000000000");
	EXPECT(&f, "p99", "E02");
	EXPECT(&f, "P99=00", "E02");
	all = xasprintf("G%s", ask(&f, "g"));
	assert_int_equal(strlen(all), len + 1);
	all[1] = '9';
	EXPECT(&f, all, "OK");
	EXPECT(&f, "p0", "9877665544332211");
	EXPECT(&f, "Hg2", "OK");
	EXPECT(&f, "p0", "0000000000000000");
	EXPECT(&f, "Hg-1", "OK");
	EXPECT(&f, "qC", "QC2");
	EXPECT(&f, "Hg3", "E02");
	EXPECT(&f, "Hcffffffffff", "E02");
	free(all);
}

static void test_memory(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "m1000,4", "9048ffc0");
	EXPECT(&f, "m1000,0", "");
	EXPECT(&f, "m2ffe,10", "0000");
	EXPECT(&f, "m3000,1", "E0e");
	EXPECT(&f, "mffffffffffffffff,2", "E0e");
	assert_int_equal(strlen(ask(&f, "m1000,ffffffffffffffff")), 2 * FAKE_MEMORY_SIZE);
	EXPECT(&f, "M2000,2:1234", "OK");
	EXPECT(&f, "X2002,0:", "OK");
	EXPECT(&f, "X2002,3:#$}", "OK");
	EXPECT(&f, "m2000,5", "123423247d");
	EXPECT(&f, "x2002,3", "b#$}");
	/* LLDB's way to ask whether there is such a packet; this isn't its. */
	EXPECT(&f, "x0,0", "b");
	EXPECT(&f, "M3000,1:00", "E0e");
	EXPECT(&f, "X2fff,2:ab", "E0e");
	expect_log(&f, "write 2000 2\nwrite 2002 3\n");
}

static void test_threads(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "qfThreadInfo", "m1,2");
	EXPECT(&f, "qsThreadInfo", "l");
	f.fake->sleeper = true;
	EXPECT(&f, "qfThreadInfo", "m1,2,9896aa");
	EXPECT(&f, "qThreadExtraInfo,9896aa", "736c65657065722f3432");
	EXPECT(&f, "T9896aa", "OK");
	EXPECT(&f, "T3", "E02");
	EXPECT(&f, "qXfer:threads:read::0,1000",
	       "l<?xml version=\"1.0\"?>\n<threads>\n<thread id=\"1\" core=\"0\" name=\"CPU 0: &lt;fake&gt;\"/>\n"
	       "<thread id=\"2\" core=\"1\" name=\"CPU 1: &lt;fake&gt;\"/>\n<thread id=\"9896aa\" "
	       "name=\"sleeper/42\"/>\n</threads>\n");
}

/* Pieces are pieces of one thing. */
static void test_pieces(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "qXfer:libraries:read::0,4", "E5f");
	f.fake->libraries = "abc#ef";
	EXPECT(&f, "qXfer:libraries:read::0,2", "mab");
	f.fake->libraries = "xyz";
	EXPECT(&f, "qXfer:libraries:read::2,2", "mc#");
	EXPECT(&f, "qXfer:libraries:read::4,5", "lef");
	EXPECT(&f, "qXfer:libraries:read::6,2", "l");
	EXPECT(&f, "qXfer:libraries:read::ffffffffffffffff,2", "l");
	EXPECT(&f, "qXfer:libraries:read::0,2", "mxy");
	EXPECT(&f, "qXfer:features:read:nonsense.xml:0,2", "E02");
	EXPECT(&f, "qXfer:features:read:target.xml:0,5", "m<?xml");
	EXPECT(&f, "qXfer:libraries:read::2,2", "lz");
}

static void test_queries(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "qOffsets", "");
	f.fake->offset = 0xffffffff92000000;
	EXPECT(&f, "qOffsets", "TextSeg=ffffffff92000000");
	EXPECT(&f, "qTStatus", "T0;tnotrun:0");
	EXPECT(&f, "qTfP", "l");
	EXPECT(&f, "qTfV", "1:0:1:66616b655f637075");
	EXPECT(&f, "qTsV", "2:0:1:66616b655f726178");
	EXPECT(&f, "qTsV", "l");
	EXPECT(&f, "qTV:1", "V0");
	EXPECT(&f, "qTV:7", "U");
	send_packet(&f, "qRcmd,68656c6c6f");
	turn(&f);
	expect_text(&f, "hello, ");
	expect_text(&f, "CPU 0\n");
	EXPECT_NEXT(&f, "OK");
	send_packet(&f, "qRcmd,78");
	turn(&f);
	expect_text(&f, "ktb: there is no command 'x'\n");
	EXPECT_NEXT(&f, "E01");
}

/* In words only to those who take them for what they are. */
static void test_errors(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->sleeper = true;
	EXPECT(&f, "Hg9896aa", "OK");
	EXPECT(&f, "P0=0000000000000000", "E5f");
	ask(&f, GDB);
	EXPECT(&f, "P0=0000000000000000", "E.a task that doesn't run can't have its registers written");
	EXPECT(&f, "m0,1", "E0e");
	EXPECT(&f, "vCont;s:9896aa;c", "E.a task that doesn't run can't be stepped");
	ask(&f, GDB ";error-message+");
	EXPECT(&f, "m0,1", "E.memory at 0x0 can't be read");
	EXPECT(&f, "R00", "E.the machine is not started from here; `monitor system_reset` has it begin anew");
}

/* --- What is said --- */

static void test_greeting(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	session_say(f.session, "\033hello\n", strlen("\033hello\n"));
	EXPECT(&f, "?", "T05thread:1;" AT_START);
	send_packet(&f, "s");
	turn(&f);
	expect_text(&f, "?hello\n");
	EXPECT_NEXT(&f, "T05thread:1;10:0110000000000000;");
}

/* As GDB does that evaluates a condition: it stops, steps, goes on, at once. */
static unsigned int hits_until_told(const char *breakpoint)
{
	_cleanup_(end) struct fixture f;

	begin(&f);
	for (unsigned int i = 1; i < 100; i++) {
		const char *reply;

		ask(&f, breakpoint);
		send_packet(&f, "vCont;c");
		turn(&f);
		reply = next(&f);
		if (*reply == 'O')
			return i;
		ask(&f, "z0,100c,1");
		ask(&f, "vCont;s:1");
	}
	return 0;
}

static void test_impatience(void **state)
{
	(void)state;
	assert_in_range(hits_until_told("Z0,100c,1"), 30, 40);
	assert_int_equal(hits_until_told("Z0,100c,1;X3,220127"), 0);
}

/* --- Transcripts of real debuggers --- */

static void replay(struct fixture *f, const struct rsp_record *r, unsigned int line)
{
	const char *reply;

	if (r->direction == RSP_IN && r->event == RSP_PACKET) {
		send_bytes(f, r->payload, r->len);
		turn(f);
		return;
	}
	assert_int_equal(r->direction, RSP_OUT);
	assert_int_equal(r->event, RSP_PACKET);
	reply = next(f);
	if (!reply || f->decoder.payload.len != r->len || memcmp(reply, r->payload, r->len) != 0)
		fail_msg("line %u: '%.*s' was to come, not '%s'", line, (int)r->len, r->payload,
			 reply ? reply : "(nothing)");
}

static void expect_replay(const char *path)
{
	_cleanup_(end) struct fixture f;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct rsp_record record;
	bool more;

	assert_null(read_file(path, 1 << 20, &text));
	begin(&f);
	f.fake->sleeper = true;
	session_say(f.session, "fake: welcome\n", strlen("fake: welcome\n"));
	_cleanup_(rsp_transcript_reader_deinit) struct rsp_transcript_reader reader =
		RSP_TRANSCRIPT_READER_INIT(text.data, text.len);
	for (;;) {
		assert_null(rsp_transcript_next(&reader, &more, &record));
		if (!more)
			break;
		replay(&f, &record, reader.line);
	}
	assert_true(f.session->over);
	assert_null(next(&f));
	shutdown(f.client, SHUT_WR);
	assert_null(session_finish(f.session));
}

static void test_gdb(void **state)
{
	(void)state;
	expect_replay(TEST_DATA "/transcripts/gdb-13");
}

static void test_lldb_14(void **state)
{
	(void)state;
	expect_replay(TEST_DATA "/transcripts/lldb-14");
}

/* --- What only LLDB gets --- */

#define CPU_0 "hexname:43505520303a203c66616b653e;"
#define CPU_1 "hexname:43505520313a203c66616b653e;"
#define NEWS "library:;library:;reason:trap;description:6d6f64756c65732077657265206c6f61646564206f7220756e6c6f61646564;"

static void test_lldb(void **state)
{
	struct target_event script[] = {
		{ .kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_LIBRARIES, .thread = 2, .signo = SIGNAL_TRAP },
		{ .kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_SIGNAL, .thread = 1, .signo = SIGNAL_TRAP },
	};
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->libraries = "<library-list/>";
	EXPECT(&f, "qXfer:libraries:read::0,fff", "l<library-list/>");
	EXPECT(&f, "z0,100c,1", "E02");
	EXPECT(&f, "QThreadSuffixSupported", "");
	EXPECT(&f, "qXfer:libraries:read::0,fff", "l<library-list><library name=\"placed\"/></library-list>");
	/* It is told to ask what is loaded, and of threads by name. */
	EXPECT(&f, "?", "T05thread:1;" CPU_0 AT_START "library:;");
	EXPECT(&f, "qThreadStopInfo2", "T00thread:2;" CPU_1 AT_START);
	EXPECT(&f, "qThreadStopInfo1", "T05thread:1;" CPU_0 AT_START);
	EXPECT(&f, "qThreadStopInfo9", "E02");
	EXPECT(&f, "qThreadStopInfo", "E16");
	/* Of one that went with a module. */
	EXPECT(&f, "z0,100c,1", "OK");
	f.fake->offset = 0xffffffff92000000;
	EXPECT(&f, "qOffsets", "Text=11000000;Data=11000000");
	f.fake->script = script;
	f.fake->script_n = ARRAY_SIZE(script);
	EXPECT(&f, "c", "T11thread:2;" CPU_1 AT_START NEWS);
	EXPECT(&f, "c", "T05thread:1;" CPU_0 AT_START);
	/* It quits, and the machine runs on. */
	EXPECT(&f, "k", "X09");
	shutdown(f.client, SHUT_WR);
	assert_null(session_finish(f.session));
	assert_false(f.fake->killed);
	assert_true(f.fake->detached);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),  cmocka_unit_test(test_unknown),    cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_registers), cmocka_unit_test(test_memory),     cmocka_unit_test(test_threads),
		cmocka_unit_test(test_pieces),    cmocka_unit_test(test_queries),    cmocka_unit_test(test_errors),
		cmocka_unit_test(test_greeting),  cmocka_unit_test(test_impatience), cmocka_unit_test(test_gdb),
		cmocka_unit_test(test_lldb_14),   cmocka_unit_test(test_lldb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
