/*
 * The control socket: requests understood, and both sides of it talking to each other.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "supervisor/control.h"

/* --- Requests --- */

static void parse(const char *line, struct control_request *r)
{
	assert_null(control_parse(line, strlen(line), r));
}

static void requests(void **state)
{
	struct control_request r;

	(void)state;
	parse("{\"op\":\"status\"}", &r);
	assert_int_equal(r.op, CONTROL_STATUS);
	parse("{\"op\":\"stop\"}", &r);
	assert_int_equal(r.op, CONTROL_STOP);
	assert_false(r.force);
	parse(" {\"force\": true, \"op\": \"stop\", \"unknown\": [1]} ", &r);
	assert_true(r.force);
	parse("{\"op\":\"resize\",\"rows\":1,\"cols\":65535}", &r);
	assert_int_equal(r.op, CONTROL_RESIZE);
	assert_int_equal(r.rows, 1);
	assert_int_equal(r.cols, 65535);
	parse("{\"op\":\"ram\"}", &r);
	assert_int_equal(r.op, CONTROL_RAM);
	parse("{\"op\":\"hold\"}", &r);
	assert_int_equal(r.op, CONTROL_HOLD);
	parse("{\"op\":\"registers\",\"cpu\":0}", &r);
	assert_int_equal(r.op, CONTROL_REGISTERS);
	assert_int_equal(r.cpu, 0);
}

static void what_is_no_request(void **state)
{
	static const char *const bad[] = {
		"",
		"status",
		"[]",
		"null",
		"{}",
		"{\"op\":null}",
		"{\"op\":1}",
		"{\"op\":\"dance\"}",
		"{\"op\":{\"op\":\"stop\"}}",
		"{\"op\":\"resize\"}",
		"{\"op\":\"registers\"}",
		"{\"op\":\"registers\",\"cpu\":-1}",
		"{\"op\":\"resize\",\"rows\":0,\"cols\":80}",
		"{\"op\":\"resize\",\"rows\":24,\"cols\":65536}",
		"{\"op\":\"resize\",\"rows\":24,\"cols\":-1}",
		"{\"op\":\"resize\",\"rows\":24,\"cols\":\"80\"}",
		"{\"op\":\"resize\",\"rows\":24.5,\"cols\":80}",
		"{\"op\":\"resize\",\"rows\":99999999999999999999999,\"cols\":80}",
		"\xff\xff",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct control_request r = { .rows = 77 };
		struct err *e = control_parse(bad[i], strlen(bad[i]), &r);

		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		assert_int_equal(r.rows, 77);
		err_destroy(e);
	}
}

/* --- Both sides: the server is a process of its own --- */

enum { RAM_SIZE = 1 << 16 };

static char folder[64];
static int folder_fd = -1;

struct server {
	struct loop *loop;
	int ram_fd;
	uint16_t rows, cols;
	int fds_at_first;
	int holders;
};

static int open_fds(void)
{
	_cleanup_(closedir) DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	return n;
}

#define DUMPED "{\"status\":\"active\",\"completed\":7,\"total\":9}"

static struct err *hand_out(const char *text, int *ret)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_os(errno, "make a pipe");
	if (write(fds[1], text, strlen(text)) != (ssize_t)strlen(text))
		return err_os(errno, "write");
	close(fds[1]);
	*ret = fds[0];
	return NULL;
}

static struct err *handle(const struct control_request *r, struct control_answer *answer, void *user)
{
	struct server *s = user;
	int fds = open_fds();

