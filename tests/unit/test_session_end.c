/*
 * Debug sessions: resets of the machine, and how a session ends.
 */
#include "session_fixture.h"

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

/* What lets it go on before that is lost, and nobody else would. */
static void test_reset_detach(void **state)
{
	struct target_event event = STOP(.signo = 3, .reason = TARGET_REASON_RESET);
	_cleanup_(end) struct fixture f;

	(void)state;
	begin_with(&f, true);
	f.fake->script = &event;
	f.fake->script_n = 1;
	EXPECT(&f, "Z0,100c,1", "OK");
	EXPECT(&f, "c", "T03thread:1;" AT_START);
	EXPECT(&f, "D", "(nothing)");
	send_interrupt(&f);
	assert_null(next(&f));
	expect_log(&f, "insert 0 100c 1\n" CONTINUE);
	assert_int_equal(write(f.word[1], "x", 1), 1);
	turn(&f);
	EXPECT_NEXT(&f, "OK");
	assert_int_equal(f.fake->resets_done, 1);
	expect_log(&f, "remove 0 100c 1\ndetach\n");
	assert_true(f.session->over);
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
	expect_log(&f, "insert 1 100c 1\nremove 1 100c 1\nleave\n");
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

/* What only begins so is another packet, of a client that has lost its way or is none: that ends no machine. */
static void test_kill_is_meant(void **state)
{
	_cleanup_(end) struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "kthxbye", "");
	assert_false(f.session->over);
	expect_log(&f, "");
}

/* Whoever clears away after a process that died knows what the client knew. */
static void test_to_run(void **state)
{
	struct target_event events[] = {
		{ .kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_BREAKPOINT, .thread = 1, .signo = SIGNAL_TRAP },
		{ .kind = TARGET_EVENT_NONE },
	};
	_cleanup_(end) struct fixture f;
	uint8_t to_run = 0;

	(void)state;
	begin(&f);
	f.params.to_run = &to_run;
	f.fake->script = events;
	f.fake->script_n = ARRAY_SIZE(events);
	EXPECT(&f, "Z0,1000,1;X3,220027", "OK");
	assert_int_equal(to_run, 0);
	/* It stops in silence, and goes on. */
	EXPECT(&f, "c", "(nothing)");
	assert_int_equal(f.fake->script_taken, 2);
	assert_int_equal(to_run, 1);
	send_interrupt(&f);
	EXPECT_NEXT(&f, "T02thread:1;" AT_START);
	assert_int_equal(to_run, 0);
	f.params.stop_on_disconnect = true;
	EXPECT(&f, "c", "(nothing)");
	assert_int_equal(to_run, 1);
	vanish(&f);
	assert_int_equal(to_run, 0);
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

/* --- A target that has gone --- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target_gone),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_overtaken),
		cmocka_unit_test(test_reset_detach),
		cmocka_unit_test(test_reset_without_word),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_vanishes_to_stop),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_to_run),
		cmocka_unit_test(test_kill_is_meant),
		cmocka_unit_test(test_deaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
