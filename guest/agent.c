/*
 * Theory of operation
 *
 * One poll() over the port and all streams of all commands. The port is read whenever there is something: what comes is
 * bounded by the credit that was given, and has room. What goes out is made only when there is room for it: a frame is
 * built from what a command has to tell or has written, in turns, so that one that writes without end doesn't hold up the
 * others; and nothing is read from a command before it can be sent. So nothing here grows, and nothing blocks.
 *
 * A command begins when OPENED has been written, not before: it may be what stops the guest (by a panic, or in a debugger's
 * breakpoint), and then the host could not tell a command that stopped the guest from one that was never begun.
 *
 * The agent ends when the host has closed the port, or has been told to by SIGTERM, as all processes are when the VM
 * shuts down: then it stays for a moment, so that a command that ended by that (or asked for it) is still told of.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "load.h"
#include "port.h"
#include "session.h"
#include "transfer.h"
#include "util.h"

enum {
	SESSIONS_MAX = 128,
	/* The host connects before it has us started; the port's device may be late. */
	PORT_TRIES = 250,
	PORT_TRY_MS = 20,
	SYNC_WAIT_MS = 10000,
	LEAVE_MS = 500,
	/* What the driver takes in one piece. */
	WRITE_MAX = 32 * 1024,
	TX_SIZE = 2 * SESSION_FRAME_MAX,
};

struct agent {
	int port;
	/* The host was heard of. */
	bool synced;
	bool sync_due;
	uint64_t number;
	/* Until then the host may be about to open the port, for the first time or anew. */
	int64_t sync_by_ms;
	/* Asked to end: when that is, at the latest; 0: not. */
	int64_t leave_at_ms;
	struct session *sessions;
	size_t sessions_n;
	size_t rx_fill, tx_start, tx_fill;
	uint8_t rx[KTB_FRAME_HEADER + KTB_FRAME_PAYLOAD_MAX];
	uint8_t tx[TX_SIZE];
};

static volatile sig_atomic_t child_ended, asked_to_end;

static void on_child(int number)
{
	(void)number;
	child_ended = 1;
}

static void on_term(int number)
{
	(void)number;
	asked_to_end = 1;
}

/* --- Commands --- */

static struct session *find(const struct agent *a, uint16_t channel)
{
	struct session *s = a->sessions;

	while (s && s->channel != channel)
		s = s->next;
	return s;
}

static void open_session(struct agent *a, const struct frame *f)
{
	struct frame_open open;
	struct session *s;

	if (!frame_get_open(f, &open) || a->sessions_n >= SESSIONS_MAX || find(a, f->channel))
		return;
	s = session_open(f->channel, &open);
	if (!s)
		return;
	s->next = a->sessions;
	a->sessions = s;
	a->sessions_n++;
}

static void reap(struct agent *a)
{
	pid_t pid;
	int status;

	child_ended = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct session *s = a->sessions; s; s = s->next)
			if (s->pid == pid)
				session_reaped(s, status);
	}
}

static void forget_finished(struct agent *a)
{
	for (struct session **p = &a->sessions; *p;) {
		struct session *s = *p;

		if (!session_is_over(s)) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		a->sessions_n--;
		session_destroy(s);
	}
}

static void hang_up_all(struct agent *a)
{
	for (struct session *s = a->sessions; s; s = s->next) {
		session_hang_up(s);
		/* Nobody is there to be told. */
		s->channel = 0;
	}
}

/* Kills whose time is over. Returns when the next one's is, in ms from now; -1: none. */
static int kill_late(struct agent *a)
{
	int64_t now = now_ms(), next = a->leave_at_ms ? a->leave_at_ms : INT64_MAX;

	for (struct session *s = a->sessions; s; s = s->next) {
		if (s->pid <= 0 || !s->kill_at_ms)
			continue;
		if (s->kill_at_ms <= now)
			kill(-s->pid, SIGKILL);
		else if (s->kill_at_ms < next)
			next = s->kill_at_ms;
	}
	if (next == INT64_MAX)
		return -1;
	return next > now ? (int)(next - now) : 0;
}

/* --- The port --- */

