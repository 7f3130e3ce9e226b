#include "supervisor/debugport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "supervisor/debugpeer.h"
#include "supervisor/packets.h"

/* Who is refused can try as often as it likes. */
enum { REFUSAL_LOG_S = 10, REFUSED_BYTES_MAX = 1 << 16 };

/* Who has just left may still be being cleared away when the next one comes. */
enum { TURN_MS = 300 };

enum refusal {
	REFUSED_GUEST,
	REFUSED_OTHER_USER,
	REFUSED_LANGUAGE,
	REFUSALS_N,
};

static const char *const refusals[REFUSALS_N] = {
	[REFUSED_GUEST] = "it came from a guest, by way of QEMU's network",
	[REFUSED_OTHER_USER] = "it came from another user of this machine",
	[REFUSED_LANGUAGE] = "what it said is not GDB's protocol",
};

struct debugport {
	struct loop *loop;
	int listen_fd;
	struct loop_source *listen_source;
	uint16_t port;
	const struct rundir *rundir;
	const struct debugport_callbacks *callbacks;
	void *user;

	int client_fd; /* not served yet: it has not spoken, or waits for the VM to stop; -1: none */
	struct loop_source *client_source; /* its first word is awaited */
	struct process server;
	struct loop_source *server_source;
	int word_fd;              /* to it; -1: none */
	bool mending;             /* the last one died; what it left is cleared away, or about to be */
	bool goes_on;             /* then the VM goes on */
	volatile uint8_t *to_run; /* in memory that server processes share with us */

	int second_fd;                   /* of a client that came while another one is served; -1: none */
	struct loop_source *second_turn; /* until then it may get its turn; after that it is refused: */
	struct loop_source *refused_source;
	size_t refused_bytes; /* that it has sent */
	bool refused_told;
	bool told_busy;                    /* of the client that is served: that another one was refused */
	uint64_t told_refusal[REFUSALS_N]; /* when the log was told of such a one last; 0: never */
};

static struct err *port_taken(uint16_t port)
{
	_cleanup_(free) char *owner = sock_port_owner(port);

	return err_create(ERR_USAGE,
			  "port %u on 127.0.0.1 is taken%s%s; end that, or choose another with --port N or --port auto",
			  port, owner ? " by " : "", owner ? owner : "");
}

static void drop_waiting_client(struct debugport *d)
{
	loop_remove(steal(&d->client_source));
	if (d->client_fd >= 0)
		close(steal_fd(&d->client_fd));
}

static void tell_refusal(struct debugport *d, enum refusal why)
{
	uint64_t now = now_ns(), *told = &d->told_refusal[why];

	if (*told && now - *told < REFUSAL_LOG_S * NSEC_PER_SEC)
		return;
	*told = now;
	log_info("a connection to the debug port was refused: %s", refusals[why]);
}

static bool is_welcome(struct debugport *d, int client_fd)
{
	switch (debugpeer_find(client_fd)) {
	case DEBUGPEER_WELCOME:
		return true;
	case DEBUGPEER_GUEST:
		tell_refusal(d, REFUSED_GUEST);
		return false;
	case DEBUGPEER_OTHER_USER:
		tell_refusal(d, REFUSED_OTHER_USER);
		return false;
	case DEBUGPEER_GONE:
		return false;
	}
	return false;
}

static struct err *on_first_word(struct loop_source *source, int fd, short revents, void *user)
{
	struct debugport *d = user;
	char byte;

	(void)revents;
	if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
		drop_waiting_client(d);
		return NULL;
	}
	/* The stub would look for a packet in whatever comes, a web page's request included. */
	if (!packets_begin_with(byte)) {
		tell_refusal(d, REFUSED_LANGUAGE);
		drop_waiting_client(d);
		return NULL;
	}
	loop_remove(source);
	d->client_source = NULL;
	d->told_busy = false;
	d->callbacks->stop_vm(d->user);
	return NULL;
}

static void drop_second_client(struct debugport *d)
{
	loop_remove(steal(&d->second_turn));
	loop_remove(steal(&d->refused_source));
	if (d->second_fd >= 0)
		close(steal_fd(&d->second_fd));
}

/*
 * GDB shows an error that answers its first packet, qSupported, and goes on until it sees that the connection has ended. LLDB
 * shows none, but says so if its first packet, QStartNoAckMode, isn't answered. False: the client is to be hung up on.
 */
