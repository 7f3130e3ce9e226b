/*
 * A line that a console and KGDB share: which of its bytes are packets, and that all others are text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/line.h"

struct test {
	struct rsp_line line;
	struct buf text, packets;
	bool stands, left; /* what is_stopped() says */
};

static void put(bool is_packet, const char *bytes, size_t len, void *user)
{
	struct test *t = user;

	buf_append(is_packet ? &t->packets : &t->text, bytes, len);
}

static bool stands(void *user, bool leaves)
{
	const struct test *t = user;

	return leaves ? t->left : t->stands;
}

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof(*t));

	t->line = (struct rsp_line)RSP_LINE_INIT;
	t->line.user = t;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	rsp_line_deinit(&t->line);
	buf_deinit(&t->text);
	buf_deinit(&t->packets);
	free(t);
	return 0;
}

static void receive(struct test *t, const char *bytes)
{
	rsp_line_feed(&t->line, bytes, strlen(bytes), put, t);
}

static void send_packet(struct test *t, const char *bytes)
{
	rsp_line_sent(&t->line, bytes, strlen(bytes));
}

static void expect(struct test *t, const char *text, const char *packets)
{
	assert_string_equal(buf_str(&t->text), text);
	assert_string_equal(buf_str(&t->packets), packets);
	buf_clear(&t->text);
	buf_clear(&t->packets);
}

static void all_is_text_where_nobody_debugs(void **state)
{
	struct test *t = *state;

	receive(t, "sysrq: KGDB or $3#33 for KDB\r\n$OK#9a + - $T05thread:01;#07 $");
	expect(t, "sysrq: KGDB or $3#33 for KDB\r\n$OK#9a + - $T05thread:01;#07 $", "");
	assert_int_equal(rsp_line_held(&t->line), 0);
}

static void a_reply_is_taken_out_of_the_text(void **state)
{
	struct test *t = *state;

	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "$g#67");
	receive(t, "1 + 1 costs ");
	/* The first + counts as the acknowledgment: whoever shares a line can't have it better. */
	expect(t, "1  1 costs ", "+");
	receive(t, "$5\r\n$0011#c2 and more");
	expect(t, "$5\r\n and more", "$0011#c2");
	receive(t, "$OK#9a");
	expect(t, "$OK#9a", "");
	receive(t, "$0011#c2");
	expect(t, "", "$0011#c2");
}

static void a_kernel_that_runs_sends_only_stop_replies(void **state)
{
	struct test *t = *state;

	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "$c#63");
	receive(t, "+user$ $OK#9a $Tx $T0 $T05thread:-1;#aa $O41#b4 $S05#b9 \r\n");
	expect(t, "user$ $OK#9a $Tx $T0 $T05thread:-1;#aa $O41#b4 $S05#b9 \r\n", "+");
	receive(t, "a$T05thr");
	expect(t, "a", "");
	receive(t, "ead:01;#07b");
	expect(t, "b", "$T05thread:01;#07");
	assert_int_equal(t->line.state, RSP_LINE_STANDS);
	send_packet(t, "$s#73");
	receive(t, "+$S05#b8");
	expect(t, "", "+$S05#b8");
}

static void a_stop_that_is_none_is_text(void **state)
{
	struct test *t = *state;

	t->line.is_stopped = stands;
	rsp_line_set_state(&t->line, RSP_LINE_RUNS);
	receive(t, "$T05thread:01;#07$W00#b7");
	expect(t, "$T05thread:01;#07$W00#b7", "");
	t->stands = true;
	receive(t, "$T05thread:01;#07");
	expect(t, "", "$T05thread:01;#07");
}

