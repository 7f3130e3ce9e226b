/*
 * Debug sessions: what each packet does, in its good and its bad forms; stops, conditions, resets, and how a session ends. The
 * machine is fake_target.h's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fs.h"
#include "rsp/transcript.h"
#include "server/session_private.h"

#include "fake_target.h"

struct fixture {
	struct target *target;
	struct fake_target *fake;
	int client, served;
	int word[2];
	struct session_params params;
	struct session *session;
	struct rsp_decoder decoder;
	struct buf unread;
};

static void begin_with(struct fixture *f, bool with_word)
{
	int fds[2];

	*f = (struct fixture){ .word = { -1, -1 }, .decoder = RSP_DECODER_INIT(1 << 20) };
	f->decoder.run_lengths = true;
	f->target = fake_target_create();
	f->fake = fake_target(f->target);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	f->client = fds[0];
	f->served = fds[1];
	if (with_word)
		assert_int_equal(pipe(f->word), 0);
	f->session = session_create(f->served, f->word[0], f->target, &f->params);
	rsp_conn_set_no_ack(f->session->conn);
}

static void begin(struct fixture *f)
{
	begin_with(f, false);
}

static void end(struct fixture *f)
{
	session_destroy(f->session);
	close(f->client);
	close(f->served);
	for (int i = 0; i < 2; i++) {
		if (f->word[i] >= 0)
			close(f->word[i]);
	}
	rsp_decoder_deinit(&f->decoder);
	buf_deinit(&f->unread);
	target_destroy(f->target);
}
DEFINE_CLEANUP_STORAGE(struct fixture, end);

static void send_bytes(struct fixture *f, const char *payload, size_t len)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	rsp_encode(&b, payload, len, false);
	assert_int_equal(write(f->client, b.data, b.len), b.len);
}

static void send_packet(struct fixture *f, const char *payload)
{
	send_bytes(f, payload, strlen(payload));
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		session_turn(f->session, 0);
}

/* The next packet that came; NULL: none has. Valid until the next one. */
static const char *next(struct fixture *f)
{
	enum rsp_event event = RSP_NONE;
	char bytes[4096];
	ssize_t n;

	while ((n = read(f->client, bytes, sizeof(bytes))) > 0)
		buf_append(&f->unread, bytes, (size_t)n);
	while (f->unread.len && event != RSP_PACKET)
		buf_consume(&f->unread, rsp_decode(&f->decoder, f->unread.data, f->unread.len, &event));
	return event == RSP_PACKET ? buf_str(&f->decoder.payload) : NULL;
}

static const char *ask(struct fixture *f, const char *packet)
{
	const char *reply;

	send_packet(f, packet);
	turn(f);
	reply = next(f);
	return reply ? reply : "(nothing)";
}

#define EXPECT(f, packet, reply) assert_string_equal(ask(f, packet), reply)
#define EXPECT_NEXT(f, reply)                                                                                          \
	do {                                                                                                           \
		const char *next_ = next(f);                                                                           \
		assert_non_null(next_);                                                                                \
		assert_string_equal(next_, reply);                                                                     \
	} while (0)

/* What was asked of the machine since the last time. */
static void expect_log(struct fixture *f, const char *log)
{
	assert_string_equal(buf_str(&f->fake->log), log);
	buf_clear(&f->fake->log);
}

static void expect_text(struct fixture *f, const char *text)
{
	_cleanup_(buf_deinit) struct buf hex = BUF_INIT;

	buf_putc(&hex, 'O');
	rsp_put_hex_text(&hex, text);
	EXPECT_NEXT(f, buf_str(&hex));
}

#define GDB "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+"
#define AT_START "10:0010000000000000;"
#define AT_HERE "10:0c10000000000000;"
#define STEP_OVER "resume step=0 others=0 signo=0 over=1\n"
#define CONTINUE "resume step=0 others=0 signo=0 over=0\n"

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

/* --- Running --- */

