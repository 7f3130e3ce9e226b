/*
 * Questions to a stub that follows a script: it answers late or not at all, prints meanwhile, stops, or goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/util.h"
#include "rsp/client.h"

enum { MAX_REPLY = 4096, LONG_MS = 20000, SHORT_MS = 60, PRINTING_MS = 1000, WORD = 1000000, GOES };

/* --- The stub: a thread that hears exactly this, waits, and says that --- */

struct step {
	const char *hears;
	unsigned int wait_ms; /* WORD: until the test gives its word; GOES: a while, and then it goes */
	const char *says;     /* NULL: nothing */
};

struct stub {
	int fd, ours;
	const struct step *steps;
	size_t n;
	pthread_t thread;
	sem_t word;
	bool running;
	bool heard_all;
	struct rsp_client *c;
	struct buf reply;
};

static bool hears(int fd, const char *bytes)
{
	for (; *bytes; bytes++) {
		char c;

		if (read(fd, &c, 1) != 1 || c != *bytes)
			return false;
	}
	return true;
}

static void *play(void *user)
{
	struct stub *s = user;

	for (size_t i = 0; i < s->n; i++) {
		const struct step *step = &s->steps[i];

		if (!hears(s->fd, step->hears))
			return NULL;
		if (step->wait_ms == WORD)
			sem_wait(&s->word);
		else
			usleep((step->wait_ms == GOES ? SHORT_MS : step->wait_ms) * 1000);
		if (step->says && send(s->fd, step->says, strlen(step->says), MSG_NOSIGNAL) < 0)
			return NULL;
		if (step->wait_ms == GOES)
			shutdown(s->fd, SHUT_RDWR);
	}
	s->heard_all = true;
	return NULL;
}

static void stub_init(struct stub *s, const struct step *steps, size_t n)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*s = (struct stub){ .fd = fds[1], .ours = fds[0], .steps = steps, .n = n };
	s->c = rsp_client_create(s->ours, MAX_REPLY);
	assert_int_equal(sem_init(&s->word, 0, 0), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
	s->running = true;
}

/* It has heard all that it was to hear. */
static void expect_played(struct stub *s)
{
	pthread_join(s->thread, NULL);
	s->running = false;
	assert_true(s->heard_all);
}

static void stub_deinit(struct stub *s)
{
	if (s->running) {
		sem_post(&s->word);
		shutdown(s->fd, SHUT_RDWR);
		pthread_join(s->thread, NULL);
	}
	rsp_client_destroy(s->c);
	sem_destroy(&s->word);
	closep(&s->fd);
	closep(&s->ours);
	buf_deinit(&s->reply);
}
DEFINE_CLEANUP_STORAGE(struct stub, stub_deinit);

#define STUB(s, ...)                                                                                                   \
	static const struct step s##_steps[] = { __VA_ARGS__ };                                                        \
	_cleanup_(stub_deinit) struct stub s;                                                                          \
	stub_init(&s, s##_steps, ARRAY_SIZE(s##_steps))

static void expect_reply(struct stub *s, const char *request, const char *reply)
{
	assert_null(rsp_client_call(s->c, request, strlen(request), LONG_MS, &s->reply));
	assert_string_equal(buf_str(&s->reply), reply);
}

static void expect_error(struct err *e, enum err_code code, const char *part)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_non_null(strstr(err_message(e), part));
	err_destroy(e);
}

/* Waits for what comes without a call, as an owner's loop would. */
static void expect_polled(struct stub *s, const char *packet)
{
	bool got = false;

	while (!got) {
		struct pollfd p = { .fd = rsp_client_fd(s->c), .events = rsp_client_poll_events(s->c) };

		if (!rsp_client_buffered(s->c))
			assert_int_equal(poll(&p, 1, LONG_MS), 1);
		assert_null(rsp_client_poll(s->c, &got, &s->reply));
	}
	assert_string_equal(buf_str(&s->reply), packet);
}

static void expect_nothing_polled(struct stub *s)
{
	bool got = true;

	assert_null(rsp_client_poll(s->c, &got, &s->reply));
	assert_false(got);
}

/* --- Calls --- */

