/*
 * Streams: what can't be written yet is kept, the end is reported once, and the owner may destroy one at any time.
 *
 * check: no valgrind: its pwritev2(2) knows no RWF_NOWAIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"

enum { BACKLOG = 8 << 20 };

struct seen {
	struct loop *loop;
	struct stream *stream;
	int peer;
	struct buf in;
	int closed, drained;
	bool destroy_on_data, destroy_on_closed, destroy_on_drained, pause_on_data;
	struct err *fail_with;
};

static struct err *on_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct seen *seen = user;

	assert_ptr_equal(s, seen->stream);
	buf_append(&seen->in, bytes, len);
	if (seen->pause_on_data)
		stream_pause(s, true);
	if (seen->destroy_on_data) {
		stream_destroy(steal(&seen->stream));
		loop_quit(seen->loop);
	}
	return steal(&seen->fail_with);
}

static struct err *on_closed(struct stream *s, void *user)
{
	struct seen *seen = user;

	assert_ptr_equal(s, seen->stream);
	seen->closed++;
	if (seen->destroy_on_closed)
		stream_destroy(steal(&seen->stream));
	loop_quit(seen->loop);
	return NULL;
}

static struct err *on_drained(struct stream *s, void *user)
{
	struct seen *seen = user;

	assert_int_equal(stream_pending(s), 0);
	seen->drained++;
	if (seen->destroy_on_drained)
		stream_destroy(steal(&seen->stream));
	loop_quit(seen->loop);
	return NULL;
}

static const struct stream_callbacks callbacks = { .data = on_data, .closed = on_closed, .drained = on_drained };

static struct err *stop(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(user);
	return NULL;
}

static struct err *give_up(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)user;
	return err_create(ERR_TIMEOUT, "nothing happened");
}

/* Until a callback quits. */
static void run(const struct seen *s)
{
	assert_null(loop_run(s->loop));
}

/* As long as there is something to do, and a moment more. */
static void run_for(const struct seen *s, unsigned int ms)
{
	loop_add_timer(s->loop, now_ns() + ms * NSEC_PER_MSEC, stop, s->loop);
	run(s);
}

static struct seen *create(int fd, int peer, bool keep_blocking)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->loop = loop_create();
	s->peer = peer;
	s->stream = stream_create(s->loop, fd, keep_blocking, &callbacks, s);
	loop_add_timer(s->loop, now_ns() + 60 * NSEC_PER_SEC, give_up, NULL);
	return s;
}

static int create_socket(void **state)
{
	int ours, theirs;

	assert_null(sock_pair(&ours, &theirs));
	*state = create(ours, theirs, false);
	return 0;
}

static int destroy(void **state)
{
	struct seen *s = *state;

	stream_destroy(s->stream);
	loop_destroy(s->loop);
	if (s->peer >= 0)
		close(s->peer);
	buf_deinit(&s->in);
	free(s);
	return 0;
}

/* A byte that depends on its place, so that a lost or doubled one is seen. */
static char byte_at(size_t i)
{
	return (char)(i * 31 + (i >> 11));
}

static void write_pattern(struct stream *s, size_t from, size_t to)
{
	char piece[10000];

	while (from < to) {
		size_t n = MIN(to - from, sizeof(piece));

		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(from + i);
		stream_write(s, piece, n);
		from += n;
	}
}

struct reader {
	struct seen *seen;
	size_t at;
	size_t at_most; /* bytes at a time */
};

static struct err *read_pattern(struct loop_source *source, int fd, short revents, void *user)
{
	struct reader *r = user;
	char bytes[65536];
	ssize_t n = read(fd, bytes, MIN(r->at_most, sizeof(bytes)));

	(void)source;
	(void)revents;
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != byte_at(r->at + (size_t)i))
			fail_msg("byte %zu is wrong", r->at + (size_t)i);
	}
	r->at += (size_t)n;
	return NULL;
}

static void read_all_of_it(struct seen *s, size_t total, size_t at_most)
{
	struct reader r = { s, 0, at_most };
	struct loop_source *source = loop_add_fd(s->loop, s->peer, POLLIN, read_pattern, &r);

	while (r.at < total) {
		size_t before = r.at;

		run_for(s, 20);
		assert_true(r.at > before);
	}
	loop_remove(source);
	assert_int_equal(r.at, total);
}

static void a_backlog_is_kept_and_loses_nothing(void **state)
{
	struct seen *s = *state;

	write_pattern(s->stream, 0, BACKLOG);
	assert_true(stream_pending(s->stream) > 0);
	assert_true(stream_pending(s->stream) < BACKLOG);
	read_all_of_it(s, BACKLOG, 65536);
	assert_int_equal(stream_pending(s->stream), 0);
	assert_int_equal(s->drained, 1);
	assert_int_equal(s->closed, 0);
}

static void writing_to_one_that_is_behind_keeps_the_order(void **state)
{
	struct seen *s = *state;

	for (size_t i = 0; i < 40; i++)
		write_pattern(s->stream, i * 50001, (i + 1) * 50001);
	read_all_of_it(s, (size_t)40 * 50001, 3000);
}

