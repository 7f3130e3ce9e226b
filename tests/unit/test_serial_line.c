/*
 * Serial lines: each kind of them is opened, passes bytes on unchanged, and is left as it was found. The devices here are
 * pseudo-terminals, which keep a mode as others do, and take a BREAK without a word.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/sock.h"
#include "base/util.h"
#include "vm/serial_line.h"

enum { PATIENCE_S = 20 };

struct test {
	struct loop *loop;
	struct serial_line *line;
	struct buf in, out; /* what the line said; what the other end got */
	size_t want_in, want_out;
	int other; /* the other end */
	int breaks;
	bool want_break, closed;
};

static void done_yet(struct test *t)
{
	if (t->in.len >= t->want_in && t->out.len >= t->want_out && (!t->want_break || t->breaks))
		loop_quit(t->loop);
}

static void on_data(const char *bytes, size_t len, void *user)
{
	struct test *t = user;

	buf_append(&t->in, bytes, len);
	done_yet(t);
}

static struct err *on_closed(void *user)
{
	struct test *t = user;

	t->closed = true;
	loop_quit(t->loop);
	return NULL;
}

static void on_break_done(void *user)
{
	struct test *t = user;

	t->breaks++;
	serial_line_write(t->line, "g", 1);
	done_yet(t);
}

static void on_drained(void *user)
{
	(void)user;
}

static const struct serial_callbacks callbacks = {
	.data = on_data, .closed = on_closed, .break_done = on_break_done, .drained = on_drained
};

static struct err *on_other(struct loop_source *source, int fd, short revents, void *user)
{
	struct test *t = user;
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)source;
	(void)revents;
	if (n > 0)
		buf_append(&t->out, bytes, (size_t)n);
	done_yet(t);
	return NULL;
}

static struct err *on_timeout(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)user;
	return err_create(ERR_TIMEOUT, "it did not happen");
}

static void succeed(struct err *e)
{
	if (e)
		fail_msg("%s", err_message(e));
}

/* Until so many bytes are there at either end. */
static void run_until(struct test *t, size_t in, size_t out)
{
	struct loop_source *timer = loop_add_timer(t->loop, now_ns() + PATIENCE_S * NSEC_PER_SEC, on_timeout, t);
	struct loop_source *other = loop_add_fd(t->loop, t->other, POLLIN, on_other, t);

	t->want_in = in;
	t->want_out = out;
	succeed(loop_run(t->loop));
	loop_remove(timer);
	loop_remove(other);
}

static void check(const struct buf *b, const char *text)
{
	assert_string_equal(buf_str(b), text);
}

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof(*t));

	t->loop = loop_create();
	t->other = -1;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	serial_line_destroy(t->line);
	if (t->other >= 0)
		close(t->other);
	loop_destroy(t->loop);
	buf_deinit(&t->in);
	buf_deinit(&t->out);
	free(t);
	return 0;
}

static struct err *open_line(struct test *t, const char *where, uint32_t speed, enum serial_parity parity)
{
	struct serial_place place = SERIAL_PLACE_INIT;
	const struct serial_params params = { &place, speed, parity };
	struct err *e;

	succeed(serial_place_parse(where, &place));
	e = serial_line_create(t->loop, &params, &callbacks, t, &t->line);
	serial_place_deinit(&place);
	return e;
}

/* A device, in the mode in which a shell would have it. */
static char *make_device(struct test *t)
{
	t->other = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->other >= 0);
	assert_int_equal(grantpt(t->other), 0);
	assert_int_equal(unlockpt(t->other), 0);
	return xstrdup(ptsname(t->other));
}

static struct termios mode_of(const char *device)
{
	int fd = open(device, O_RDWR | O_NOCTTY);
	struct termios mode;

	assert_true(fd >= 0);
	assert_int_equal(tcgetattr(fd, &mode), 0);
	close(fd);
	return mode;
}

