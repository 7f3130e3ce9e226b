/*
 * The debug port: who gets in, who is refused, and that a client which says nothing changes nothing.
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

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "supervisor/debugport.h"
#include "supervisor/relay.h"

struct setup {
	struct loop *loop;
	struct rundir *rundir;
	struct debugport *port;
	int stub_listener, stub; /* where QEMU would listen, and its end of the connection */
	int stops, gone;
	bool stop_slowly; /* the VM's stop is reported by the test */
};

static char folder[64];

static void stop_vm(void *user)
{
	struct setup *s = user;

	s->stops++;
	if (!s->stop_slowly)
		debugport_vm_stopped(s->port);
	loop_quit(s->loop);
}

static void client_gone(void *user)
{
	struct setup *s = user;

	s->gone++;
	loop_quit(s->loop);
}

static struct err *serve_and_crash(const struct debugport_session *session, void *user)
{
	(void)session;
	(void)user;
	raise(SIGKILL);
	return NULL;
}

static struct err *serve_and_fail(const struct debugport_session *session, void *user)
{
	const char *text = session->goes_on ? "goes on" : "stays";

	(void)user;
	if (session->client_fd >= 0)
		return err_create(ERR_TIMEOUT, "it doesn't stop");
	return write_all(session->stub_fd, text, strlen(text));
}

/* The one that comes after it tells the stub what it is for. */
static struct err *serve_and_crash_or_mend(const struct debugport_session *session, void *user)
{
	const char *text = session->goes_on ? "goes on" : "stays";

	if (session->client_fd >= 0)
		return serve_and_crash(session, user);
	return write_all(session->stub_fd, text, strlen(text));
}

/* While the client waits. */
static struct err *serve_and_crash_in_between(const struct debugport_session *session, void *user)
{
	if (session->client_fd >= 0)
		*session->to_run = 1;
	return serve_and_crash_or_mend(session, user);
}

static bool runs(void *user)
{
	(void)user;
	return true;
}

static bool stands(void *user)
{
	(void)user;
	return false;
}

/* Says what it has inherited. */
static struct err *serve_and_tell(const struct debugport_session *session, void *user)
{
	_cleanup_(free) char *text = NULL;
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	text = xasprintf("%d", n);
	(void)user;
	return write_all(session->client_fd, text, strlen(text));
}

static const struct debugport_callbacks relaying = { .stop_vm = stop_vm,
						     .client_gone = client_gone,
						     .serve = relay_run };
static const struct debugport_callbacks crashing = { .stop_vm = stop_vm,
						     .client_gone = client_gone,
						     .serve = serve_and_crash };
static const struct debugport_callbacks mending = {
	.stop_vm = stop_vm, .client_gone = client_gone, .runs = runs, .serve = serve_and_crash_or_mend
};
static const struct debugport_callbacks mending_stopped = {
	.stop_vm = stop_vm, .client_gone = client_gone, .runs = stands, .serve = serve_and_crash_or_mend
};
static const struct debugport_callbacks mending_in_between = {
	.stop_vm = stop_vm, .client_gone = client_gone, .runs = stands, .serve = serve_and_crash_in_between
};
static const struct debugport_callbacks failing = {
	.stop_vm = stop_vm, .client_gone = client_gone, .runs = runs, .serve = serve_and_fail
};
static const struct debugport_callbacks telling = { .stop_vm = stop_vm,
						    .client_gone = client_gone,
						    .serve = serve_and_tell };

static struct err *quit(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(user);
	return NULL;
}

/* Until a callback has quit, or for so long. */
static void run(struct setup *s, unsigned int ms)
{
	struct loop_source *timer = loop_add_timer(s->loop, now_ns() + ms * NSEC_PER_MSEC, quit, s->loop);

	assert_null(loop_run(s->loop));
	loop_remove(timer);
}

static void run_until(struct setup *s, const int *count, int wanted)
{
	for (int i = 0; i < 600 && *count < wanted; i++)
		run(s, 50);
	assert_int_equal(*count, wanted);
}

/* Until there is something for this client to read. */
static void run_until_told(struct setup *s, int client)
{
	struct pollfd p = { .fd = client, .events = POLLIN };

	for (int i = 0; i < 600 && !poll(&p, 1, 0); i++)
		run(s, 50);
	assert_int_equal(poll(&p, 1, 0), 1);
}