static void test_stepping(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "vCont;s:1;c", "T05thread:1;10:0110000000000000;");
	expect_log(&f, "resume step=1 others=1 signo=0 over=0\n");
	EXPECT(&f, "vCont;S05:2", "T05thread:2;10:0110000000000000;");
	expect_log(&f, "resume step=2 others=0 signo=5 over=0\n");
	EXPECT(&f, "s", "T05thread:2;10:0410000000000000;");
	EXPECT(&f, "Hc1", "OK");
	EXPECT(&f, "s", "T05thread:1;10:0410000000000000;");
	EXPECT(&f, "vCont;s:1;s:2", "E5f");
	EXPECT(&f, "vCont;s:3", "E02");
	EXPECT(&f, "c1000", "E5f");
	buf_clear(&f.fake->log);
	/* What comes first counts. */
	EXPECT(&f, "vCont;s:1;c:1;c:2", "T05thread:1;10:0c10000000000000;");
	expect_log(&f, "resume step=1 others=1 signo=0 over=0\n");
}

static void test_range(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "vCont;r1000,100c:1", "T05thread:1;" AT_HERE);
	expect_log(&f, "resume step=1 others=0 signo=0 over=0\nresume step=1 others=0 signo=0 over=0\n"
		       "resume step=1 others=0 signo=0 over=0\n");
	/* A breakpoint within it counts, if its condition does; the one that it begins at doesn't. */
	ask(&f, GDB);
	EXPECT(&f, "Z0,100c,1", "OK");
	EXPECT(&f, "Z0,1001,1;X3,220027", "OK");
	EXPECT(&f, "Z0,1004,1;X3,220127", "OK");
	EXPECT(&f, "vCont;r1000,1010:1;c", "T05thread:1;10:0410000000000000;swbreak:;");
}

static void test_breakpoints(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "Z0,100c,1", "OK");
	EXPECT(&f, "Z0,100c,1", "OK");
	expect_log(&f, "insert 0 100c 1\n");
	/* One that doesn't know it isn't told why. */
	EXPECT(&f, "c", "T05thread:1;" AT_HERE);
	ask(&f, GDB);
	EXPECT(&f, "vCont;c", "T05thread:1;" AT_HERE "swbreak:;");
	EXPECT(&f, "z0,100c,1", "OK");
	EXPECT(&f, "z0,100c,1", "E.there is no breakpoint at 0x100c");
	EXPECT(&f, "Z1,1000,1", "OK");
	EXPECT(&f, "vCont;c", "T05thread:1;" AT_START "hwbreak:;");
	EXPECT(&f, "z1,1000,1", "OK");
	EXPECT(&f, "Z2,2000,8", "OK");
	EXPECT(&f, "vCont;c", "T05thread:1;" AT_HERE "watch:2000;");
	EXPECT(&f, "z2,2000,8", "OK");
	EXPECT(&f, "Z3,2000,8", "");
	EXPECT(&f, "Z5,2000,8", "");
	EXPECT(&f, "Z0,9000,1", "E.nothing can be planted at 0x9000");
	assert_int_equal(f.fake->planted_n, 0);
}

/* The breakpoint of somebody else, below: GDB would go on from that for ever. */
static void test_foreign_breakpoint(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	ask(&f, GDB);
	assert_null(target_insert(f.target, TARGET_BREAK_SOFTWARE, FAKE_HERE, 1));
	EXPECT(&f, "c", "T05thread:1;" AT_HERE);
}

static void test_conditions(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	ask(&f, GDB);
	/* rax == 3: reg 0, const8 3, equal, end */
	EXPECT(&f, "Z0,100c,1;X7,26000022031327", "OK");
	EXPECT(&f, "c", "T05thread:1;" AT_HERE "swbreak:;");
	assert_int_equal(f.fake->registers[0][FAKE_RAX], 3);
	expect_log(&f, "insert 0 100c 1\n" CONTINUE STEP_OVER STEP_OVER);
	/* Another list replaces it; none makes it stop always. */
	EXPECT(&f, "Z0,100c,1;X7,26000022071327", "OK");
	EXPECT(&f, "Z0,100c,1", "OK");
	EXPECT(&f, "c", "T05thread:1;" AT_HERE "swbreak:;");
	EXPECT(&f, "Z0,100c,1;X7,26", "E.an agent expression's length isn't that of its bytecode");
	assert_int_equal(f.fake->planted_n, 1);
	/* 1 / 0: it stops, and says why. */
	EXPECT(&f, "Z0,100c,1;X6,220122000527", "OK");
	send_packet(&f, "c");
	turn(&f);
	expect_text(&f, "ktb: the condition of the breakpoint at 0x100c could not be evaluated, so it stops: "
			"division by zero (div_signed, byte 4)\n");
	EXPECT_NEXT(&f, "T05thread:1;" AT_HERE "swbreak:;");
}

