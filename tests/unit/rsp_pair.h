/*
 * A connection and its peer, for tests.
 */
#pragma once

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

struct pair {
	int fd, peer;
	struct rsp_conn *c;
	struct buf taped;
};

static inline void tape(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len, void *user)
{
	static const char *const names[] = {
		[RSP_PACKET] = "$", [RSP_NOTIFICATION] = "%", [RSP_BAD_SUM] = "bad",  [RSP_TOO_LONG] = "long",
		[RSP_ACK] = "+",    [RSP_NAK] = "-",          [RSP_INTERRUPT] = "^C",
	};
	struct pair *p = user;

	buf_printf(&p->taped, "%s%s%.*s ", direction == RSP_IN ? "<" : ">", names[event], (int)len, payload);
}

static inline void pair_init(struct pair *p, enum rsp_role role, size_t max_payload)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*p = (struct pair){ .fd = fds[0], .peer = fds[1], .c = rsp_conn_create(fds[0], role, max_payload) };
	set_nonblock(p->peer, true);
}

static inline void pair_deinit(struct pair *p)
{
	rsp_conn_destroy(p->c);
	closep(&p->fd);
	closep(&p->peer);
	buf_deinit(&p->taped);
}
DEFINE_CLEANUP_STORAGE(struct pair, pair_deinit);

static inline void say(struct pair *p, const char *bytes)
{
	assert_int_equal(write(p->peer, bytes, strlen(bytes)), strlen(bytes));
}

/* What the peer has got since it was last asked is this. */
static inline void expect_heard(struct pair *p, const char *bytes)
{
	char heard[4096] = "";
	ssize_t n = read(p->peer, heard, sizeof(heard) - 1);

	heard[MAX(n, 0)] = '\0';
	assert_string_equal(heard, bytes);
}

static inline void expect_event(struct pair *p, enum rsp_conn_event event)
{
	struct rsp_reader payload;

	rsp_conn_read(p->c);
	assert_int_equal(rsp_conn_next(p->c, &payload), event);
}

static inline void expect_packet(struct pair *p, const char *text)
{
	struct rsp_reader payload;

	rsp_conn_read(p->c);
	assert_int_equal(rsp_conn_next(p->c, &payload), RSP_CONN_PACKET);
	assert_true(rsp_rest_is(&payload, text));
}

static inline void send_text(struct pair *p, const char *payload)
{
	assert_null(rsp_conn_send(p->c, payload, strlen(payload)));
}

static inline void expect_send_closed(struct pair *p)
{
	struct err *e = rsp_conn_send(p->c, "OK", 2);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_CLOSED);
	assert_non_null(strstr(err_message(e), rsp_conn_end_reason(p->c)));
	err_destroy(e);
}
