/*
 * One end of a connection, with a peer whose every byte is here: acknowledgments that come, are lost, or are refused; a
 * peer that doesn't read, floods, or goes.
 */
#include "rsp_pair.h"

/* --- Acknowledgments --- */

static void test_request_and_reply(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	rsp_conn_set_tap(p.c, tape, &p);
	expect_event(&p, RSP_CONN_NONE);
	say(&p, "+$?#3f");
	expect_packet(&p, "?");
	send_text(&p, "S05");
	/* Together. */
	expect_heard(&p, "+$S05#b8");
	say(&p, "+");
	expect_event(&p, RSP_CONN_NONE);
	assert_string_equal(buf_str(&p.taped), "<+ <$? >+ >$S05 <+ ");
	assert_int_equal(rsp_conn_pending(p.c), 0);
	assert_int_equal(rsp_conn_poll_events(p.c), POLLIN);
	assert_int_equal(rsp_conn_fd(p.c), p.fd);
	assert_null(rsp_conn_end_reason(p.c));
}

/* One that isn't answered at once is acknowledged all the same. */
static void test_acknowledged_without_reply(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	say(&p, "$c#63");
	expect_packet(&p, "c");
	assert_int_equal(rsp_conn_poll_events(p.c), POLLIN | POLLOUT);
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "+");
}

static void test_byte_by_byte(void **state)
{
	static const char bytes[] = "+$m0,4#fd-%Stop:T05#99\003";
	static const struct {
		size_t at;
		enum rsp_conn_event event;
	} events[] = { { 8, RSP_CONN_PACKET }, { 21, RSP_CONN_NOTIFICATION }, { 22, RSP_CONN_INTERRUPT } };
	_cleanup_(pair_deinit) struct pair p;
	size_t n = 0;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	for (size_t i = 0; i < strlen(bytes); i++) {
		const char byte[] = { bytes[i], '\0' };
		bool due = n < ARRAY_SIZE(events) && events[n].at == i;

		say(&p, byte);
		expect_event(&p, due ? events[n].event : RSP_CONN_NONE);
		n += due;
	}
	assert_int_equal(n, ARRAY_SIZE(events));
}

static void test_bad_sum_is_asked_for_again(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	say(&p, "$g#00");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "-");
	say(&p, "$g#67");
	expect_packet(&p, "g");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "+");
}

/* What is too long would be as long the next time. */
static void test_too_long_is_acknowledged(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, 4);
	say(&p, "$12345#ff$g#67");
	expect_event(&p, RSP_CONN_TOO_LONG);
	send_text(&p, "E22");
	expect_packet(&p, "g");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "+$E22#a9+");
}

static void test_one_packet_at_a_time(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "O61");
	send_text(&p, "OK");
	assert_int_equal(rsp_conn_pending(p.c), 5);
	expect_heard(&p, "$O61#b6");
	say(&p, "+");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$OK#9a");
	say(&p, "+");
	expect_event(&p, RSP_CONN_NONE);
	assert_int_equal(rsp_conn_pending(p.c), 0);
	/* An acknowledgment of nothing. */
	say(&p, "++-");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "");
}

static void test_resends(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "OK");
	say(&p, "-");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$OK#9a$OK#9a");
	say(&p, "--+");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$OK#9a$OK#9a");
	/* They are counted for each packet. */
	send_text(&p, "S05");
	say(&p, "-----+");
	expect_event(&p, RSP_CONN_NONE);
	assert_null(rsp_conn_end_reason(p.c));
}

static void test_resends_are_bounded(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "OK");
	say(&p, "------");
	expect_event(&p, RSP_CONN_CLOSED);
	assert_non_null(strstr(rsp_conn_end_reason(p.c), "again"));
	assert_int_equal(rsp_conn_poll_events(p.c), 0);
	expect_send_closed(&p);
	expect_event(&p, RSP_CONN_CLOSED);
}

static void test_packet_in_place_of_ack(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "OK");
	send_text(&p, "S05");
	expect_heard(&p, "$OK#9a");
	say(&p, "$g#67");
	expect_packet(&p, "g");
	expect_event(&p, RSP_CONN_NONE);
	/* The next one goes, and it isn't the old one that a - would bring. */
	expect_heard(&p, "$S05#b8+");
	say(&p, "-");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$S05#b8");
}

/* It is asked for again, and says nothing of ours. */
static void test_damaged_packet_is_no_ack(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "OK");
	say(&p, "$g#00-");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$OK#9a-$OK#9a");
}

static void test_no_ack_mode_of_a_server(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	say(&p, "$QStartNoAckMode#b0");
	expect_packet(&p, "QStartNoAckMode");
	send_text(&p, "OK");
	rsp_conn_set_no_ack(p.c);
	/* The OK is acknowledged as ever, and may be asked for again. */
	say(&p, "-");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "+$OK#9a$OK#9a");
	say(&p, "+$g#00$?#3f");
	expect_packet(&p, "g");
	send_text(&p, "00");
	send_text(&p, "11");
	expect_packet(&p, "?");
	say(&p, "-+$g}#e4");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$00#60$11#62");
	assert_int_equal(rsp_conn_pending(p.c), 0);
}

/* What is queued behind the OK needs none; and a client that doesn't acknowledge the OK has gone on, too. */
static void test_no_ack_mode_begins_behind_the_ok(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	send_text(&p, "OK");
	rsp_conn_set_no_ack(p.c);
	send_text(&p, "O61");
	send_text(&p, "O62");
	expect_heard(&p, "$OK#9a");
	say(&p, "$g#67");
	expect_packet(&p, "g");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$O61#b6$O62#b7");
}