static void test_calls(void **state)
{
	STUB(s, { "$?#3f", 0, "+$T05thread:01;#07" }, { "+$g#67", 5, "+$0*\"1#ad" }, { "+$m0,4#fd", 0, "+$" },
	     { "", 10, "E14#aa" });

	(void)state;
	expect_reply(&s, "?", "T05thread:01;");
	/* Run lengths are expanded. */
	expect_reply(&s, "g", "0000001");
	/* In pieces. */
	expect_reply(&s, "m0,4", "E14");
	expect_played(&s);
	assert_false(rsp_client_running(s.c));
}

static void test_damaged_and_lost(void **state)
{
	STUB(s, { "$g#67", 0, "-" }, { "$g#67", 0, "$11#00" }, { "-", 0, "$11#62" }, { "+$?#3f", 0, "+$S05#b8" });

	(void)state;
	/* The request was damaged, then the reply; and the acknowledgment of the request never came. */
	expect_reply(&s, "g", "11");
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

/* The stub heard nothing of the first one: that is played by a stub which doesn't answer it. */
static void test_lost_request_goes_again(void **state)
{
	STUB(s, { "$g#67", 0, NULL }, { "$g#67", 0, "+$11#62" }, { "+$?#3f", 0, "+$S05#b8" });

	(void)state;
	rsp_client_set_retransmit(s.c, SHORT_MS);
	expect_reply(&s, "g", "11");
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

static void test_reply_too_long(void **state)
{
	_cleanup_(buf_deinit) struct buf payload = BUF_INIT, packet = BUF_INIT;
	struct step steps[] = { { "$g#67", 0, NULL }, { "+$?#3f", 0, "+$S05#b8" } };
	_cleanup_(stub_deinit) struct stub s;

	(void)state;
	memset(buf_reserve(&payload, MAX_REPLY + 1), '0', MAX_REPLY + 1);
	buf_commit(&payload, MAX_REPLY + 1);
	buf_putc(&packet, '+');
	rsp_encode(&packet, payload.data, payload.len, false);
	steps[0].says = buf_str(&packet);
	stub_init(&s, steps, ARRAY_SIZE(steps));
	expect_error(rsp_client_call(s.c, "g", 1, LONG_MS, &s.reply), ERR_BAD_DATA, "longer");
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

/* The answer to a question that nobody asks any more is not the answer to the next. */
static void test_late_reply(void **state)
{
	STUB(s, { "$g#67", WORD, "+$11#62" }, { "+$?#3f", 0, "+$S05#b8" });

	(void)state;
	expect_error(rsp_client_call(s.c, "g", 1, SHORT_MS, &s.reply), ERR_TIMEOUT, "'g' within 0.1 s");
	/* Nothing is sent before. */
	expect_error(rsp_client_call(s.c, "?", 1, 1, &s.reply), ERR_TIMEOUT, "earlier");
	expect_error(rsp_client_send(s.c, "c", 1), ERR_TIMEOUT, "earlier");
	assert_false(rsp_client_running(s.c));
	expect_nothing_polled(&s);
	sem_post(&s.word);
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

static void test_late_reply_meets_poll(void **state)
{
	STUB(s, { "$g#67", WORD, "+$11#62$T02#b6" }, { "+", 0, "" });

	(void)state;
	expect_error(rsp_client_call(s.c, "g", 1, 1, &s.reply), ERR_TIMEOUT, "'g'");
	sem_post(&s.word);
	expect_polled(&s, "T02");
	expect_nothing_polled(&s);
	expect_played(&s);
}

/* QEMU says T02 when it is connected to while the guest runs. */
static void test_what_came_unasked_is_no_answer(void **state)
{
	STUB(s, { "", 0, "$T02thread:01;#04" }, { "+$?#3f", 0, "+$S05#b8" });
	struct pollfd p = { .fd = rsp_client_fd(s.c), .events = POLLIN };

	(void)state;
	assert_int_equal(poll(&p, 1, LONG_MS), 1);
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

static void test_no_answer(void **state)
{
	static const char request[] = "qXfer:features:read:target.xml:0,ffffffffffff\x1b[2J";
	STUB(s, { "$", 0, NULL });
	uint64_t start = now_ns();

	(void)state;
	expect_error(rsp_client_call(s.c, request, strlen(request), SHORT_MS, &s.reply), ERR_TIMEOUT,
		     "'qXfer:features:read:target.xml:0,fffffff...'");
	assert_in_range(now_ns() - start, SHORT_MS * NSEC_PER_MSEC, LONG_MS * NSEC_PER_MSEC);
}

static void test_gone(void **state)
{
	STUB(s, { "$g#67", GOES, "+$1" });
	uint64_t start = now_ns();
	bool got;

	(void)state;
	/* It goes while it is waited for. */
	expect_error(rsp_client_call(s.c, "g", 1, LONG_MS, &s.reply), ERR_CLOSED, "it was closed");
	assert_in_range(now_ns() - start, 0, LONG_MS * NSEC_PER_MSEC / 2);
	expect_error(rsp_client_call(s.c, "g", 1, LONG_MS, &s.reply), ERR_CLOSED, "ended");
	expect_error(rsp_client_send(s.c, "c", 1), ERR_CLOSED, "ended");
	expect_error(rsp_client_poll(s.c, &got, &s.reply), ERR_CLOSED, "ended");
	assert_false(rsp_client_running(s.c));
	expect_played(&s);
}

static void test_gone_while_the_guest_runs(void **state)
{
	STUB(s, { "$c#63", GOES, "+" });
	struct err *e = NULL;
	bool got = false;

	(void)state;
	assert_null(rsp_client_send(s.c, "c", 1));
	while (!e && !got) {
		struct pollfd p = { .fd = rsp_client_fd(s.c), .events = rsp_client_poll_events(s.c) };

		assert_int_equal(poll(&p, 1, LONG_MS), 1);
		e = rsp_client_poll(s.c, &got, &s.reply);
	}
	expect_error(e, ERR_CLOSED, "ended");
}

/* One that says much, and never the answer, has no more time. */
static void *babble(void *user)
{
	struct stub *s = user;

	while (send(s->fd, "+$O61#b6%Stop:x#58junk", 22, MSG_NOSIGNAL) > 0)
		continue;
	return NULL;
}

static void test_babbling(void **state)
{
	_cleanup_(stub_deinit) struct stub s;
	uint64_t start = now_ns();

	(void)state;
	stub_init(&s, NULL, 0);
	expect_played(&s);
	assert_int_equal(
		setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = 5 }, sizeof(struct timeval)), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, babble, &s), 0);
	s.running = true;
	expect_error(rsp_client_call(s.c, "g", 1, SHORT_MS, &s.reply), ERR_TIMEOUT, "'g'");
	assert_in_range(now_ns() - start, 0, LONG_MS * NSEC_PER_MSEC / 2);
	shutdown(s.ours, SHUT_RDWR);
}

/* --- Output --- */

static void collect(const char *text, size_t len, void *user)
{
	buf_append(user, text, len);
	buf_putc(user, '|');
}

static void test_output(void **state)
{
	STUB(s, { "$qRcmd,696e666f#35", 0, "+$O6869210a#20" }, { "+", PRINTING_MS / 3 + 20, "$O#4f" },
	     { "+", PRINTING_MS / 3 + 20, "$O7a#e7" }, { "+", PRINTING_MS / 3 + 20, "$OK#9a" },
	     { "+$qRcmd,78#92", 0, "+$O7a#e7" }, { "+", 0, "$E01#a6" });
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	(void)state;
	/* Each output gives it time anew: all in all it takes longer than the timeout. */
	assert_null(rsp_client_call_output(s.c, "qRcmd,696e666f", 14, PRINTING_MS, collect, &text, &s.reply));
	assert_string_equal(buf_str(&s.reply), "OK");
	assert_string_equal(buf_str(&text), "hi!\n||z|");
	/* Who doesn't want it gets the reply. */
	expect_reply(&s, "qRcmd,78", "E01");
	expect_played(&s);
}

static void test_what_is_output(void **state)
{
	static const char *const output[] = { "O", "O61", "O6162" }, *const others[] = { "",     "OK",  "o61", "O6",
											 "O616", "O6x", "E01", "T05" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(output); i++)
		assert_true(rsp_is_output(output[i], strlen(output[i])));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(rsp_is_output(others[i], strlen(others[i])));
}

/* --- A guest that runs --- */

static void test_run_and_stop(void **state)
{
	STUB(s, { "$vCont;c#a8", 0, "+" }, { "\003", 0, "$O61#b6$T02#b6" }, { "++$g#67", 0, "+$11#62" },
	     { "+$c#63", 0, "+$S05#b8" });

	(void)state;
	assert_null(rsp_client_send(s.c, "vCont;c", 7));
	assert_true(rsp_client_running(s.c));
	expect_nothing_polled(&s);
	/* A question would stop the guest. */
	expect_error(rsp_client_call(s.c, "g", 1, LONG_MS, &s.reply), ERR_UNSUPPORTED, "runs");
	expect_error(rsp_client_send(s.c, "c", 1), ERR_UNSUPPORTED, "runs");
	assert_null(rsp_client_interrupt(s.c));
	expect_polled(&s, "O61");
	assert_true(rsp_client_running(s.c));
	expect_polled(&s, "T02");
	assert_false(rsp_client_running(s.c));
	/* There is nothing to interrupt: the stub hears nothing of it. */
	assert_null(rsp_client_interrupt(s.c));
	expect_reply(&s, "g", "11");
	assert_null(rsp_client_send(s.c, "c", 1));
	expect_polled(&s, "S05");
	expect_nothing_polled(&s);
	expect_played(&s);
}

static void test_no_ack_mode(void **state)
{
	STUB(s, { "$QStartNoAckMode#b0", 0, "+$OK#9a" }, { "+$g#67", 0, "$11#00" }, { "$?#3f", 0, "$S05#b8" });

	(void)state;
	expect_reply(&s, "QStartNoAckMode", "OK");
	rsp_conn_set_no_ack(rsp_client_conn(s.c));
	expect_reply(&s, "g", "11");
	expect_reply(&s, "?", "S05");
	expect_played(&s);
}

/* The last reply is acknowledged, also by a client that goes. */
static void test_acknowledged_at_the_end(void **state)
{
	STUB(s, { "$D#44", 0, "+$OK#9a" }, { "+", 0, NULL });

	(void)state;
	expect_reply(&s, "D", "OK");
	rsp_client_destroy(steal(&s.c));
	expect_played(&s);
}

/* --- Errors --- */

static void test_reply_errors(void **state)
{
	static const struct {
		const char *reply;
		enum err_code code;
		const char *message;
	} errors[] = {
		{ "", ERR_UNSUPPORTED, "doesn't know this request" },
		{ "E14", ERR_FAULT, "error 14" },
		{ "Eff", ERR_FAULT, "error ff" },
		{ "E.no such CPU\x1b", ERR_FAULT, "says: no such CPU\\x1b" },
		{ "E.", ERR_FAULT, "says" },
	};
	static const char *const replies[] = { "OK", "E1", "E1x", "E0000000", "EA12", "T05", "e01" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct err *e = rsp_reply_error(errors[i].reply, strlen(errors[i].reply), ERR_FAULT);

		expect_error(e, errors[i].code, errors[i].message);
	}
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		assert_null(rsp_reply_error(replies[i], strlen(replies[i]), ERR_FAULT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_damaged_and_lost),
		cmocka_unit_test(test_lost_request_goes_again),
		cmocka_unit_test(test_reply_too_long),
		cmocka_unit_test(test_late_reply),
		cmocka_unit_test(test_late_reply_meets_poll),
		cmocka_unit_test(test_what_came_unasked_is_no_answer),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_gone_while_the_guest_runs),
		cmocka_unit_test(test_babbling),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_what_is_output),
		cmocka_unit_test(test_run_and_stop),
		cmocka_unit_test(test_no_ack_mode),
		cmocka_unit_test(test_acknowledged_at_the_end),
		cmocka_unit_test(test_reply_errors),
	};

	return cmocka_run_group_tests_name("rsp_client", tests, NULL, NULL);
}