/* A dprintf with a condition, and a breakpoint behind it. */
static void test_commands(void **state)
{
	_cleanup_(end) struct fixture f;
	_cleanup_(buf_deinit) struct buf packet = BUF_INIT;

	(void)state;
	begin(&f);
	ask(&f, GDB);
	/* reg 0, const8 0, const8 0 (function, channel), printf 1 argument "%d\n"; end */
	buf_puts(&packet, "Z0,100c,1;cmds:1,X10,2600002200220034010004");
	rsp_put_hex_text(&packet, "%d\n");
	buf_puts(&packet, "0027");
	EXPECT(&f, buf_str(&packet), "OK");
	EXPECT(&f, "Z0,1000,1;X7,26000022021327", "OK");
	send_packet(&f, "c");
	turn(&f);
	expect_text(&f, "1\n");
	expect_text(&f, "2\n");
	EXPECT_NEXT(&f, "T05thread:1;" AT_START "swbreak:;");
	assert_null(next(&f));
}

static void test_variables(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	/* $fake_rax == 5: getv 2, const8 5, equal, end */
	EXPECT(&f,
	       "Z0,100c,1;X7,2c00022205"
	       "1327",
	       "OK");
	EXPECT(&f, "c", "T05thread:1;" AT_HERE);
	assert_int_equal(f.fake->registers[0][FAKE_RAX], 5);
}

/* --- Interrupts, and what comes at the wrong time --- */

static void send_interrupt(struct fixture *f)
{
	assert_int_equal(write(f->client, "\003", 1), 1);
	turn(f);
}

static void test_interrupt(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	/* Without effect while it stands. */
	send_interrupt(&f);
	expect_log(&f, "");
	EXPECT(&f, "c", "(nothing)");
	send_interrupt(&f);
	assert_non_null(strstr(next(&f), "T02thread:1;"));
	expect_log(&f, CONTINUE "interrupt\n");
}

/* Stops that would go on by themselves, however many there are, don't swallow it. */
static void test_interrupt_in_storm(void **state)
{
	static const char *const resumes[] = { "c", "vCont;r1000,2000:1" };
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "Z0,100c,1;X3,220027", "OK");
	for (size_t i = 0; i < ARRAY_SIZE(resumes); i++) {
		EXPECT(&f, resumes[i], "(nothing)");
		send_interrupt(&f);
		assert_non_null(strstr(next(&f), "T02thread:1;"));
		assert_null(next(&f));
	}
}

/* Nothing may be asked of a machine that runs. */
static void test_early_packets(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->silent = true;
	EXPECT(&f, "c", "(nothing)");
	EXPECT(&f, "P0=0100000000000000", "(nothing)");
	EXPECT(&f, "p0", "(nothing)");
	EXPECT(&f, "vCont;s:1", "(nothing)");
	EXPECT(&f, "p0", "(nothing)");
	send_interrupt(&f);
	EXPECT_NEXT(&f, "T02thread:1;" AT_START);
	EXPECT_NEXT(&f, "OK");
	EXPECT_NEXT(&f, "0100000000000000");
	assert_null(next(&f));
	send_interrupt(&f);
	EXPECT_NEXT(&f, "T02thread:1;" AT_START);
	EXPECT_NEXT(&f, "0100000000000000");
}

static void test_too_many_early_packets(void **state)
{
	_cleanup_(end) struct fixture f;
	_cleanup_(buf_deinit) struct buf packet = BUF_INIT;

	(void)state;
	begin(&f);
	f.fake->silent = true;
	EXPECT(&f, "c", "(nothing)");
	for (size_t i = 0; i < 50000; i++)
		buf_putc(&packet, 'm');
	for (int i = 0; i < 100 && !f.session->over; i++) {
		send_packet(&f, buf_str(&packet));
		turn(&f);
	}
	assert_true(f.session->over);
	assert_null(session_finish(f.session));
	expect_log(&f, CONTINUE "interrupt\ndetach\n");
}