static void test_no_ack_mode_of_a_client(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_CLIENT, MAX_PAYLOAD);
	send_text(&p, "QStartNoAckMode");
	say(&p, "+$OK#9a");
	expect_packet(&p, "OK");
	rsp_conn_set_no_ack(p.c);
	send_text(&p, "g");
	send_text(&p, "m0,4");
	expect_heard(&p, "$QStartNoAckMode#b0+$g#67$m0,4#fd");
	say(&p, "$0* #00");
	expect_packet(&p, "0000");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "");
}

/* --- Interrupts --- */

static void test_interrupts(void **state)
{
	_cleanup_(pair_deinit) struct pair server, client;

	(void)state;
	pair_init(&server, RSP_SERVER, MAX_PAYLOAD);
	say(&server, "$c#63\003\003");
	expect_packet(&server, "c");
	expect_event(&server, RSP_CONN_INTERRUPT);
	expect_event(&server, RSP_CONN_INTERRUPT);
	expect_event(&server, RSP_CONN_NONE);
	pair_init(&client, RSP_CLIENT, MAX_PAYLOAD);
	say(&client, "\003");
	expect_event(&client, RSP_CONN_NONE);
}

/* An interrupt that came before the packet that it is to interrupt would be lost. */
static void test_interrupt_keeps_its_place(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_CLIENT, MAX_PAYLOAD);
	rsp_conn_set_tap(p.c, tape, &p);
	send_text(&p, "Hc-1");
	send_text(&p, "c");
	assert_null(rsp_conn_send_interrupt(p.c));
	expect_heard(&p, "$Hc-1#09");
	say(&p, "+");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "$c#63");
	say(&p, "+");
	expect_event(&p, RSP_CONN_NONE);
	expect_heard(&p, "\003");
	assert_string_equal(buf_str(&p.taped), ">$Hc-1 <+ >$c <+ >^C ");
}

/* --- The end --- */

static void test_what_came_before_the_end(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	say(&p, "$?#3f$g#67$m");
	close(steal_fd(&p.peer));
	expect_packet(&p, "?");
	assert_true(rsp_conn_buffered(p.c));
	expect_packet(&p, "g");
	expect_event(&p, RSP_CONN_CLOSED);
	expect_event(&p, RSP_CONN_CLOSED);
	assert_string_equal(rsp_conn_end_reason(p.c), "it was closed");
	expect_send_closed(&p);
}

/* A stub that answers and goes: that our acknowledgment reaches nobody is no reason not to hear the answer. */
static void test_the_last_answer_is_heard(void **state)
{
	_cleanup_(pair_deinit) struct pair p;
	_cleanup_(buf_deinit) struct buf big = BUF_INIT, packet = BUF_INIT;
	struct rsp_reader payload;
	int size = 1 << 20;

	(void)state;
	pair_init(&p, RSP_CLIENT, 200000);
	assert_int_equal(setsockopt(p.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	memset(buf_reserve(&big, 150000), '0', 150000);
	buf_commit(&big, 150000);
	buf_puts(&packet, "$OK#9a");
	rsp_encode(&packet, big.data, big.len, false);
	assert_int_equal(write(p.peer, packet.data, packet.len), packet.len);
	shutdown(p.peer, SHUT_RD);
	expect_packet(&p, "OK");
	/* By itself: poll(2) has nothing to say about what goes on here. */
	assert_int_equal(rsp_conn_next(p.c, &payload), RSP_CONN_PACKET);
	assert_int_equal(rsp_left(&payload), big.len);
	assert_int_equal(rsp_conn_next(p.c, &payload), RSP_CONN_CLOSED);
}

/* One who has said all, but still listens. */
static void test_half_closed(void **state)
{
	_cleanup_(pair_deinit) struct pair p;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	say(&p, "$?#3f");
	shutdown(p.peer, SHUT_WR);
	expect_packet(&p, "?");
	expect_event(&p, RSP_CONN_CLOSED);
	send_text(&p, "S05");
	expect_heard(&p, "+$S05#b8");
}

/* GDB reads them faster; a stub that is asked doesn't know them in questions. */
static void test_only_long_replies_have_run_lengths(void **state)
{
	char zeros[2048], packet[4096];

	(void)state;
	memset(zeros, '0', sizeof(zeros));
	for (int i = 0; i < 3; i++) {
		_cleanup_(pair_deinit) struct pair p;
		size_t len = i == 1 ? 1000 : sizeof(zeros);
		ssize_t n;

		pair_init(&p, i == 2 ? RSP_CLIENT : RSP_SERVER, MAX_PAYLOAD);
		assert_null(rsp_conn_send(p.c, zeros, len));
		n = read(p.peer, packet, sizeof(packet));
		if (i == 0)
			assert_in_range(n, 1, 100);
		else
			assert_int_equal(n, len + 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_and_reply),
		cmocka_unit_test(test_acknowledged_without_reply),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_bad_sum_is_asked_for_again),
		cmocka_unit_test(test_too_long_is_acknowledged),
		cmocka_unit_test(test_one_packet_at_a_time),
		cmocka_unit_test(test_resends),
		cmocka_unit_test(test_resends_are_bounded),
		cmocka_unit_test(test_packet_in_place_of_ack),
		cmocka_unit_test(test_damaged_packet_is_no_ack),
		cmocka_unit_test(test_no_ack_mode_of_a_server),
		cmocka_unit_test(test_no_ack_mode_begins_behind_the_ok),
		cmocka_unit_test(test_no_ack_mode_of_a_client),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_interrupt_keeps_its_place),
		cmocka_unit_test(test_what_came_before_the_end),
		cmocka_unit_test(test_the_last_answer_is_heard),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_only_long_replies_have_run_lengths),
	};

	return cmocka_run_group_tests_name("rsp_connection", tests, NULL, NULL);
}