static void what_began_in_another_state_is_held_against_this_one(void **state)
{
	struct test *t = *state;
	static const char *const texts[] = { "$O41#b4", "$abcd#8a", "$T05-#e6" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t len = strlen(texts[i]);
		char begin[16];

		snprintf(begin, sizeof(begin), "+%.*s", (int)len - 1, texts[i]);
		rsp_line_set_state(&t->line, RSP_LINE_STANDS);
		send_packet(t, "$qC#b4");
		receive(t, begin);
		expect(t, "", "+");
		/* It was only believed to stand. */
		rsp_line_set_state(&t->line, RSP_LINE_RUNS);
		receive(t, texts[i] + len - 1);
		expect(t, texts[i], "");
	}
}

static void a_leave_that_is_one_is_a_packet(void **state)
{
	struct test *t = *state;

	t->line.is_stopped = stands;
	rsp_line_set_state(&t->line, RSP_LINE_RUNS);
	t->left = true;
	receive(t, "a$T05thread:01;#07$W01#b8reboot: Restarting $W01#b8");
	expect(t, "a$T05thread:01;#07reboot: Restarting $W01#b8", "$W01#b8");
	assert_int_equal(t->line.state, RSP_LINE_ALONE);
}

static void output_is_taken_where_there_is_some(void **state)
{
	struct test *t = *state;

	t->line.takes_output = true;
	rsp_line_set_state(&t->line, RSP_LINE_RUNS);
	receive(t, "$O41#b4");
	expect(t, "", "$O41#b4");
	assert_int_equal(t->line.state, RSP_LINE_RUNS);
	send_packet(t, "$qRcmd,41#5c");
	receive(t, "+$O41#b4$O42#b5$OK#9a$O42#b5");
	expect(t, "$O42#b5", "+$O41#b4$O42#b5$OK#9a");
}

/* kdb writes what it reads. */
static void an_echo_is_text(void **state)
{
	struct test *t = *state;

	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "+$?#3f");
	receive(t, "\r\n[0]kdb> g$?#3f+$S05#b8");
	expect(t, "\r\n[0]kdb> g$?#3f", "+$S05#b8");
}

static void a_damaged_reply_is_shown_and_asked_for_again(void **state)
{
	struct test *t = *state;

	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "$g#67");
	receive(t, "+$0x11#c2");
	expect(t, "$0x11#c2", "+");
	assert_true(t->line.damaged);
	t->line.damaged = false;
	receive(t, "$0011#c2");
	expect(t, "", "$0011#c2");
	assert_false(t->line.damaged);
}

static void what_never_ends_is_given_up(void **state)
{
	struct test *t = *state;
	_cleanup_(buf_deinit) struct buf flood = BUF_INIT;

	rsp_line_set_state(&t->line, RSP_LINE_RUNS);
	receive(t, "user$");
	expect(t, "user", "");
	assert_int_equal(rsp_line_held(&t->line), 1);
	rsp_line_give_up(&t->line, put, t);
	expect(t, "$", "");
	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "$g#67");
	buf_putc(&flood, '$');
	while (flood.len < 2 * RSP_LINE_PACKET_MAX)
		buf_putc(&flood, 'x');
	receive(t, buf_str(&flood));
	assert_int_equal(t->text.len, flood.len);
}

static void away_from_the_stub_all_is_text_again(void **state)
{
	struct test *t = *state;

	rsp_line_set_state(&t->line, RSP_LINE_STANDS);
	send_packet(t, "$3#33");
	receive(t, "+\r\n[0]kdb> $OK#9a+");
	expect(t, "\r\n[0]kdb> $OK#9a+", "+");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(all_is_text_where_nobody_debugs),
		TEST(a_reply_is_taken_out_of_the_text),
		TEST(a_kernel_that_runs_sends_only_stop_replies),
		TEST(a_stop_that_is_none_is_text),
		TEST(a_leave_that_is_one_is_a_packet),
		TEST(what_began_in_another_state_is_held_against_this_one),
		TEST(output_is_taken_where_there_is_some),
		TEST(an_echo_is_text),
		TEST(a_damaged_reply_is_shown_and_asked_for_again),
		TEST(what_never_ends_is_given_up),
		TEST(away_from_the_stub_all_is_text_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