static void begin(struct agent *a, uint64_t number)
{
	hang_up_all(a);
	a->number = number;
	a->synced = a->sync_due = true;
	/* What the host was to be told before is nothing to it now; but a frame that has gone out in part is finished. */
	if (!a->tx_start)
		a->tx_fill = 0;
}

static void take_frame(struct agent *a, const struct frame *f)
{
	struct session *s = f->channel ? find(a, f->channel) : NULL;

	if (s) {
		if (!session_take(s, f))
			session_hang_up(s);
	} else if (f->channel && f->type == KTB_AGENT_OPEN) {
		open_session(a, f);
	}
}

static void take_bytes(struct agent *a)
{
	enum frame_status status = FRAME_PARTIAL;
	size_t used = 0;
	struct frame f;

	for (;;) {
		uint64_t number;
		size_t n = 0;

		if (!a->synced) {
			if (frame_find_sync(a->rx + used, a->rx_fill - used, &number, &n))
				begin(a, number);
			used += n;
			if (!a->synced)
				break;
		}
		status = frame_parse(a->rx + used, a->rx_fill - used, &f);
		if (status == FRAME_PARTIAL)
			break;
		if (status == FRAME_TOO_LONG) {
			/* The host has begun anew: nobody is there for what runs. */
			a->synced = false;
			hang_up_all(a);
			continue;
		}
		if (f.channel == 0 && f.type == KTB_AGENT_SYNC &&
		    frame_find_sync(a->rx + used, frame_size(&f), &number, &n))
			begin(a, number);
		else
			take_frame(a, &f);
		used += frame_size(&f);
	}
	a->rx_fill -= used;
	memmove(a->rx, a->rx + used, a->rx_fill);
}

/* False: the port has gone. */
static bool receive(struct agent *a)
{
	ssize_t n = read(a->port, a->rx + a->rx_fill, sizeof(a->rx) - a->rx_fill);

	if (n > 0) {
		a->rx_fill += (size_t)n;
		take_bytes(a);
	}
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* True: all is written, and commands began for it. */
static bool transmit(struct agent *a)
{
	bool began = false;

	while (a->tx_start < a->tx_fill) {
		size_t left = a->tx_fill - a->tx_start;
		ssize_t n = write(a->port, a->tx + a->tx_start, left < WRITE_MAX ? left : WRITE_MAX);

		if (n <= 0)
			return false;
		a->tx_start += (size_t)n;
	}
	a->tx_start = a->tx_fill = 0;
	for (struct session *s = a->sessions; s; s = s->next)
		began |= session_begin(s);
	return began;
}

static bool has_room(const struct agent *a)
{
	return sizeof(a->tx) - a->tx_fill >= SESSION_FRAME_MAX;
}

/* One frame of each, over and over, as long as there is room and something to tell. */
static void fill_and_transmit(struct agent *a)
{
	bool progress = true;

	transmit(a);
	if (a->sync_due && has_room(a)) {
		a->tx_fill += frame_put_sync(a->tx + a->tx_fill, a->number);
		a->sync_due = false;
	}
	while (progress) {
		progress = false;
		for (struct session *s = a->sessions; s; s = s->next) {
			size_t n;

			if (!has_room(a))
				progress |= transmit(a);
			if (!has_room(a))
				return;
			n = session_next_frame(s, a->tx + a->tx_fill);
			a->tx_fill += n;
			progress |= n > 0;
		}
		if (!progress)
			progress = transmit(a);
	}
}

/* So that whoever stands first has no advantage where there is never room for all. */
static void rotate(struct agent *a)
{
	struct session *first = a->sessions, *last = first;

	if (!first || !first->next)
		return;
	while (last->next)
		last = last->next;
	a->sessions = first->next;
	first->next = NULL;
	last->next = first;
}

/* --- The loop --- */

/* A port that the host has not opened yet, or that it is just opening again, says POLLHUP. */
static bool may_come(const struct agent *a)
{
	if (a->synced || now_ms() >= a->sync_by_ms)
		return false;
	sleep_ms(PORT_TRY_MS);
	return true;
}

static bool turn(struct agent *a, const sigset_t *waiting)
{
	static struct pollfd fds[1 + SESSIONS_MAX * SESSION_POLLFDS];
	const bool room = has_room(a);
	int ms = kill_late(a);
	struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	size_t n = 0;

	fds[n++] = (struct pollfd){ .fd = a->port,
				    .events = (short)(POLLIN | (a->tx_fill || a->sync_due ? POLLOUT : 0)) };
	for (struct session *s = a->sessions; s; s = s->next, n += SESSION_POLLFDS)
		session_poll(s, room, fds + n);
	if (ppoll(fds, n, ms < 0 ? NULL : &timeout, waiting) < 0)
		memset(fds, 0, sizeof(fds[0]) * n);
	n = 1;
	for (struct session *s = a->sessions; s; s = s->next, n += SESSION_POLLFDS)
		session_polled(s, fds + n);
	if (asked_to_end && !a->leave_at_ms)
		a->leave_at_ms = now_ms() + LEAVE_MS;
	if (child_ended)
		reap(a);
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && !receive(a))
		return false;
	fill_and_transmit(a);
	forget_finished(a);
	rotate(a);
	if (a->leave_at_ms && (!a->sessions || now_ms() >= a->leave_at_ms))
		return false;
	return !(fds[0].revents & POLLHUP) || may_come(a);
}

