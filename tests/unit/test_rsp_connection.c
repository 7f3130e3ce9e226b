/*
 * One end of a connection, with a peer whose every byte is here: acknowledgments that come, are lost, or are refused; a
 * peer that doesn't read, floods, or goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/util.h"
#include "rsp/connection.h"

enum { MAX_PAYLOAD = 1024 };

/* --- A connection and its peer --- */

struct pair {
	int fd, peer;
	struct rsp_conn *c;
	struct buf taped;
};

static void tape(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len, void *user)
{
	static const char *const names[] = {
		[RSP_PACKET] = "$", [RSP_NOTIFICATION] = "%", [RSP_BAD_SUM] = "bad",  [RSP_TOO_LONG] = "long",
		[RSP_ACK] = "+",    [RSP_NAK] = "-",          [RSP_INTERRUPT] = "^C",
	};
	struct pair *p = user;

	buf_printf(&p->taped, "%s%s%.*s ", direction == RSP_IN ? "<" : ">", names[event], (int)len, payload);
}

static void pair_init(struct pair *p, enum rsp_role role, size_t max_payload)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*p = (struct pair){ .fd = fds[0], .peer = fds[1], .c = rsp_conn_create(fds[0], role, max_payload) };
	set_nonblock(p->peer, true);
}

static void pair_deinit(struct pair *p)
{
	rsp_conn_destroy(p->c);
	closep(&p->fd);
	closep(&p->peer);
	buf_deinit(&p->taped);
}
DEFINE_CLEANUP_STORAGE(struct pair, pair_deinit);

static void say(struct pair *p, const char *bytes)
{
	assert_int_equal(write(p->peer, bytes, strlen(bytes)), strlen(bytes));
}

/* What the peer has got since it was last asked is this. */
static void expect_heard(struct pair *p, const char *bytes)
{
	char heard[4096] = "";
	ssize_t n = read(p->peer, heard, sizeof(heard) - 1);

	heard[MAX(n, 0)] = '\0';
	assert_string_equal(heard, bytes);
}

static void expect_event(struct pair *p, enum rsp_conn_event event)
{
	struct rsp_reader payload;

	rsp_conn_read(p->c);
	assert_int_equal(rsp_conn_next(p->c, &payload), event);
}

static void expect_packet(struct pair *p, const char *text)
{
	struct rsp_reader payload;

	rsp_conn_read(p->c);
	assert_int_equal(rsp_conn_next(p->c, &payload), RSP_CONN_PACKET);
	assert_true(rsp_rest_is(&payload, text));
}

static void send_text(struct pair *p, const char *payload)
{
	assert_null(rsp_conn_send(p->c, payload, strlen(payload)));
}

static void expect_send_closed(struct pair *p)
{
	struct err *e = rsp_conn_send(p->c, "OK", 2);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_CLOSED);
	assert_non_null(strstr(err_message(e), rsp_conn_end_reason(p->c)));
	err_destroy(e);
}

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