static void places_are_understood(void **state)
{
	static const struct {
		const char *text;
		enum serial_kind kind;
		const char *path, *host, *port;
		bool has_break;
	} good[] = {
		{ "/dev/ttyS0", SERIAL_TTY, "/dev/ttyS0", NULL, NULL, true },
		{ "tcp:localhost:7000", SERIAL_TCP, NULL, "localhost", "7000", false },
		{ "telnet:[::1]:23", SERIAL_TELNET, NULL, "::1", "23", true },
		{ "unix:/tmp/a:b", SERIAL_UNIX, "/tmp/a:b", NULL, NULL, false },
		{ "pty", SERIAL_PTY, NULL, NULL, NULL, false },
	};
	static const char *const bad[] = {
		"", "tcp:", "tcp:host", "tcp:host:", "tcp::1", "tcp:host:0", "telnet:host:65536", "tcp:host:x", "unix:"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct serial_place p = SERIAL_PLACE_INIT;

		succeed(serial_place_parse(good[i].text, &p));
		assert_int_equal(p.kind, good[i].kind);
		assert_string_equal(p.path ? p.path : "", good[i].path ? good[i].path : "");
		assert_string_equal(p.host ? p.host : "", good[i].host ? good[i].host : "");
		assert_string_equal(p.port ? p.port : "", good[i].port ? good[i].port : "");
		assert_int_equal(serial_place_has_break(&p), good[i].has_break);
		serial_place_deinit(&p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct serial_place p = SERIAL_PLACE_INIT;
		struct err *e = serial_place_parse(bad[i], &p);

		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_USAGE);
		err_destroy(e);
	}
}

static void speeds_have_names(void **state)
{
	struct err *e = serial_check_speed(115201);

	(void)state;
	succeed(serial_check_speed(9600));
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "115200, 230400"));
	err_destroy(e);
}

static void a_device_is_raw_while_it_is_open_and_as_before_afterwards(void **state)
{
	static const char all[] = "\x01\x03\x04\x11\x13\x15\r\n\x7f";
	struct test *t = *state;
	char *device = make_device(t);
	struct termios before = mode_of(device), during, after;

	succeed(open_line(t, device, 57600, SERIAL_PARITY_ODD));
	assert_string_equal(serial_line_name(t->line), device);
	assert_int_equal(tcgetattr(t->other, &during), 0);
	assert_int_equal(cfgetospeed(&during), B57600);
	assert_int_equal(during.c_cflag & (PARODD | CLOCAL), PARODD | CLOCAL);
	serial_line_write(t->line, all, sizeof(all) - 1);
	assert_int_equal(write(t->other, all, sizeof(all) - 1), sizeof(all) - 1);
	run_until(t, sizeof(all) - 1, sizeof(all) - 1);
	check(&t->in, all);
	check(&t->out, all);
	serial_line_destroy(steal(&t->line));
	after = mode_of(device);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(cfgetospeed(&after), cfgetospeed(&before));
	free(device);
}

static void a_device_is_had_by_one_alone(void **state)
{
	struct test *t = *state, second = { .loop = t->loop };
	char *device = make_device(t);
	struct err *e;

	succeed(open_line(t, device, 115200, SERIAL_PARITY_NONE));
	e = open_line(&second, device, 115200, SERIAL_PARITY_NONE);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_USAGE);
	assert_non_null(strstr(err_message(e), "another program has"));
	err_destroy(e);
	serial_line_destroy(steal(&t->line));
	succeed(open_line(t, device, 115200, SERIAL_PARITY_NONE));
	free(device);
}

static void what_is_no_device_is_refused(void **state)
{
	struct test *t = *state;
	struct err *e = open_line(t, "/dev/null", 115200, SERIAL_PARITY_NONE);

	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "no serial line"));
	err_destroy(e);
	e = open_line(t, "/nonesuch", 115200, SERIAL_PARITY_NONE);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "/nonesuch"));
	err_destroy(e);
}

/* What was written before has gone, what belongs to it comes next, and only then what was written meanwhile. */
static void a_break_comes_between_bytes(void **state)
{
	struct test *t = *state;
	char *device = make_device(t);

	succeed(open_line(t, device, 115200, SERIAL_PARITY_NONE));
	serial_line_write(t->line, "a", 1);
	serial_line_break(t->line);
	serial_line_write(t->line, "b", 1);
	assert_int_equal(serial_line_pending(t->line), 1);
	t->want_break = true;
	run_until(t, 0, 3);
	check(&t->out, "agb");
	assert_int_equal(t->breaks, 1);
	assert_int_equal(serial_line_pending(t->line), 0);
	free(device);
}

static void a_device_that_goes_is_told_of(void **state)
{
	struct test *t = *state;
	char *device = make_device(t);

	succeed(open_line(t, device, 115200, SERIAL_PARITY_NONE));
	close(steal_fd(&t->other));
	succeed(loop_run(t->loop));
	assert_true(t->closed);
	free(device);
}