static bool tell_refused(struct debugport *d, const char *bytes, size_t n)
{
	static const char text[] = "ktb: another debugger is attached to this VM";
	_cleanup_(buf_deinit) struct buf words = BUF_INIT;
	_cleanup_(free) char *error = xasprintf("E.%s", text);
	size_t start = 0;

	while (start < n && strchr("+$", bytes[start]))
		start++;
	if (start == n)
		return true;
	d->refused_told = true;
	if (bytes[start] == 'q') {
		buf_putc(&words, '+');
		packets_put_reply(&words, error);
	} else {
		buf_printf(&words, "%s\n", text);
	}
	(void)!send(d->second_fd, words.data, words.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(d->second_fd, SHUT_WR);
	return bytes[start] == 'q';
}

/* What is closed with bytes unread is torn down, and what it was told with it: so the client is to close first. */
static struct err *on_refused_client(struct loop_source *source, int fd, short revents, void *user)
{
	struct debugport *d = user;
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)source;
	(void)revents;
	d->refused_bytes += (size_t)MAX(n, 0);
	if (n <= 0 || d->refused_bytes > REFUSED_BYTES_MAX || (!d->refused_told && !tell_refused(d, bytes, (size_t)n)))
		drop_second_client(d);
	return NULL;
}

static struct err *refuse_second(struct loop_source *source, int fd, short revents, void *user)
{
	struct debugport *d = user;

	(void)source;
	(void)fd;
	(void)revents;
	d->second_turn = NULL;
	if (!d->told_busy)
		log_info("a second debugger was refused: one is attached");
	d->told_busy = true;
	d->refused_bytes = 0;
	d->refused_told = false;
	d->refused_source = loop_add_fd(d->loop, d->second_fd, POLLIN, on_refused_client, d);
	return NULL;
}

/* If the first one leaves at once it gets in, else it reads why it doesn't. */
static void take_second(struct debugport *d, int client_fd)
{
	drop_second_client(d);
	d->second_fd = client_fd;
	d->second_turn = loop_add_timer(d->loop, now_ns() + TURN_MS * NSEC_PER_MSEC, refuse_second, d);
}

static void take_client(struct debugport *d, int client_fd)
{
	const int on = 1;

	/*
	 * The protocol's packets are small and go back and forth: with Nagle's algorithm each reply waits for the client's
	 * delayed acknowledgement of the one before, 40 ms.
	 */
	(void)setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* One that is silent must not keep debuggers out. */
	drop_waiting_client(d);
	d->client_fd = client_fd;
	d->client_source = loop_add_fd(d->loop, client_fd, POLLIN, on_first_word, d);
}

static struct err *on_connection(struct loop_source *source, int fd, short revents, void *user)
{
	struct debugport *d = user;
	_cleanup_(close) int client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)source;
	(void)revents;
	if (client_fd < 0 || !is_welcome(d, client_fd))
		return NULL;
	if (debugport_busy(d))
		take_second(d, steal_fd(&client_fd));
	else
		take_client(d, steal_fd(&client_fd));
	return NULL;
}

static struct err *listen_on(uint16_t port, int *ret_fd, uint16_t *ret_port)
{
	struct err *e = sock_listen_loopback(port, ret_fd, ret_port);

	if (!e || err_errno(e) != EADDRINUSE)
		return e;
	err_destroy(e);
	return port_taken(port);
}

struct err *debugport_check(uint16_t port)
{
	uint16_t taken;
	int fd;

	TRY(listen_on(port, &fd, &taken));
	close(fd);
	return NULL;
}