/* What has no runs. */
static void fill(char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = "0123456789abcdef"[i % 16];
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

/* --- A peer that is slow, or worse --- */

static void test_never_reads(void **state)
{
	_cleanup_(pair_deinit) struct pair p;
	char payload[65536] = "";
	struct err *e = NULL;
	size_t n = 0;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	rsp_conn_set_no_ack(p.c);
	fill(payload, sizeof(payload));
	for (; !e && n < 1000; n++) {
		assert_in_range(rsp_conn_pending(p.c), 0, RSP_PENDING_MAX + 8);
		e = rsp_conn_send(p.c, payload, sizeof(payload));
	}
	assert_in_range(n, (RSP_PENDING_MAX >> 16) - 2, (RSP_PENDING_MAX >> 16) + 20);
	assert_int_equal(err_code(e), ERR_CLOSED);
	assert_non_null(strstr(err_message(e), "doesn't read"));
	err_destroy(e);
	assert_int_equal(rsp_conn_pending(p.c), 0);
	expect_event(&p, RSP_CONN_CLOSED);
}

/* It doesn't acknowledge: the queue is as bounded. */
static void test_never_acknowledges(void **state)
{
	_cleanup_(pair_deinit) struct pair p;
	char payload[65536] = "";
	struct err *e = NULL;

	(void)state;
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	for (size_t n = 0; !e && n < 1000; n++)
		e = rsp_conn_send(p.c, payload, sizeof(payload));
	assert_non_null(e);
	err_destroy(e);
}

static bool drain(struct pair *p, size_t *total)
{
	char bytes[65536];
	ssize_t n = read(p->peer, bytes, sizeof(bytes));

	*total += (size_t)MAX(n, 0);
	return n > 0;
}

/* Whoever asks without reading the answers isn't listened to meanwhile; once the answers are read all goes on. */
static void test_questions_wait_for_the_answers_to_be_read(void **state)
{
	enum { QUESTIONS = 100, ANSWER = 65536 };
	_cleanup_(pair_deinit) struct pair p;
	char answer[ANSWER] = "";
	size_t answered = 0, heard = 0, held = 0;
	struct rsp_reader payload;

	(void)state;
	fill(answer, sizeof(answer));
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	rsp_conn_set_no_ack(p.c);
	for (int i = 0; i < QUESTIONS; i++)
		say(&p, "$?#3f");
	while (answered < QUESTIONS) {
		rsp_conn_read(p.c);
		if (rsp_conn_next(p.c, &payload) == RSP_CONN_PACKET) {
			assert_null(rsp_conn_send(p.c, answer, sizeof(answer)));
			answered++;
			assert_in_range(rsp_conn_pending(p.c), 0, RSP_PENDING_HOLD + ANSWER + 4);
			continue;
		}
		held++;
		assert_int_equal(rsp_conn_poll_events(p.c), POLLOUT);
		assert_false(rsp_conn_buffered(p.c));
		assert_true(drain(&p, &heard));
		rsp_conn_flush(p.c);
	}
	assert_true(held > 0);
	do
		rsp_conn_flush(p.c);
	while (drain(&p, &heard));
	assert_int_equal(heard, QUESTIONS * (ANSWER + 4));
}

/* A - each for bad packets without end, from one who doesn't read them. */
static void test_flood_of_damaged_packets(void **state)
{
	_cleanup_(pair_deinit) struct pair p;
	struct rsp_reader payload;
	char bytes[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = "$#01"[i % 4];
	pair_init(&p, RSP_SERVER, MAX_PAYLOAD);
	for (int i = 0; i < 4000; i++) {
		(void)!write(p.peer, bytes, sizeof(bytes));
		rsp_conn_read(p.c);
		assert_int_equal(rsp_conn_next(p.c, &payload), RSP_CONN_NONE);
		assert_in_range(rsp_conn_pending(p.c), 0, RSP_PENDING_HOLD + 65536);
	}
	assert_in_range(rsp_conn_pending(p.c), RSP_PENDING_HOLD, RSP_PENDING_HOLD + 65536);
	assert_int_equal(rsp_conn_poll_events(p.c), POLLOUT);
	assert_null(rsp_conn_end_reason(p.c));
}

/* --- Much at once --- */

/* Passes a packet from one end to the other, where it comes out as it was. */
static void pass(struct rsp_conn *from, struct rsp_conn *to, const struct buf *payload)
{
	struct rsp_reader got, nothing;
	enum rsp_conn_event event = RSP_CONN_NONE;

	assert_null(rsp_conn_send(from, payload->data, payload->len));
	while (event == RSP_CONN_NONE) {
		rsp_conn_flush(from);
		rsp_conn_read(to);
		event = rsp_conn_next(to, &got);
		rsp_conn_read(from);
		assert_int_equal(rsp_conn_next(from, &nothing), RSP_CONN_NONE);
	}
	assert_int_equal(event, RSP_CONN_PACKET);
	assert_int_equal(rsp_left(&got), payload->len);
	assert_memory_equal(got.p, payload->data, payload->len);
}

static void test_large_packets(void **state)
{
	size_t size = 1 << 20;
	_cleanup_(pair_deinit) struct pair p;
	_cleanup_(buf_deinit) struct buf payload = BUF_INIT;
	struct rsp_conn *client;

	(void)state;
	pair_init(&p, RSP_SERVER, size);
	client = rsp_conn_create(p.peer, RSP_CLIENT, size);
	for (size_t i = 0; i < size; i++)
		buf_putc(&payload, (char)(i * 7 >> (i % 3)));
	for (int i = 0; i < 2; i++) {
		pass(client, p.c, &payload);
		pass(p.c, client, &payload);
	}
	rsp_conn_destroy(client);
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
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_never_acknowledges),
		cmocka_unit_test(test_questions_wait_for_the_answers_to_be_read),
		cmocka_unit_test(test_flood_of_damaged_packets),
		cmocka_unit_test(test_large_packets),
	};

	return cmocka_run_group_tests_name("rsp_connection", tests, NULL, NULL);
}
