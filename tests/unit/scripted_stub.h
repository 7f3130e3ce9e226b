/*
 * A stub for tests that plays from a script: a process that wants to be asked exactly these things, in this order.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/packet.h"
#include "target/qemu.h"

struct exchange {
	const char *request; /* "^C": an interrupt; NULL: none, the stub speaks by itself */
	const char *reply;   /* NULL: none */
};

#define XML                                                                                                            \
	"<reg name=\"rax\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/><reg name=\"cr0\" bitsize=\"64\"/>"       \
	"<reg name=\"cr3\" bitsize=\"64\"/><reg name=\"cr4\" bitsize=\"64\"/><reg name=\"efer\" bitsize=\"64\"/>"

/* Breakpoints are dropped CPU by CPU. */
#define DROP                                                                                                           \
	{ "Hc2", "OK" }, { "?", "T05thread:02;" }, { "Hc1", "OK" },                                                    \
	{                                                                                                              \
		"?", "T05thread:01;"                                                                                   \
	}

#define BEGIN                                                                                                          \
	{ "qSupported:xmlRegisters=i386", "PacketSize=1000;qXfer:features:read+;vContSupported+" },                    \
		{ "qXfer:features:read:target.xml:0,7fb", "l" XML }, { "qfThreadInfo", "m01" },                        \
		{ "qsThreadInfo", "m02" }, { "qsThreadInfo", "l" }, DROP,                                              \
	{                                                                                                              \
		"Qqemu.PhyMemMode:0", "OK"                                                                             \
	}

/* rax 0x11, rip 0x1000, paging off. */
#define REGISTERS_FLAT                                                                                                 \
	"1100000000000000001000000000000000000000000000000000000000000000"                                             \
	"00000000000000000000000000000000"
#define REGISTERS_AT_9000                                                                                              \
	"1100000000000000009000000000000000000000000000000000000000000000"                                             \
	"00000000000000000000000000000000"

/* --- The stub --- */

static inline bool read_event(int fd, struct rsp_decoder *d, struct buf *ret)
{
	for (;;) {
		enum rsp_event event;
		char byte;

		if (read(fd, &byte, 1) != 1)
			return false;
		(void)rsp_decode(d, &byte, 1, &event);
		if (event == RSP_INTERRUPT) {
			buf_clear(ret);
			buf_puts(ret, "^C");
			return true;
		}
		if (event == RSP_PACKET) {
			buf_clear(ret);
			buf_append(ret, d->payload.data, d->payload.len);
			return write(fd, "+", 1) == 1;
		}
	}
}

static inline __attribute__((noreturn)) void play(int fd, const struct exchange *script)
{
	struct rsp_decoder d = RSP_DECODER_INIT(4096);
	struct buf request = BUF_INIT, reply = BUF_INIT;

	for (; script->request || script->reply; script++) {
		if (script->request) {
			if (!read_event(fd, &d, &request))
				_exit(1);
			if (!streq(buf_str(&request), script->request)) {
				fprintf(stderr, "the stub was asked '%s', not '%s'\n", buf_str(&request),
					script->request);
				_exit(2);
			}
		}
		if (!script->reply)
			continue;
		buf_clear(&reply);
		rsp_encode(&reply, script->reply, strlen(script->reply), false);
		if (write(fd, reply.data, reply.len) < 0)
			_exit(3);
	}
	/* Nothing else may come. */
	_exit(read_event(fd, &d, &request) ? 4 : 0);
}

struct stub {
	pid_t pid;
	int fd;
	struct target *t;
};

static inline void start(struct stub *s, const struct exchange *script, struct qemu_params params)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		close(pair[0]);
		play(pair[1], script);
	}
	close(pair[1]);
	s->fd = pair[0];
	params.stub_fd = s->fd;
	assert_null(qemu_target_create(&params, &s->t));
}

static inline void finish(struct stub *s)
{
	int status;

	target_destroy(s->t);
	close(s->fd);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void wait_event(struct stub *s, struct target_event *ret)
{
	for (int i = 0; i < 5000; i++) {
		assert_null(target_next_event(s->t, ret));
		if (ret->kind != TARGET_EVENT_NONE)
			return;
		usleep(1000);
	}
	fail_msg("no event");
}

static const struct target_resume go = { .step = 0 };