static int open_port(void)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		int fd = port_open(KTB_AGENT_PORT_NAME);

		if (fd >= 0)
			return fd;
		sleep_ms(PORT_TRY_MS);
	}
	return -1;
}

/* Signals come only while poll() waits. */
static sigset_t watch_signals(void)
{
	struct sigaction child = { .sa_handler = on_child }, term = { .sa_handler = on_term };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set, waiting;

	sigaction(SIGCHLD, &child, NULL);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&waiting);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return waiting;
}

static int run_agent(void)
{
	static struct agent a;
	sigset_t waiting = watch_signals();

	/* Where commands are looked for. */
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	a.port = open_port();
	if (a.port < 0)
		return 1;
	a.sync_by_ms = now_ms() + SYNC_WAIT_MS;
	while (turn(&a, &waiting))
		;
	hang_up_all(&a);
	return 0;
}

/* --- Workers: what comes from the host or goes there is their standard input or output --- */

static void report(const char *text, void *user)
{
	char line[1024];
	size_t n = strnlen(text, sizeof(line) - 1);

	(void)user;
	memcpy(line, text, n);
	line[n] = '\n';
	(void)!write(STDERR_FILENO, line, n + 1);
}

static int run_worker(char **argv, size_t n)
{
	static const struct transfer_callbacks callbacks = { .report = report };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct transfer_receive receive = {
		.in_fd = STDIN_FILENO,
		.into = strcmp(argv[0], KTB_RECEIVE_INTO) == 0,
		.mode_mask = 07777,
	};

	/* One whose other end is gone is told so by its streams, and can clean up. */
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	if (strcmp(argv[0], KTB_SEND) == 0)
		return !transfer_send(STDOUT_FILENO, argv + 1, n - 1, &callbacks);
	if (n != 2)
		return 1;
	if (strcmp(argv[0], KTB_LOAD) == 0)
		return load_module(STDIN_FILENO, argv[1], STDOUT_FILENO);
	receive.dest = argv[1];
	return !transfer_receive(&receive, &callbacks);
}

int agent_main(char **argv, size_t n)
{
	prctl(PR_SET_NAME, "ktb-agent");
	if (strcmp(argv[0], "agent") == 0)
		return run_agent();
	if (strcmp(argv[0], KTB_LOAD) == 0 || strcmp(argv[0], KTB_SEND) == 0 || strcmp(argv[0], KTB_RECEIVE) == 0 ||
	    strcmp(argv[0], KTB_RECEIVE_INTO) == 0)
		return run_worker(argv, n);
	say("nothing here is called %s", argv[0]);
	return 1;
}

pid_t agent_start(void)
{
	char *const argv[] = { "ktb-agent", "agent", NULL }, *const env[] = { NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int error;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	error = posix_spawn(&pid, "/proc/self/exe", NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	if (error) {
		errno = error;
		say("can't start the agent: %m");
		return 0;
	}
	return pid;
}