static void what_comes_is_handed_on_and_the_end_reported_once(void **state)
{
	struct seen *s = *state;

	assert_int_equal(write(s->peer, "abc", 3), 3);
	close(steal_fd(&s->peer));
	run(s);
	run_for(s, 50);
	assert_string_equal(buf_str(&s->in), "abc");
	assert_int_equal(s->closed, 1);
	/* Swallowed. */
	stream_write(s->stream, "x", 1);
	assert_int_equal(stream_pending(s->stream), 0);
	run_for(s, 50);
	assert_int_equal(s->closed, 1);
}

static void a_paused_one_reads_nothing_and_nothing_is_lost(void **state)
{
	struct seen *s = *state;

	s->pause_on_data = true;
	assert_int_equal(write(s->peer, "a", 1), 1);
	run_for(s, 30);
	assert_int_equal(write(s->peer, "b", 1), 1);
	run_for(s, 30);
	assert_string_equal(buf_str(&s->in), "a");
	stream_pause(s->stream, false);
	run_for(s, 30);
	assert_string_equal(buf_str(&s->in), "ab");
}

static void a_paused_one_still_writes(void **state)
{
	struct seen *s = *state;

	stream_pause(s->stream, true);
	write_pattern(s->stream, 0, BACKLOG);
	read_all_of_it(s, BACKLOG, 65536);
}

static void a_reader_that_goes_is_noticed_by_writing(void **state)
{
	struct seen *s = *state;

	stream_pause(s->stream, true);
	write_pattern(s->stream, 0, BACKLOG);
	close(steal_fd(&s->peer));
	run(s);
	assert_int_equal(s->closed, 1);
	assert_int_equal(stream_pending(s->stream), 0);
}

static void a_broken_one_tells_from_the_loop_only(void **state)
{
	struct seen *s = *state;

	stream_pause(s->stream, true);
	close(steal_fd(&s->peer));
	stream_write(s->stream, "x", 1);
	stream_write(s->stream, "y", 1);
	assert_int_equal(s->closed, 0);
	run(s);
	assert_int_equal(s->closed, 1);
}

/* More than comes at once by itself. */
static void send_burst(struct seen *s)
{
	char bytes[1000] = { 0 };

	assert_int_equal(write(s->peer, bytes, sizeof(bytes)), sizeof(bytes));
	run_for(s, 20);
	assert_int_equal(s->in.len, sizeof(bytes));
	buf_clear(&s->in);
}

static void send_and_expect(struct seen *s, size_t len)
{
	assert_int_equal(write(s->peer, "a", 1), 1);
	run_for(s, 20);
	assert_int_equal(s->in.len, len);
	buf_clear(&s->in);
}

enum { LONG_MS = 600000 };

static void what_comes_on_and_on_is_left_to_gather(void **state)
{
	struct seen *s = *state;

	stream_gather(s->stream, LONG_MS);
	send_burst(s);
	send_and_expect(s, 0);
	send_and_expect(s, 0);
	/* For whoever wants it now. */
	assert_null(stream_catch_up(s->stream, 100));
	assert_int_equal(s->in.len, 2);
}

static void what_gathered_comes_in_time(void **state)
{
	struct seen *s = *state;

	stream_gather(s->stream, 1);
	send_burst(s);
	for (int i = 0; i < 3; i++) {
		size_t before = s->in.len;

		assert_int_equal(write(s->peer, "a", 1), 1);
		while (s->in.len == before)
			run_for(s, 1);
	}
	assert_int_equal(s->in.len, 3);
}

static void what_is_waited_for_is_not_left_to_gather(void **state)
{
	struct seen *s = *state;

	stream_gather(s->stream, LONG_MS);
	send_burst(s);
	send_and_expect(s, 0);
	stream_gather(s->stream, LONG_MS);
	send_and_expect(s, 2);
	stream_gather(s->stream, 0);
	send_burst(s);
	send_and_expect(s, 1);
}

static void after_a_pause_nothing_is_left_to_gather(void **state)
{
	struct seen *s = *state;
	char bytes[400] = { 0 };

	stream_gather(s->stream, LONG_MS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(s->peer, bytes, sizeof(bytes)), sizeof(bytes));
		run_for(s, 60);
	}
	buf_clear(&s->in);
	send_and_expect(s, 1);
}

static void one_that_gathers_writes_and_may_be_destroyed(void **state)
{
	struct seen *s = *state;

	stream_gather(s->stream, LONG_MS);
	send_burst(s);
	write_pattern(s->stream, 0, BACKLOG);
	read_all_of_it(s, BACKLOG, 65536);
	send_and_expect(s, 0);
	stream_destroy(steal(&s->stream));
	run_for(s, 20);
}