	if (!s->fds_at_first)
		s->fds_at_first = fds;
	switch (r->op) {
	case CONTROL_STATUS:
		/* One that keeps what it sends along would have more each time. */
		answer->status = s->holders              ? "paused"
				 : s->rows == 24         ? "resized"
				 : fds > s->fds_at_first ? "leaking"
							 : "running";
		return NULL;
	case CONTROL_STOP:
		if (!r->force)
			return err_create(ERR_NOT_FOUND, "there is no \"guest\"\nto ask");
		loop_quit(s->loop);
		return NULL;
	case CONTROL_RESIZE:
		s->rows = r->rows;
		s->cols = r->cols;
		return NULL;
	case CONTROL_RAM:
	case CONTROL_AGENT:
		answer->size = RAM_SIZE;
		answer->fd = dup(s->ram_fd);
		return NULL;
	case CONTROL_HOLD:
		s->holders++;
		return NULL;
	case CONTROL_REGISTERS:
		return hand_out(r->cpu ? "" : "RAX=0\r\n", &answer->fd);
	case CONTROL_DUMP:
		return hand_out("makedumpfile", &answer->fd);
	case CONTROL_DUMPED:
		return hand_out(DUMPED, &answer->fd);
	}
	return NULL;
}

static void release(void *user)
{
	struct server *s = user;

	s->holders--;
}

static struct err *give_up(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)user;
	return err_create(ERR_TIMEOUT, "nobody stopped the server");
}

static __attribute__((noreturn)) void serve(int listener)
{
	struct server s = { .loop = loop_create(), .ram_fd = memfd_create("ram", MFD_CLOEXEC) };
	struct control *c = control_create(s.loop, listener, handle, release, &s);
	struct err *e;

	if (ftruncate(s.ram_fd, RAM_SIZE) < 0 || pwrite(s.ram_fd, "RAM!", 4, 4096) != 4)
		_exit(3);
	loop_add_timer(s.loop, now_ns() + 60 * NSEC_PER_SEC, give_up, NULL);
	e = loop_run(s.loop);
	control_destroy(c);
	loop_destroy(s.loop);
	close(s.ram_fd);
	err_destroy(e);
	_exit(e ? 1 : 0);
}

static int start_server(void **state)
{
	struct process *p = xcalloc(1, sizeof(*p));
	int listener;
	bool child;

	snprintf(folder, sizeof(folder), "/tmp/ktb-test-control.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_null(sock_listen_at(folder_fd, "control.sock", &listener));
	assert_null(process_fork(true, p, &child));
	if (child)
		serve(listener);
	close(listener);
	*state = p;
	return 0;
}

static int stop_server(void **state)
{
	struct process *p = *state;

	process_deinit(p);
	free(p);
	close(folder_fd);
	err_ignore(remove_tree(folder));
	return 0;
}

static int dial(void)
{
	int fd;

	assert_null(sock_connect_at(folder_fd, "control.sock", &fd));
	return fd;
}

static void status_and_size(void **state)
{
	_cleanup_(close) int sock = dial();
	_cleanup_(free) char *before = NULL, *after = NULL;

	(void)state;
	assert_null(control_status(sock, &before));
	assert_string_equal(before, "running");
	assert_null(control_resize(sock, 24, 80));
	assert_null(control_status(sock, &after));
	assert_string_equal(after, "resized");
}

static void the_ram_comes_as_a_descriptor(void **state)
{
	_cleanup_(close) int sock = dial();
	_cleanup_(free) char *status = NULL;

	(void)state;
	for (int i = 0; i < 50; i++) {
		_cleanup_(close) int fd = -1;
		uint64_t size = 0;
		char text[5] = "";

		assert_null(control_ram(sock, &fd, &size));
		assert_int_equal(size, RAM_SIZE);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(pread(fd, text, 4, 4096), 4);
		assert_string_equal(text, "RAM!");
	}
	assert_null(control_status(sock, &status));
	assert_string_equal(status, "running");
}

/* The server handles a closed connection some time after it was closed. */
static void await_status(int sock, const char *wanted)
{
	for (int i = 0; i < 1000; i++) {
		_cleanup_(free) char *status = NULL;

		assert_null(control_status(sock, &status));
		if (streq(status, wanted))
			return;
		usleep(10000);
	}
	fail_msg("the status did not become %s", wanted);
}

static void a_hold_ends_with_its_connection(void **state)
{
	_cleanup_(close) int sock = dial();
	int a = dial(), b = dial();

	(void)state;
	assert_null(control_hold(a));
	assert_null(control_hold(a));
	assert_null(control_hold(b));
	await_status(sock, "paused");
	close(a);
	await_status(b, "paused");
	close(b);
	await_status(sock, "running");
}

static void registers_come_through_a_pipe(void **state)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(close) int sock = dial();
	_cleanup_(err_destroy) struct err *none = NULL;

	(void)state;
	assert_null(control_registers(sock, 0, &text));
	assert_string_equal(buf_str(&text), "RAX=0\r\n");
	none = control_registers(sock, 1, &text);
	assert_int_equal(err_code(none), ERR_OS);
	assert_non_null(strstr(err_message(none), "vCPU 1"));
}