/* --- Events --- */

#define STOP(...)                                                                                                      \
	{                                                                                                              \
		.kind = TARGET_EVENT_STOP, .thread = 1, __VA_ARGS__                                                    \
	}

static void expect_stop(struct target_event event, const char *text, const char *reply)
{
	_cleanup_(end) struct fixture f;

	begin(&f);
	ask(&f, GDB);
	f.fake->script = &event;
	f.fake->script_n = 1;
	send_packet(&f, "vCont;c");
	turn(&f);
	if (text)
		expect_text(&f, text);
	EXPECT_NEXT(&f, reply);
	assert_null(next(&f));
}

static void test_events(void **state)
{
	char message[] = "an oops";

	(void)state;
	expect_stop((struct target_event)STOP(.signo = 11), NULL, "T0bthread:1;" AT_START);
	expect_stop((struct target_event)STOP(.reason = TARGET_REASON_LIBRARIES), NULL,
		    "T05thread:1;" AT_START "library:;");
	expect_stop((struct target_event)STOP(.signo = 6, .message = message), "an oops\n", "T06thread:1;" AT_START);
	/* Not in the list: it would be inconsistent to GDB. */
	expect_stop((struct target_event){ .kind = TARGET_EVENT_STOP, .thread = 77 }, NULL, "T05thread:1;" AT_START);
	expect_stop((struct target_event)STOP(.reason = TARGET_REASON_WATCH, .watch = TARGET_BREAK_SOFTWARE), NULL,
		    "T05thread:1;" AT_START);
	expect_stop((struct target_event){ .kind = TARGET_EVENT_EXITED, .status = 3, .message = message }, "an oops\n",
		    "W03");
}

/* GDB trips over a stop of another thread than the one that it steps alone. */
static void test_event_of_other(void **state)
{
	struct target_event event = { .kind = TARGET_EVENT_STOP, .thread = 2, .signo = 5 };
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "vCont;s:1", "T05thread:1;" AT_START);
	EXPECT(&f, "qC", "QC1");
}

static void test_target_gone(void **state)
{
	_cleanup_(end) struct fixture f;
	struct err *e;

	(void)state;
	begin(&f);
	EXPECT(&f, "c", "(nothing)");
	f.fake->failing = ERR_CLOSED;
	f.fake->fails = "next_event";
	turn(&f);
	expect_text(&f, "the fake can't next_event\n");
	EXPECT_NEXT(&f, "X09");
	shutdown(f.client, SHUT_WR);
	e = session_finish(f.session);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_CLOSED);
	err_destroy(e);
}

/* --- A reset --- */

static void test_reset(void **state)
{
	struct target_event event = STOP(.signo = 3, .reason = TARGET_REASON_RESET);
	_cleanup_(end) struct fixture f;

	(void)state;
	begin_with(&f, true);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "c", "T03thread:1;" AT_START);
	expect_log(&f, CONTINUE);
	/* Held, and it can be interrupted. */
	EXPECT(&f, "c", "(nothing)");
	expect_log(&f, "");
	send_interrupt(&f);
	EXPECT_NEXT(&f, "T02thread:1;" AT_START);
	EXPECT(&f, "vCont;s:1", "(nothing)");
	expect_log(&f, "");
	assert_int_equal(write(f.word[1], "x", 1), 1);
	turn(&f);
	assert_int_equal(f.fake->resets_done, 1);
	EXPECT_NEXT(&f, "T05thread:1;10:0110000000000000;");
}

/* The supervisor's word is read before the target's event. */
static void test_reset_overtaken(void **state)
{
	struct target_event event = STOP(.signo = 3, .reason = TARGET_REASON_RESET);
	_cleanup_(end) struct fixture f;

	(void)state;
	begin_with(&f, true);
	f.fake->silent = true;
	EXPECT(&f, "c", "(nothing)");
	f.fake->script = &event;
	f.fake->script_n = 1;
	assert_int_equal(write(f.word[1], "x", 1), 1);
	turn(&f);
	EXPECT_NEXT(&f, "T03thread:1;" AT_START);
	f.fake->silent = false;
	EXPECT(&f, "s", "T05thread:1;10:0110000000000000;");
}