static int make(void **state)
{
	struct setup *s = xcalloc(1, sizeof(*s));

	log_level = LOG_LEVEL_QUIET;
	snprintf(folder, sizeof(folder), "/tmp/ktb-test-port.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	setenv("XDG_RUNTIME_DIR", folder, 1);
	s->loop = loop_create();
	s->stub = -1;
	assert_null(rundir_create("vm", &s->rundir));
	assert_null(sock_listen_at(rundir_fd(s->rundir), "stub.sock", &s->stub_listener));
	*state = s;
	return 0;
}

static int unmake(void **state)
{
	struct setup *s = *state;

	debugport_destroy(s->port);
	loop_destroy(s->loop);
	rundir_destroy(s->rundir);
	close(s->stub_listener);
	if (s->stub >= 0)
		close(s->stub);
	free(s);
	err_ignore(remove_tree(folder));
	return 0;
}

static void open_port(struct setup *s, const struct debugport_callbacks *callbacks)
{
	assert_null(debugport_create(s->loop, 0, s->rundir, callbacks, s, &s->port));
	assert_true(debugport_number(s->port) > 0);
}

static int dial(const struct setup *s)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(debugport_number(s->port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = 30 };

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

static void accept_stub(struct setup *s)
{
	for (int i = 0; i < 3000 && s->stub < 0; i++) {
		s->stub = accept4(s->stub_listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->stub < 0)
			usleep(10000);
	}
	assert_true(s->stub >= 0);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect(int fd, const char *text)
{
	char got[64] = "";
	size_t len = strlen(text);

	assert_true(len < sizeof(got));
	assert_int_equal(recv(fd, got, len, MSG_WAITALL), len);
	assert_string_equal(got, text);
}

static void expect_end(int fd)
{
	char c;

	assert_true(recv(fd, &c, 1, 0) <= 0);
}

/* Gets a client through to the stub. */
static int attach(struct setup *s)
{
	int client = dial(s), stops = s->stops;

	say(client, "$?#3f");
	run_until(s, &s->stops, stops + 1);
	accept_stub(s);
	expect(s->stub, "$?#3f");
	return client;
}

static void a_session(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	open_port(s, &relaying);
	assert_false(debugport_busy(s->port));
	client = attach(s);
	assert_true(debugport_busy(s->port));
	say(s->stub, "+$T05thread:01;#07");
	expect(client, "+$T05thread:01;#07");
	close(steal_fd(&client));
	run_until(s, &s->gone, 1);
	expect_end(s->stub);
	assert_false(debugport_busy(s->port));
}

/* QEMU would not hear it while the VM stands as the guest's reset left it. */
static void going_on_waits_for_the_reset(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;
	char c;

	open_port(s, &relaying);
	client = attach(s);
	for (int i = 0; i < 3; i++) {
		say(s->stub, "$T03thread:01;#05");
		expect(client, "$T03thread:01;#05");
		say(client, "+$g#67");
		expect(s->stub, "+$g#67");
		say(client, "$c#63");
		run(s, 50);
		assert_int_equal(recv(s->stub, &c, 1, MSG_DONTWAIT), -1);
		debugport_reset_done(s->port);
		expect(s->stub, "$c#63");
	}
	/* The two words at once, and in the other order: both are there before the client can answer. */
	say(s->stub, "$T03thread:01;#05");
	debugport_reset_done(s->port);
	expect(client, "$T03thread:01;#05");
	run(s, 50);
	say(client, "$c#63");
	expect(s->stub, "$c#63");
	/* After any other stop nothing is waited for. */
	say(s->stub, "$T05thread:01;#07");
	expect(client, "$T05thread:01;#07");
	say(client, "$c#63");
	expect(s->stub, "$c#63");
}

static void the_next_one_gets_in(void **state)
{
	struct setup *s = *state;

	open_port(s, &relaying);
	for (int i = 1; i <= 3; i++) {
		_cleanup_(close) int client = attach(s);

		close(steal_fd(&client));
		run_until(s, &s->gone, i);
		close(steal_fd(&s->stub));
	}
	assert_int_equal(s->stops, 3);
}

/* As a script that attaches again does: the first one's server has not quite gone when it comes. */
static void one_that_comes_as_the_first_leaves_gets_in(void **state)
{
	struct setup *s = *state;

	open_port(s, &relaying);
	for (int i = 1; i <= 3; i++) {
		_cleanup_(close) int client = attach(s), next = dial(s);

		say(next, "$g#67");
		/* The port sees it while the first one is still served. */
		run(s, 20);
		close(steal_fd(&client));
		run_until(s, &s->stops, 2 * i);
		close(steal_fd(&s->stub));
		accept_stub(s);
		expect(s->stub, "$g#67");
		close(steal_fd(&next));
		run_until(s, &s->gone, 2 * i);
		close(steal_fd(&s->stub));
	}
}

static void a_second_one_is_refused_meanwhile(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1, second = -1, third = -1;

	open_port(s, &relaying);
	client = attach(s);
	/* As GDB begins. */
	second = dial(s);
	say(second, "+");
	run(s, 50);
	say(second, "$qSupported#37");
	run_until_told(s, second);
	expect(second, "+$E.ktb: another debugger is attached to this VM#5c");
	expect_end(second);
	/* It goes on for a while, which doesn't tear down what it was told; and another one is refused as well, LLDB for instance. */
	say(second, "+$vCont?#49");
	third = dial(s);
	say(third, "+$QStartNoAckMode#b0");
	run_until_told(s, third);
	expect(third, "ktb: another debugger is attached to this VM\n");
	expect_end(third);
	/* The first one's session goes on. */
	say(client, "$g#67");
	expect(s->stub, "$g#67");
	assert_int_equal(s->stops, 1);
	assert_int_equal(s->gone, 0);
}

static void one_that_waits_for_the_stop_is_not_pushed_out(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1, second = -1;

	s->stop_slowly = true;
	open_port(s, &relaying);
	client = dial(s);
	say(client, "$?#3f");
	run_until(s, &s->stops, 1);
	assert_true(debugport_busy(s->port));
	second = dial(s);
	say(second, "$?#3f");
	run_until_told(s, second);
	expect(second, "ktb: another debugger is attached to this VM\n");
	debugport_vm_stopped(s->port);
	accept_stub(s);
	expect(s->stub, "$?#3f");
}

static void a_silent_one_stops_nothing(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int silent = -1;

	open_port(s, &relaying);
	silent = dial(s);
	run(s, 100);
	assert_false(debugport_busy(s->port));
	/* It is in nobody's way, neither while it is there nor when it goes. */
	close(attach(s));
	run_until(s, &s->gone, 1);
	expect_end(silent);
	close(steal_fd(&silent));
	silent = dial(s);
	run(s, 50);
	close(steal_fd(&silent));
	run(s, 100);
	assert_int_equal(s->stops, 1);
	assert_int_equal(s->gone, 1);
	/* What stops the VM later for some other reason starts nothing. */
	debugport_vm_stopped(s->port);
	silent = dial(s);
	run(s, 50);
	debugport_vm_stopped(s->port);
	assert_false(debugport_busy(s->port));
}

static void what_is_not_gdbs_protocol_stops_nothing(void **state)
{
	struct setup *s = *state;

	open_port(s, &relaying);
	for (const char *const *text =
		     (const char *const[]){ "POST / HTTP/1.1\r\n\r\n$qRcmd,71#4c", " $?#3f", "\n", NULL };
	     *text; text++) {
		_cleanup_(close) int client = dial(s);

		say(client, *text);
		run(s, 100);
		expect_end(client);
	}
	assert_int_equal(s->stops, 0);
	assert_false(debugport_busy(s->port));
}

/* In a process that is called so, or has that user's number: whether it was let in. */
static bool is_let_in(struct setup *s, const char *name, uid_t uid)
{
	struct process p;
	bool child;
	int stops = s->stops, status = -1;

	assert_null(process_fork(true, &p, &child));
	if (child) {
		char c;
		int fd;

		if ((name && prctl(PR_SET_NAME, name) < 0) || (uid && setuid(uid) < 0))
			_exit(99);
		fd = dial(s);
		(void)!send(fd, "+", 1, MSG_NOSIGNAL);
		/* Until it is served, or dropped. */
		_exit(recv(fd, &c, 1, 0) > 0 ? 99 : 0);
	}
	for (int i = 0; i < 600 && p.pid; i++) {
		run(s, 50);
		err_ignore(process_wait_timeout(&p, 0, &status));
	}
	assert_int_equal(p.pid, 0);
	assert_int_equal(status, 0);
	return s->stops > stops;
}

static void a_guest_is_refused(void **state)
{
	struct setup *s = *state;

	/* One that is served ends at once: nothing is behind the port. */
	assert_int_equal(unlinkat(rundir_fd(s->rundir), "stub.sock", 0), 0);
	open_port(s, &relaying);
	assert_true(is_let_in(s, NULL, 0));
	assert_false(is_let_in(s, "ktb-vm", 0));
	assert_false(is_let_in(s, "qemu-system-x86", 0));
	assert_true(is_let_in(s, "gdb", 0));
}

static void another_user_is_refused(void **state)
{
	struct setup *s = *state;

	assert_int_equal(unlinkat(rundir_fd(s->rundir), "stub.sock", 0), 0);
	open_port(s, &relaying);
	/* Only root can play another user. */
	assert_int_equal(is_let_in(s, NULL, geteuid() == 0 ? 65534 : 0), geteuid() != 0);
}

static void a_stub_that_ends_ends_the_session(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	open_port(s, &relaying);
	client = attach(s);
	close(steal_fd(&s->stub));
	run_until(s, &s->gone, 1);
	expect_end(client);
}

static void hanging_up(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	open_port(s, &relaying);
	client = attach(s);
	debugport_hang_up(s->port);
	expect_end(client);
	assert_false(debugport_busy(s->port));
	run(s, 50);
	assert_int_equal(s->gone, 0);
}

static void a_server_that_crashes_costs_the_session_only(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	open_port(s, &crashing);
	client = dial(s);
	say(client, "+");
	run_until(s, &s->gone, 1);
	expect_end(client);
	assert_false(debugport_busy(s->port));
}

static void is_cleared_away(struct setup *s, const struct debugport_callbacks *callbacks, const char *then)
{
	_cleanup_(close) int client = -1, crashed = -1;

	open_port(s, callbacks);
	client = dial(s);
	say(client, "+");
	run_until(s, &s->gone, 1);
	expect_end(client);
	assert_int_equal(s->stops, 2);
	assert_false(debugport_busy(s->port));
	crashed = accept4(s->stub_listener, NULL, NULL, SOCK_CLOEXEC);
	s->stub = accept4(s->stub_listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(crashed >= 0 && s->stub >= 0);
	expect(s->stub, then);
}

static void what_a_crashed_server_leaves_is_cleared_away(void **state)
{
	is_cleared_away(*state, &mending, "goes on");
}

static void a_vm_that_was_stopped_stays_so(void **state)
{
	is_cleared_away(*state, &mending_stopped, "stays");
}

/* It was about to go on: for its client it had not been stopped. */
static void a_vm_that_was_stopped_in_silence_goes_on(void **state)
{
	is_cleared_away(*state, &mending_in_between, "goes on");
}

/* So is what one leaves that could not do what it had to. */
static void what_a_failed_server_leaves_is_cleared_away(void **state)
{
	is_cleared_away(*state, &failing, "goes on");
}

static void without_a_stub_the_client_is_told_by_the_end(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	assert_int_equal(unlinkat(rundir_fd(s->rundir), "stub.sock", 0), 0);
	open_port(s, &relaying);
	client = dial(s);
	say(client, "+");
	run_until(s, &s->gone, 1);
	expect_end(client);
	assert_false(debugport_busy(s->port));
}

static void the_server_inherits_no_more_than_it_needs(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int client = -1;

	open_port(s, &telling);
	client = dial(s);
	say(client, "+");
	/* The client, the stub, the supervisor's word, stderr. */
	run_until(s, &s->gone, 1);
	expect(client, "4");
}

static void a_port_in_use_names_its_owner(void **state)
{
	struct setup *s = *state;
	_cleanup_(close) int holder = -1;
	struct debugport *d;
	uint16_t port;
	_cleanup_(free) char *us = xasprintf("is taken by process %d (", (int)getpid());
	struct err *e;

	assert_null(sock_listen_loopback(0, &holder, &port));
	e = debugport_create(s->loop, port, s->rundir, &relaying, s, &d);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_USAGE);
	assert_non_null(strstr(err_message(e), us));
	assert_non_null(strstr(err_message(e), "--port auto"));
	err_destroy(e);
	close(steal_fd(&holder));
	assert_null(debugport_create(s->loop, port, s->rundir, &relaying, s, &s->port));
	assert_int_equal(debugport_number(s->port), port);
}

#define WITH_STUB(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STUB(a_session),
		WITH_STUB(going_on_waits_for_the_reset),
		WITH_STUB(the_next_one_gets_in),
		WITH_STUB(one_that_comes_as_the_first_leaves_gets_in),
		WITH_STUB(a_second_one_is_refused_meanwhile),
		WITH_STUB(one_that_waits_for_the_stop_is_not_pushed_out),
		WITH_STUB(a_silent_one_stops_nothing),
		WITH_STUB(what_is_not_gdbs_protocol_stops_nothing),
		WITH_STUB(a_guest_is_refused),
		WITH_STUB(another_user_is_refused),
		WITH_STUB(a_stub_that_ends_ends_the_session),
		WITH_STUB(hanging_up),
		WITH_STUB(a_server_that_crashes_costs_the_session_only),
		WITH_STUB(what_a_crashed_server_leaves_is_cleared_away),
		WITH_STUB(what_a_failed_server_leaves_is_cleared_away),
		WITH_STUB(a_vm_that_was_stopped_stays_so),
		WITH_STUB(a_vm_that_was_stopped_in_silence_goes_on),
		WITH_STUB(without_a_stub_the_client_is_told_by_the_end),
		WITH_STUB(the_server_inherits_no_more_than_it_needs),
		WITH_STUB(a_port_in_use_names_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