struct err *debugport_create(struct loop *loop, uint16_t port, const struct rundir *rundir,
			     const struct debugport_callbacks *callbacks, void *user, struct debugport **ret)
{
	struct debugport *d;
	void *to_run;
	int listen_fd;
	uint16_t taken;

	TRY(listen_on(port, &listen_fd, &taken));
	to_run = mmap(NULL, sizeof(*d->to_run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (to_run == MAP_FAILED) {
		close(listen_fd);
		return err_os(errno, "share memory with debug servers");
	}
	d = xcalloc(1, sizeof(*d));
	d->to_run = to_run;
	d->loop = loop;
	d->listen_fd = listen_fd;
	d->port = taken;
	d->rundir = rundir;
	d->callbacks = callbacks;
	d->user = user;
	d->client_fd = d->word_fd = d->second_fd = -1;
	d->server = (struct process)PROCESS_INIT;
	d->listen_source = loop_add_fd(loop, listen_fd, POLLIN, on_connection, d);
	*ret = d;
	return NULL;
}

static void hush(struct debugport *d)
{
	if (d->word_fd >= 0)
		close(steal_fd(&d->word_fd));
}

void debugport_reset_done(const struct debugport *d)
{
	if (d->word_fd >= 0)
		(void)!send(d->word_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* In the server process: keeps its descriptors and stderr, and nothing else of the supervisor's. */
static __attribute__((noreturn)) void run_server(const struct debugport *d, const struct debugport_session *session)
{
	const int keep[] = { STDERR_FILENO,    session->client_fd, session->stub_fd,
			     session->line_fd, session->word_fd,   session->ram_fd };
	bool failed;
	struct err *e;

	prctl(PR_SET_NAME, "ktb-debug");
	/* The supervisor's console is not ours to write to. */
	log_set_sink(NULL, NULL);
	process_keep_only(keep, ARRAY_SIZE(keep));
	e = d->callbacks->serve(session, d->callbacks->serve_user);
	if (e)
		log_warn("debug session: %s", err_message(e));
	/* A stub that is gone has nothing left to clear away. */
	failed = e && err_code(e) != ERR_CLOSED;
	err_destroy(e);
	_exit(failed ? 1 : 0);
}

/* What a server process has planted would stop the VM for nobody, and while it is stopped for that it would stay so. */
static void begin_mending(struct debugport *d)
{
	d->mending = true;
	/* It may have been stopped just then, for a condition that is false, say, of which the client never heard. */
	d->goes_on = d->callbacks->runs(d->user) || *d->to_run;
	d->callbacks->stop_vm(d->user);
}

/* The first one has left. */
static void end_turn(struct debugport *d)
{
	d->mending = false;
	d->callbacks->client_gone(d->user);
	if (!d->second_turn)
		return;
	loop_remove(steal(&d->second_turn));
	take_client(d, steal_fd(&d->second_fd));
}

static struct err *on_server_end(struct loop_source *source, int fd, short revents, void *user)
{
	struct debugport *d = user;
	int status = 0;

	(void)fd;
	(void)revents;
	loop_remove(source);
	d->server_source = NULL;
	hush(d);
	TRY(process_wait(&d->server, &status));
	if (WIFSIGNALED(status)) {
		_cleanup_(free) char *how = process_describe_status(status);

		log_warn("the debug server ended: %s; the VM is as it was, and a debugger can attach again", how);
	}
	if (status && d->callbacks->runs && !d->mending) {
		begin_mending(d);
		return NULL;
	}
	end_turn(d);
	return NULL;
}

static struct err *start_server(struct debugport *d, int client_fd)
{
	_cleanup_(close) int stub_fd = -1, line_fd = -1, word_fd = -1, told_fd = -1, ram_fd = -1;
	bool child;

	if (d->callbacks->line)
		line_fd = d->callbacks->line(d->user);
	else
		TRY(sock_connect_at(rundir_fd(d->rundir), "stub.sock", &stub_fd));
	TRY(sock_pair(&word_fd, &told_fd));
	if (d->callbacks->ram)
		ram_fd = d->callbacks->ram(d->user);
	*d->to_run = 0;
	TRY(process_fork(true, &d->server, &child));
	if (child)
		run_server(d, &(struct debugport_session){ .client_fd = client_fd,
							   .goes_on = d->goes_on,
							   .stub_fd = stub_fd,
							   .line_fd = line_fd,
							   .word_fd = told_fd,
							   .ram_fd = ram_fd,
							   .to_run = d->to_run });
	d->word_fd = steal_fd(&word_fd);
	d->server_source = loop_add_fd(d->loop, d->server.pidfd, POLLIN, on_server_end, d);
	return NULL;
}

void debugport_vm_stopped(struct debugport *d)
{
	_cleanup_(close) int client_fd = -1;
	struct err *e;

	if (d->mending ? d->server.pid > 0 : d->client_fd < 0 || d->client_source)
		return;
	if (!d->mending)
		client_fd = steal_fd(&d->client_fd);
	e = start_server(d, client_fd);
	if (!e)
		return;
	log_warn("a debugger could not be served: %s", err_message(e));
	err_destroy(e);
	end_turn(d);
}

bool debugport_busy(const struct debugport *d)
{
	return (d->client_fd >= 0 && !d->client_source) || d->server.pid > 0 || d->mending;
}

void debugport_end_server(struct debugport *d)
{
	process_kill(&d->server, SIGKILL);
}

void debugport_hang_up(struct debugport *d)
{
	drop_waiting_client(d);
	loop_remove(steal(&d->server_source));
	hush(d);
	process_deinit(&d->server);
	d->mending = false;
}

void debugport_destroy(struct debugport *d)
{
	if (!d)
		return;
	debugport_hang_up(d);
	drop_second_client(d);
	loop_remove(d->listen_source);
	close(d->listen_fd);
	munmap((void *)(uintptr_t)d->to_run, sizeof(*d->to_run));
	free(d);
}

uint16_t debugport_number(const struct debugport *d)
{
	return d->port;
}