/* Nobody will say so any more. */
static void test_reset_without_word(void **state)
{
	struct target_event event = STOP(.signo = 3, .reason = TARGET_REASON_RESET);
	_cleanup_(end) struct fixture f;

	(void)state;
	begin_with(&f, true);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "c", "T03thread:1;" AT_START);
	close(f.word[1]);
	f.word[1] = -1;
	EXPECT(&f, "s", "T05thread:1;10:0110000000000000;");
}

/* --- The end --- */

static void vanish(struct fixture *f)
{
	shutdown(f->client, SHUT_RDWR);
	turn(f);
	assert_true(f->session->over);
	assert_null(session_finish(f->session));
}

static void test_vanishes(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "Z0,100c,1;X3,220027", "OK");
	f.fake->silent = true;
	EXPECT(&f, "c", "(nothing)");
	vanish(&f);
	expect_log(&f, "insert 0 100c 1\n" CONTINUE "interrupt\nremove 0 100c 1\ndetach\n");
}

static void test_vanishes_to_stop(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.params.stop_on_disconnect = true;
	EXPECT(&f, "Z1,100c,1", "OK");
	vanish(&f);
	expect_log(&f, "insert 1 100c 1\nremove 1 100c 1\n");
}

static void test_detach(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.params.stop_on_disconnect = true;
	EXPECT(&f, "Z1,100c,1", "OK");
	EXPECT(&f, "D;1", "OK");
	assert_true(f.session->over);
	shutdown(f.client, SHUT_WR);
	assert_null(session_finish(f.session));
	expect_log(&f, "insert 1 100c 1\nremove 1 100c 1\ndetach\n");
}

static void test_kill(void **state)
{
	static const char *const packets[] = { "k", "vKill;1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		_cleanup_(end) struct fixture f;

		begin(&f);
		EXPECT(&f, packets[i], i ? "OK" : "(nothing)");
		shutdown(f.client, SHUT_WR);
		assert_null(session_finish(f.session));
		expect_log(&f, "kill\n");
	}
}

/* A machine that doesn't stop isn't waited for for ever, and that is said. */
static void test_deaf(void **state)
{
	_cleanup_(end) struct fixture f;
	struct err *e;

	(void)state;
	begin(&f);
	f.fake->silent = f.fake->deaf = true;
	EXPECT(&f, "c", "(nothing)");
	shutdown(f.client, SHUT_RDWR);
	turn(&f);
	e = session_finish(f.session);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_TIMEOUT);
	err_destroy(e);
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
	EXPECT(&f, "k", "X09");
	assert_true(f.fake->killed);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_features),
	cmocka_unit_test(test_unknown),
	cmocka_unit_test(test_malformed),
	cmocka_unit_test(test_registers),
	cmocka_unit_test(test_memory),
	cmocka_unit_test(test_threads),
	cmocka_unit_test(test_pieces),
	cmocka_unit_test(test_queries),
	cmocka_unit_test(test_errors),
	cmocka_unit_test(test_stepping),
	cmocka_unit_test(test_range),
	cmocka_unit_test(test_breakpoints),
	cmocka_unit_test(test_foreign_breakpoint),
	cmocka_unit_test(test_conditions),
	cmocka_unit_test(test_variables),
	cmocka_unit_test(test_commands),
	cmocka_unit_test(test_interrupt),
	cmocka_unit_test(test_interrupt_in_storm),
	cmocka_unit_test(test_early_packets),
	cmocka_unit_test(test_too_many_early_packets),
	cmocka_unit_test(test_events),
	cmocka_unit_test(test_event_of_other),
	cmocka_unit_test(test_target_gone),
	cmocka_unit_test(test_reset),
	cmocka_unit_test(test_reset_overtaken),
	cmocka_unit_test(test_reset_without_word),
	cmocka_unit_test(test_vanishes),
	cmocka_unit_test(test_vanishes_to_stop),
	cmocka_unit_test(test_detach),
	cmocka_unit_test(test_kill),
	cmocka_unit_test(test_deaf),
	cmocka_unit_test(test_greeting),
	cmocka_unit_test(test_impatience),
	cmocka_unit_test(test_gdb),
	cmocka_unit_test(test_lldb_14),
	cmocka_unit_test(test_lldb),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