static void a_pseudo_terminal_waits_for_somebody(void **state)
{
	struct test *t = *state;

	succeed(open_line(t, "pty", 115200, SERIAL_PARITY_NONE));
	t->other = open(serial_line_name(t->line), O_RDWR | O_NOCTTY);
	assert_true(t->other >= 0);
	serial_line_write(t->line, "\x03to\r", 4);
	assert_int_equal(write(t->other,
			       "\x03"
			       "from\n",
			       6),
			 6);
	run_until(t, 6, 4);
	check(&t->in, "\x03"
		      "from\n");
	check(&t->out, "\x03to\r");
	/* Whoever opened it may go and come back. */
	close(steal_fd(&t->other));
	t->other = open(serial_line_name(t->line), O_RDWR | O_NOCTTY);
	serial_line_write(t->line, "!", 1);
	run_until(t, 0, 5);
	assert_false(t->closed);
}

/* A server on a free port, and the line's end of a connection to it, which is the test's other end. */
static void connect_line(struct test *t, const char *how)
{
	uint16_t port;
	int listener;
	char *where;

	succeed(sock_listen_loopback(0, &listener, &port));
	where = xasprintf("%s:127.0.0.1:%u", how, port);
	succeed(open_line(t, where, 115200, SERIAL_PARITY_NONE));
	t->other = accept(listener, NULL, NULL);
	assert_true(t->other >= 0);
	close(listener);
	free(where);
}

static void tcp_has_the_bytes_as_they_are(void **state)
{
	struct test *t = *state;

	connect_line(t, "tcp");
	serial_line_write(t->line, "a\xff\r", 3);
	assert_int_equal(write(t->other, "b\xff\xf3\r", 4), 4);
	run_until(t, 4, 3);
	check(&t->in, "b\xff\xf3\r");
	check(&t->out, "a\xff\r");
	close(steal_fd(&t->other));
	succeed(loop_run(t->loop));
	assert_true(t->closed);
}

static void telnet_is_spoken_and_has_a_break(void **state)
{
	static const char greeting[] = "\xff\xfb\x00\xff\xfd\x00\xff\xfd\x03";
	struct test *t = *state;

	connect_line(t, "telnet");
	run_until(t, 0, sizeof(greeting) - 1);
	assert_memory_equal(t->out.data, greeting, sizeof(greeting) - 1);
	buf_clear(&t->out);
	assert_int_equal(write(t->other, "\xff\xfb\x01z", 4), 4);
	run_until(t, 1, 3);
	check(&t->in, "z");
	check(&t->out, "\xff\xfd\x01");
	buf_clear(&t->out);
	serial_line_break(t->line);
	serial_line_write(t->line, "\xff", 1);
	t->want_break = true;
	run_until(t, 0, 5);
	check(&t->out, "\xff\xf3g\xff\xff");
}

static void nobody_listens(void **state)
{
	struct test *t = *state;
	struct err *e;
	uint16_t port;
	char *where;
	int listener;

	succeed(sock_listen_loopback(0, &listener, &port));
	close(listener);
	where = xasprintf("tcp:127.0.0.1:%u", port);
	e = open_line(t, where, 115200, SERIAL_PARITY_NONE);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), where + strlen("tcp:")));
	err_destroy(e);
	free(where);
}

static void a_unix_socket_is_connected_to(void **state)
{
	struct test *t = *state;
	char folder[] = "/tmp/ktb-serial-XXXXXX";
	int dir, listener;
	char *where;

	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_DIRECTORY | O_RDONLY);
	succeed(sock_listen_at(dir, "line", &listener));
	where = xasprintf("unix:%s/line", folder);
	succeed(open_line(t, where, 115200, SERIAL_PARITY_NONE));
	t->other = accept(listener, NULL, NULL);
	assert_true(t->other >= 0);
	serial_line_write(t->line, "hello", 5);
	run_until(t, 0, 5);
	check(&t->out, "hello");
	close(listener);
	unlinkat(dir, "line", 0);
	close(dir);
	rmdir(folder);
	free(where);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_understood),
		cmocka_unit_test(speeds_have_names),
		TEST(a_device_is_raw_while_it_is_open_and_as_before_afterwards),
		TEST(a_device_is_had_by_one_alone),
		TEST(what_is_no_device_is_refused),
		TEST(a_break_comes_between_bytes),
		TEST(a_device_that_goes_is_told_of),
		TEST(a_pseudo_terminal_waits_for_somebody),
		TEST(tcp_has_the_bytes_as_they_are),
		TEST(telnet_is_spoken_and_has_a_break),
		TEST(nobody_listens),
		TEST(a_unix_socket_is_connected_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
