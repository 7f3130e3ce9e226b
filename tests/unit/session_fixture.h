/*
 * A debug session for tests: the machine is fake_target.h's, and the client is the test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

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

static inline void begin_with(struct fixture *f, bool with_word)
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

static inline void begin(struct fixture *f)
{
	begin_with(f, false);
}

static inline void end(struct fixture *f)
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

static inline void send_bytes(struct fixture *f, const char *payload, size_t len)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	rsp_encode(&b, payload, len, false);
	assert_int_equal(write(f->client, b.data, b.len), b.len);
}

static inline void send_packet(struct fixture *f, const char *payload)
{
	send_bytes(f, payload, strlen(payload));
}

static inline void turn(struct fixture *f)
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
static inline void expect_log(struct fixture *f, const char *log)
{
	assert_string_equal(buf_str(&f->fake->log), log);
	buf_clear(&f->fake->log);
}

static inline void expect_text(struct fixture *f, const char *text)
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

#define STOP(...)                                                                                                      \
	{                                                                                                              \
		.kind = TARGET_EVENT_STOP, .thread = 1, __VA_ARGS__                                                    \
	}

static inline void send_interrupt(struct fixture *f)
{
	assert_int_equal(write(f->client, "\003", 1), 1);
	turn(f);
}