static void a_dump_comes_through_a_pipe(void **state)
{
	_cleanup_(close) int sock = dial(), fd = -1;
	uint64_t done = 0, total = 0;
	bool active = false;
	char text[16];

	(void)state;
	assert_null(control_dump(sock, &fd));
	assert_int_equal(read(fd, text, sizeof(text)), 12);
	assert_memory_equal(text, "makedumpfile", 12);
	assert_null(control_dump_state(sock, &active, &done, &total));
	assert_true(active);
	assert_int_equal(done, 7);
	assert_int_equal(total, 9);
}

static void a_refusal_comes_as_its_message(void **state)
{
	_cleanup_(close) int sock = dial();
	struct err *e = control_stop(sock, false, NULL, NULL);

	(void)state;
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "there is no \"guest\"\nto ask"));
	err_destroy(e);
}

static void stopping_waits_for_the_end(void **state)
{
	struct process *server = *state;
	_cleanup_(close) int sock = dial();
	int status;

	assert_null(control_stop(sock, true, NULL, NULL));
	assert_null(process_wait_timeout(server, 30000, &status));
	assert_int_equal(status, 0);
}

static void send_text(int sock, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(sock, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* One line of the answer, or "" if the connection was closed. */
static char *receive_line(int sock)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	char c;

	while (read(sock, &c, 1) == 1 && c != '\n')
		buf_putc(&b, c);
	return xstrdup(buf_str(&b));
}

static void garbage_is_answered_and_the_connection_goes_on(void **state)
{
	static const char text[] = "nonsense\n{\"op\":\"sta\0tus\"}\n\n{\"op\":\"status\"}\n{\"op\":";
	_cleanup_(close) int sock = dial();

	(void)state;
	send_text(sock, text, sizeof(text) - 1);
	send_text(sock, "\"status\"}\n", 10);
	for (int i = 0; i < 5; i++) {
		_cleanup_(free) char *line = receive_line(sock);

		assert_string_equal(line, i < 3 ? strstr(line, "\"ok\":false") ? line : "a refusal"
						: "{\"ok\":true,\"status\":\"running\",\"up\":false,\"resets\":0}");
	}
}

static void a_line_without_end_is_cut_off(void **state)
{
	_cleanup_(close) int sock = dial(), other = dial();
	_cleanup_(free) char *answer = NULL, *status = NULL;
	char text[16384];

	(void)state;
	memset(text, 'x', sizeof(text));
	send_text(sock, text, sizeof(text));
	answer = receive_line(sock);
	assert_string_equal(answer, "");
	assert_null(control_status(other, &status));
}

static void one_who_asks_and_never_listens_harms_nobody(void **state)
{
	static const char request[] = "{\"op\":\"status\"}\n";
	_cleanup_(close) int deaf = dial(), other = dial();
	_cleanup_(free) char *status = NULL;

	(void)state;
	set_nonblock(deaf, true);
	for (int i = 0; i < 100000; i++) {
		if (send(deaf, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			break;
	}
	assert_null(control_status(other, &status));
}

/* A descriptor can't wait: who does not take it loses the connection, and the others nothing. */
static void one_who_never_takes_the_ram_is_dropped(void **state)
{
	static const char request[] = "{\"op\":\"ram\"}\n";
	_cleanup_(close) int deaf = dial(), other = dial();
	_cleanup_(free) char *before = NULL, *after = NULL;
	bool dropped = false;

	(void)state;
	assert_null(control_status(other, &before));
	for (int i = 0; i < 200000 && !dropped; i++) {
		if (send(deaf, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			continue;
		dropped = errno == EPIPE || errno == ECONNRESET;
		usleep(1000);
	}
	assert_true(dropped);
	assert_null(control_status(other, &after));
	assert_string_equal(after, "running");
}

static void too_many_are_turned_away(void **state)
{
	int socks[40], answered = 0;
	_cleanup_(free) char *status = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++) {
		_cleanup_(free) char *one = NULL;
		struct err *e;

		socks[i] = dial();
		e = control_status(socks[i], &one);
		answered += !e;
		err_ignore(e);
	}
	assert_int_equal(answered, 32);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		close(socks[i]);
	/* There is room again, as soon as their end has been seen. */
	for (int i = 0; i < 1000 && !status; i++) {
		_cleanup_(close) int sock = dial();
		struct err *e = control_status(sock, &status);

		if (e)
			usleep(10000);
		err_ignore(e);
	}
	assert_non_null(status);
}

static void a_dead_server_is_noticed(void **state)
{
	struct process *server = *state;
	_cleanup_(close) int sock = dial();
	_cleanup_(free) char *status = NULL;
	struct err *e;

	process_deinit(server);
	e = control_status(sock, &status);
	assert_non_null(e);
	err_destroy(e);
	assert_null(status);
}

/* A server that answers badly: what the client makes of it. */
static void bad_answers(void **state)
{
	static const char *const answers[] = { "", "\n", "what?\n", "{\"ok\":false}\n", "{}\n", "{\"ok\":true}" };
	static char endless[8192];

	(void)state;
	memset(endless, 'x', sizeof(endless));
	for (size_t i = 0; i <= ARRAY_SIZE(answers); i++) {
		_cleanup_(close) int ours = -1, theirs = -1;
		_cleanup_(free) char *status = NULL;
		struct err *e;

		assert_null(sock_pair(&theirs, &ours));
		send_text(theirs, i < ARRAY_SIZE(answers) ? answers[i] : endless,
			  i < ARRAY_SIZE(answers) ? strlen(answers[i]) : sizeof(endless));
		shutdown(theirs, SHUT_WR);
		e = control_status(ours, &status);
		assert_non_null(e);
		err_destroy(e);
		assert_null(status);
	}
	/* No descriptor with the RAM. */
	_cleanup_(close) int ours = -1, theirs = -1;
	uint64_t size;
	int fd = -1;
	struct err *e;

	assert_null(sock_pair(&theirs, &ours));
	send_text(theirs, "{\"ok\":true,\"size\":5}\n", 21);
	e = control_ram(ours, &fd, &size);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_int_equal(fd, -1);
	err_destroy(e);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(what_is_no_request),
		SERVED(status_and_size),
		SERVED(the_ram_comes_as_a_descriptor),
		SERVED(a_hold_ends_with_its_connection),
		SERVED(registers_come_through_a_pipe),
		SERVED(a_dump_comes_through_a_pipe),
		SERVED(a_refusal_comes_as_its_message),
		SERVED(stopping_waits_for_the_end),
		SERVED(garbage_is_answered_and_the_connection_goes_on),
		SERVED(a_line_without_end_is_cut_off),
		SERVED(one_who_asks_and_never_listens_harms_nobody),
		SERVED(one_who_never_takes_the_ram_is_dropped),
		SERVED(too_many_are_turned_away),
		SERVED(a_dead_server_is_noticed),
		cmocka_unit_test(bad_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
