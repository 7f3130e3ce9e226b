/*
 * A connection whose other side is slow, or floods it, or takes all that there can be at once.
 */
#include "rsp_pair.h"

/* What has no runs. */
static void fill(char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = "0123456789abcdef"[i % 16];
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
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_never_acknowledges),
		cmocka_unit_test(test_questions_wait_for_the_answers_to_be_read),
		cmocka_unit_test(test_flood_of_damaged_packets),
		cmocka_unit_test(test_large_packets),
	};

	return cmocka_run_group_tests_name("rsp_pressure", tests, NULL, NULL);
}
