/*
 * The event loop: descriptors, timers and signals, and callbacks that change the loop under its feet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/util.h"

struct fixture {
	struct loop *loop;
	int a[2], b[2]; /* pipes */
	struct loop_source *other;
	int calls, other_calls;
	char order[16];
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = loop_create();
	*state = f;
	return pipe2(f->a, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(f->b, O_CLOEXEC | O_NONBLOCK) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_destroy(f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->a[i]);
		close(f->b[i]);
	}
	free(f);
	return 0;
}

static struct err *quit(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(f->loop);
	return NULL;
}

static void quit_in(struct fixture *f, uint64_t ms)
{
	loop_add_timer(f->loop, now_ns() + ms * NSEC_PER_MSEC, quit, f);
}

static struct err *read_one(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;
	char c;

	(void)source;
	assert_true(revents & POLLIN);
	assert_int_equal(read(fd, &c, 1), 1);
	if (++f->calls == 3)
		loop_quit(f->loop);
	return NULL;
}

static void watches_descriptors(void **state)
{
	struct fixture *f = *state;

	loop_add_fd(f->loop, f->a[0], POLLIN, read_one, f);
	assert_int_equal(write(f->a[1], "xyz", 3), 3);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->calls, 3);
}

static struct err *give_up(struct loop_source *source, int fd, short revents, void *data)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)data;
	return err_create(ERR_CLOSED, "over");
}

static void ends_with_the_error_of_a_callback(void **state)
{
	struct fixture *f = *state;
	struct err *e;

	loop_add_timer(f->loop, 0, give_up, NULL);
	e = loop_run(f->loop);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_CLOSED);
	err_destroy(e);
	/* It can be run again. */
	quit_in(f, 0);
	assert_null(loop_run(f->loop));
}

static struct err *append(struct fixture *f, char c)
{
	f->order[strlen(f->order)] = c;
	return NULL;
}

static struct err *late(struct loop_source *source, int fd, short revents, void *data)
{
	(void)source;
	assert_int_equal(fd, -1);
	assert_int_equal(revents, 0);
	return append(data, 'l');
}

static struct err *early(struct loop_source *source, int fd, short revents, void *data)
{
	(void)source;
	(void)fd;
	(void)revents;
	return append(data, 'e');
}

static void timers_come_once_and_in_their_time(void **state)
{
	struct fixture *f = *state;
	uint64_t start = now_ns();

	loop_add_timer(f->loop, start + 20 * NSEC_PER_MSEC, late, f);
	loop_add_timer(f->loop, start + 5 * NSEC_PER_MSEC, early, f);
	quit_in(f, 60);
	assert_null(loop_run(f->loop));
	assert_string_equal(f->order, "el");
	assert_true(now_ns() - start >= 60 * NSEC_PER_MSEC);
}

static struct err *remove_other(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)fd;
	(void)revents;
	f->calls++;
	loop_remove(f->other);
	loop_remove(source);
	return NULL;
}

static struct err *count_other(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)source;
	(void)fd;
	(void)revents;
	f->other_calls++;
	return NULL;
}

static void a_source_removed_in_this_round_is_not_called(void **state)
{
	struct fixture *f = *state;

	/* The one added last is called first. */
	f->other = loop_add_fd(f->loop, f->b[0], POLLIN, count_other, f);
	loop_add_fd(f->loop, f->a[0], POLLIN, remove_other, f);
	assert_int_equal(write(f->a[1], "x", 1), 1);
	assert_int_equal(write(f->b[1], "x", 1), 1);
	quit_in(f, 10);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->other_calls, 0);
	loop_remove(NULL);
}

static struct err *silence_other(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)fd;
	(void)revents;
	f->calls++;
	loop_set_events(f->other, 0);
	loop_set_events(source, 0);
	return NULL;
}

static void a_silenced_source_is_not_called_in_this_round_either(void **state)
{
	struct fixture *f = *state;

	f->other = loop_add_fd(f->loop, f->b[0], POLLIN, count_other, f);
	loop_add_fd(f->loop, f->a[0], POLLIN, silence_other, f);
	assert_int_equal(write(f->a[1], "x", 1), 1);
	assert_int_equal(write(f->b[1], "x", 1), 1);
	quit_in(f, 10);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->other_calls, 0);
	/* And speaks again when asked. */
	loop_set_events(f->other, POLLIN);
	quit_in(f, 1);
	assert_null(loop_run(f->loop));
	assert_true(f->other_calls > 0);
}

static void without_events_a_hangup_does_not_spin(void **state)
{
	struct fixture *f = *state;

	loop_add_fd(f->loop, f->a[0], 0, count_other, f);
	close(f->a[1]);
	f->a[1] = -1;
	quit_in(f, 10);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->other_calls, 0);
}

static struct err *hung_up(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)fd;
	assert_true(revents & POLLHUP);
	f->calls++;
	loop_remove(source);
	loop_quit(f->loop);
	return NULL;
}

static void a_hangup_comes_unasked(void **state)
{
	struct fixture *f = *state;

	loop_add_fd(f->loop, f->a[0], POLLIN, hung_up, f);
	close(f->a[1]);
	f->a[1] = -1;
	assert_null(loop_run(f->loop));
	assert_int_equal(f->calls, 1);
}

static struct err *add_many(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)source;
	(void)fd;
	(void)revents;
	/* More than the loop had room for when this round began. */
	for (int i = 0; i < 100; i++)
		loop_add_fd(f->loop, f->b[0], POLLIN, count_other, f);
	for (int i = 0; i < 100; i++)
		loop_add_timer(f->loop, 0, count_other, f);
	return NULL;
}

static void a_callback_may_add_sources(void **state)
{
	struct fixture *f = *state;

	loop_add_timer(f->loop, 0, add_many, f);
	quit_in(f, 10);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->other_calls, 100);
}

static struct err *on_signal(struct loop_source *source, int fd, short revents, void *data)
{
	struct fixture *f = data;

	(void)source;
	assert_int_equal(revents, 0);
	f->calls++;
	if (fd == SIGUSR2)
		loop_quit(f->loop);
	return NULL;
}

static void hears_signals(void **state)
{
	struct fixture *f = *state;
	sigset_t blocked;

	assert_null(loop_add_signal(f->loop, SIGUSR1, on_signal, f));
	assert_null(loop_add_signal(f->loop, SIGUSR2, on_signal, f));
	raise(SIGUSR1);
	raise(SIGUSR2);
	assert_null(loop_run(f->loop));
	assert_int_equal(f->calls, 2);
	loop_destroy(f->loop);
	f->loop = NULL;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	assert_false(sigismember(&blocked, SIGUSR1));
	assert_false(sigismember(&blocked, SIGUSR2));
}

static void has_room_for_so_many_signals(void **state)
{
	struct fixture *f = *state;
	struct err *e = NULL;

	for (int i = 0; i < 17 && !e; i++)
		e = loop_add_signal(f->loop, SIGUSR1, on_signal, f);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	err_destroy(e);
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(watches_descriptors),
		loop_test(ends_with_the_error_of_a_callback),
		loop_test(timers_come_once_and_in_their_time),
		loop_test(a_source_removed_in_this_round_is_not_called),
		loop_test(a_silenced_source_is_not_called_in_this_round_either),
		loop_test(without_events_a_hangup_does_not_spin),
		loop_test(a_hangup_comes_unasked),
		loop_test(a_callback_may_add_sources),
		loop_test(hears_signals),
		loop_test(has_room_for_so_many_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