static void one_that_gathers_stays_paused(void **state)
{
	struct seen *s = *state;

	stream_gather(s->stream, 1);
	send_burst(s);
	stream_pause(s->stream, true);
	send_and_expect(s, 0);
	stream_pause(s->stream, false);
	send_and_expect(s, 2);
}

static void may_be_destroyed_when_data_comes(void **state)
{
	struct seen *s = *state;

	s->destroy_on_data = true;
	assert_int_equal(write(s->peer, "abc", 3), 3);
	run(s);
	assert_null(s->stream);
	assert_int_equal(s->closed, 0);
}

static void may_be_destroyed_at_its_end(void **state)
{
	struct seen *s = *state;

	s->destroy_on_closed = true;
	close(steal_fd(&s->peer));
	run(s);
	assert_null(s->stream);
	run_for(s, 20);
}

static void may_be_destroyed_once_drained(void **state)
{
	struct seen *s = *state;
	struct reader r = { s, 0, 65536 };

	s->destroy_on_drained = true;
	write_pattern(s->stream, 0, BACKLOG);
	/* Data waits as well: the events of one round must not find a stream that is gone. */
	assert_int_equal(write(s->peer, "abc", 3), 3);
	stream_pause(s->stream, true);
	loop_add_fd(s->loop, s->peer, POLLIN, read_pattern, &r);
	run(s);
	assert_null(s->stream);
	assert_int_equal(s->drained, 1);
}

static void may_be_destroyed_with_a_backlog(void **state)
{
	struct seen *s = *state;

	write_pattern(s->stream, 0, BACKLOG);
	stream_destroy(steal(&s->stream));
	run_for(s, 20);
	assert_int_equal(s->closed + s->drained, 0);
}

static void an_error_of_the_callback_ends_the_loop(void **state)
{
	struct seen *s = *state;
	struct err *e;

	s->fail_with = err_create(ERR_BAD_DATA, "no");
	assert_int_equal(write(s->peer, "a", 1), 1);
	e = loop_run(s->loop);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
}

static void flushing_writes_what_there_is_room_for(void **state)
{
	struct seen *s = *state;
	char bytes[65536];
	size_t before;

	write_pattern(s->stream, 0, BACKLOG);
	before = stream_pending(s->stream);
	stream_flush(s->stream);
	assert_int_equal(stream_pending(s->stream), before);
	assert_true(read(s->peer, bytes, sizeof(bytes)) > 0);
	stream_flush(s->stream);
	assert_true(stream_pending(s->stream) < before);
}

/* A pipe whose open file others use: it must not become non-blocking, and a write must not block for want of room. */
static void a_shared_pipe_stays_blocking(void **state)
{
	int pipefd[2];
	struct seen *s;
	void *made;

	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	made = s = create(pipefd[1], pipefd[0], true);
	stream_pause(s->stream, true);
	write_pattern(s->stream, 0, 300000);
	assert_false(fcntl(stream_fd(s->stream), F_GETFL) & O_NONBLOCK);
	/* Full by now, and this still returns. */
	run_for(s, 100);
	assert_true(stream_pending(s->stream) > 0);
	read_all_of_it(s, 300000, 65536);
	close(steal_fd(&s->peer));
	stream_write(s->stream, "x", 1);
	/* A timer of before may still stop one of these. */
	for (int i = 0; i < 100 && !s->closed; i++)
		run_for(s, 50);
	assert_int_equal(s->closed, 1);
	destroy(&made);
}

static int ignore_sigpipe(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)state;
	return sigaction(SIGPIPE, &ignore, NULL);
}

#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, create_socket, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(a_backlog_is_kept_and_loses_nothing),
		WITH_SOCKET(writing_to_one_that_is_behind_keeps_the_order),
		WITH_SOCKET(what_comes_is_handed_on_and_the_end_reported_once),
		WITH_SOCKET(a_paused_one_reads_nothing_and_nothing_is_lost),
		WITH_SOCKET(a_paused_one_still_writes),
		WITH_SOCKET(a_reader_that_goes_is_noticed_by_writing),
		WITH_SOCKET(a_broken_one_tells_from_the_loop_only),
		WITH_SOCKET(what_comes_on_and_on_is_left_to_gather),
		WITH_SOCKET(what_gathered_comes_in_time),
		WITH_SOCKET(what_is_waited_for_is_not_left_to_gather),
		WITH_SOCKET(after_a_pause_nothing_is_left_to_gather),
		WITH_SOCKET(one_that_gathers_writes_and_may_be_destroyed),
		WITH_SOCKET(one_that_gathers_stays_paused),
		WITH_SOCKET(may_be_destroyed_when_data_comes),
		WITH_SOCKET(may_be_destroyed_at_its_end),
		WITH_SOCKET(may_be_destroyed_once_drained),
		WITH_SOCKET(may_be_destroyed_with_a_backlog),
		WITH_SOCKET(an_error_of_the_callback_ends_the_loop),
		WITH_SOCKET(flushing_writes_what_there_is_room_for),
		cmocka_unit_test(a_shared_pipe_stays_blocking),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
