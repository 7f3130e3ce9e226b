/*
 * Fuzzes a debug session as a whole: a hostile client on a machine whose events are as hostile. The first byte chooses how
 * many of the next ones are events, the rest is what the client sends, in two parts: with the machine standing, and after
 * whatever was made of the first.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "server/session_private.h"

#include "../unit/fake_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 16, TURNS = 8 };

struct event_bytes {
	uint8_t kind, reason, thread, signo, watch;
};

static size_t read_events(const uint8_t **data, size_t *size, struct target_event *ret)
{
	size_t n = *size ? MIN(**data & (EVENTS_MAX - 1), (*size - 1) / sizeof(struct event_bytes)) : 0;
	static char message[] = "message";

	if (*size) {
		++*data;
		--*size;
	}
	for (size_t i = 0; i < n; i++) {
		struct event_bytes b;

		memcpy(&b, *data, sizeof(b));
		*data += sizeof(b);
		*size -= sizeof(b);
		ret[i] = (struct target_event){
			.kind = b.kind % 3,
			.reason = b.reason % (TARGET_REASON_RESET + 1),
			.thread = b.thread,
			.signo = b.signo,
			.watch = b.watch % TARGET_BREAKS_N,
			.message = b.kind & 0x80 ? message : NULL,
		};
	}
	return n;
}

static void drain(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void feed(struct session *s, int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
		if (!session_turn(s, 0))
			break;
		drain(fd);
	}
	for (int i = 0; i < TURNS && session_turn(s, 0); i++)
		drain(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(target_destroy) struct target *t = fake_target_create();
	struct fake_target *fake = fake_target(t);
	struct target_event events[EVENTS_MAX];
	const struct session_params params = { .stop_on_disconnect = size & 1, .greeting = "hello\n" };
	struct session *s;
	int fds[2], word[2];
	bool gone;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) || pipe(word))
		abort();
	fake->script_n = read_events(&data, &size, events);
	fake->script = events;
	fake->sleeper = true;
	fake->libraries = "<library-list/>";
	s = session_create(fds[1], word[0], t, &params);
	feed(s, fds[0], data, size / 2);
	if (write(word[1], "x", 1) != 1)
		abort();
	feed(s, fds[0], data + size / 2, size - size / 2);
	close(word[1]);
	shutdown(fds[0], SHUT_RDWR);
	while (session_turn(s, 0))
		;
	gone = s->let_go && !fake->detached;
	err_ignore(session_finish(s));
	/* Whatever it was: nothing of the client's is left in a machine that is still there. */
	if (!gone && (fake->planted_n || fake->runs))
		abort();
	session_destroy(s);
	close(fds[0]);
	close(fds[1]);
	close(word[0]);
	return 0;
}
