/*
 * Debug sessions: how the machine is let go on, and the stops that become of it.
 */
#include "session_fixture.h"

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

/* What the target has read is taken, however much the client talks. */
static void test_chatter(void **state)
{
	_cleanup_(end) struct fixture f;
	const char *reply = NULL;

	(void)state;
	begin(&f);
	f.fake->hidden = true;
	send_packet(&f, "vCont;s:1");
	for (int i = 0; i < 20 && !reply; i++) {
		assert_int_equal(write(f.client, "+", 1), 1);
		session_turn(f.session, 0);
		reply = next(&f);
	}
	assert_non_null(reply);
	assert_string_equal(reply, "T05thread:1;10:0110000000000000;");
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

#define FALSE_HIT                                                                                                      \
	{                                                                                                              \
		.kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_BREAKPOINT, .thread = 2, .signo = 5                 \
	}

/* What stops CPU 2 is nothing to the client; its commands are run once. But CPU 1 has taken its step, and is not to take another. */
static void test_step_is_seen(void **state)
{
	struct target_event event = FALSE_HIT;
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "Z0,1000,1;X3,220027", "OK");
	f.fake->steps = true;
	EXPECT(&f, "vCont;s:1;c", "T05thread:1;10:0110000000000000;");
	expect_log(&f, "insert 0 1000 1\nresume step=1 others=1 signo=0 over=0\n");
	f.fake->silent = true;
	EXPECT(&f, "c", "(nothing)");
	expect_log(&f, "resume step=0 others=0 signo=0 over=2\n");
}

/* One that has not is to take it, and so is one that is still where it may be. */
static void test_step_is_to_come(void **state)
{
	struct target_event event = FALSE_HIT;
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "Z0,1000,1;X3,220027", "OK");
	EXPECT(&f, "vCont;s:1;c", "T05thread:1;10:0110000000000000;");
	expect_log(&f, "insert 0 1000 1\nresume step=1 others=1 signo=0 over=0\n"
		       "resume step=1 others=1 signo=0 over=2\n");
	f.fake->script_taken = 0;
	f.fake->steps = true;
	EXPECT(&f, "vCont;r1000,1008:1;c", "T05thread:1;" AT_HERE);
	expect_log(&f, "resume step=1 others=1 signo=0 over=0\nresume step=1 others=1 signo=0 over=2\n");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_too_many_early_packets),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_event_of_other),
		cmocka_unit_test(test_step_is_seen),
		cmocka_unit_test(test_step_is_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
