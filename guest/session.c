#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "options.h"
#include "util.h"

/* How long a process has between SIGHUP and SIGKILL. */
enum { HANG_UP_MS = 5000 };

/* --- Starting --- */

/* The descriptors of a command: ours, and those it gets. */
struct ends {
	int in, out, err;
	int child_in, child_out, child_err;
	/* Of its terminal; "": none. */
	char tty[64];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int open_pipes(struct ends *e)
{
	int error = make_pipe(&e->child_in, &e->in);

	if (!error)
		error = make_pipe(&e->out, &e->child_out);
	if (!error)
		error = make_pipe(&e->err, &e->child_err);
	return error;
}

static int open_terminal(struct ends *e, const struct frame_open *open)
{
	struct winsize ws = { .ws_row = open->rows, .ws_col = open->cols };

	e->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->out < 0 || grantpt(e->out) < 0 || unlockpt(e->out) < 0)
		return errno;
	e->in = fcntl(e->out, F_DUPFD_CLOEXEC, 0);
	if (e->in < 0)
		return errno;
	ioctl(e->out, TIOCSWINSZ, &ws);
	return ptsname_r(e->out, e->tty, sizeof(e->tty));
}

static void add_streams(posix_spawn_file_actions_t *actions, const struct ends *e)
{
	if (!*e->tty) {
		posix_spawn_file_actions_adddup2(actions, e->child_in, STDIN_FILENO);
		posix_spawn_file_actions_adddup2(actions, e->child_out, STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(actions, e->child_err, STDERR_FILENO);
		return;
	}
	/* Opened by the leader of a session without a terminal, it becomes the session's. */
	posix_spawn_file_actions_addopen(actions, STDIN_FILENO, e->tty, O_RDWR, 0);
	posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
}

/* posix_spawn() doesn't copy the address space, and says why a program could not be executed. */
static int spawn(const char *file, char **argv, char **env, const char *folder, const struct ends *e, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, folder);
	add_streams(&actions, e);
	error = posix_spawnp(ret, file, &actions, &attr, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return error;
}

static bool has_variable(char *const *env, const char *assignment)
{
	size_t n = strcspn(assignment, "=") + 1;

	for (; *env; env++)
		if (strncmp(*env, assignment, n) == 0)
			return true;
	return false;
}

/* What every command gets unless the host says otherwise. */
static const char *const usual[] = {
	"HOME=/root",
	"USER=root",
	"LOGNAME=root",
	"PS1=\\h:\\w\\$ ",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	NULL,
};

struct command {
	const char *folder;
	const char *file;
	/* argv, NULL, environment, NULL. */
	char **argv, **env;
	struct options options;
	char shell_name[sizeof("-") + sizeof(((struct options *)0)->shell)];
};

static char *next_string(char *s)
{
	return s + strlen(s) + 1;
}

/* A command between its OPEN and its beginning. */
struct beginning {
	struct ends ends;
	struct command command;
	/* The command points into them. */
	char strings[];
};

static void choose_shell(struct command *c)
{
	const char *base;
	char cmdline[4096];

	if (read_text("/proc/cmdline", cmdline, sizeof(cmdline)) < 0)
		cmdline[0] = '\0';
	options_parse(cmdline, &c->options);
	base = strrchr(c->options.shell, '/');
	/* The dash makes it a login shell. */
	stpcpy(stpcpy(c->shell_name, "-"), base ? base + 1 : c->options.shell);
	c->argv[0] = c->shell_name;
	c->file = c->options.shell;
}

/* The strings stay the caller's. False: memory is out. */
static bool read_command(const struct frame_open *open, char *strings, struct command *ret)
{
	char *s = strings;
	/* A name of ours and two ends besides. */
	size_t n = (size_t)open->args_n + open->env_n + ARRAY_SIZE(usual) + 3, fill = 0;

	ret->argv = calloc(n, sizeof(*ret->argv));
	if (!ret->argv)
		return false;
	ret->folder = *s ? s : "/root";
	if (open->flags & KTB_OPEN_BUILTIN)
		ret->argv[fill++] = (char *)"ktb-agent";
	for (size_t i = 0; i < open->args_n; i++) {
		s = next_string(s);
		ret->argv[fill++] = s;
	}
	ret->file = open->flags & KTB_OPEN_BUILTIN ? "/proc/self/exe" : ret->argv[0];
	if (!fill) {
		choose_shell(ret);
		fill++;
	}
	ret->env = ret->argv + fill + 1;
	fill = 0;
	for (size_t i = 0; i < open->env_n; i++) {
		s = next_string(s);
		ret->env[fill++] = s;
	}
	for (size_t i = 0; usual[i]; i++)
		if (!has_variable(ret->env, usual[i]))
			ret->env[fill++] = (char *)usual[i];
	return true;
}

static void fail(struct session *s, int error, const char *what, const char *name)
{
	s->failure = error;
	snprintf(s->failed_at, sizeof(s->failed_at), "%s%s", what, name);
}

/* posix_spawn() would not say that it was the folder. */
static int check_folder(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* What can be known to fail before the command is there, fails now. */
static void prepare(struct session *s, const struct frame_open *open)
{
	struct beginning *b = s->beginning;
	int error = s->tty ? open_terminal(&b->ends, open) : open_pipes(&b->ends);

	if (error) {
		fail(s, error, s->tty ? "open a terminal" : "make pipes", "");
		return;
	}
	if (!read_command(open, b->strings, &b->command)) {
		fail(s, ENOMEM, "run", "");
		return;
	}
	error = check_folder(b->command.folder);
	if (error)
		fail(s, error, "enter folder ", b->command.folder);
}

static void drop_beginning(struct session *s)
{
	struct beginning *b = s->beginning;

	s->beginning = NULL;
	if (!b)
		return;
	close_fd(&b->ends.in);
	close_fd(&b->ends.out);
	close_fd(&b->ends.err);
	close_fd(&b->ends.child_in);
	close_fd(&b->ends.child_out);
	close_fd(&b->ends.child_err);
	free(b->command.argv);
	free(b);
}

static int own(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	if (stolen >= 0)
		fcntl(stolen, F_SETFL, fcntl(stolen, F_GETFL) | O_NONBLOCK);
	return stolen;
}

static struct beginning *create_beginning(const struct frame_open *open)
{
	struct beginning *b = calloc(1, sizeof(*b) + open->strings_len);

	if (!b)
		return NULL;
	b->ends = (struct ends){ -1, -1, -1, -1, -1, -1, "" };
	memcpy(b->strings, open->strings, open->strings_len);
	return b;
}

struct session *session_open(uint16_t channel, const struct frame_open *open)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->channel = channel;
	s->tty = open->flags & KTB_OPEN_TTY;
	s->in = s->out.fd = s->err.fd = -1;
	s->out.credit = open->out_credit;
	s->err.credit = open->err_credit;
	s->beginning = create_beginning(open);
	if (!s->beginning) {
		free(s);
		return NULL;
	}
	prepare(s, open);
	if (s->failure) {
		drop_beginning(s);
		return s;
	}
	s->in = own(&s->beginning->ends.in);
	s->out.fd = own(&s->beginning->ends.out);
	s->err.fd = own(&s->beginning->ends.err);
	s->in_credit = KTB_AGENT_WINDOW;
	s->opened_due = true;
	return s;
}

/* --- Ending --- */

static void close_streams(struct session *s)
{
	close_fd(&s->in);
	close_fd(&s->out.fd);
	close_fd(&s->err.fd);
}

bool session_begin(struct session *s)
{
	struct beginning *b = s->beginning;
	int error;

	if (!b || s->opened_due)
		return false;
	error = spawn(b->command.file, b->command.argv, b->command.env, b->command.folder, &b->ends, &s->pid);
	if (error) {
		fail(s, error, "run ", b->command.argv[0]);
		s->pid = 0;
		close_streams(s);
	}
	drop_beginning(s);
	return true;
}

void session_hang_up(struct session *s)
{
	close_streams(s);
	drop_beginning(s);
	s->closed_due = true;
	if (s->pid <= 0 || s->kill_at_ms)
		return;
	/* One that is stopped must run to hear of it. */
	kill(-s->pid, SIGHUP);
	kill(-s->pid, SIGCONT);
	s->kill_at_ms = now_ms() + HANG_UP_MS;
}

void session_destroy(struct session *s)
{
	close_streams(s);
	drop_beginning(s);
	free(s);
}

void session_reaped(struct session *s, int status)
{
	s->pid = 0;
	s->status = status;
	/* All that it wrote is there to be read now; what others of its group may still write is not waited for. */
	s->out.ready = s->err.ready = true;
	close_fd(&s->in);
	s->in_fill = 0;
}

bool session_is_over(const struct session *s)
{
	return !s->channel && s->pid <= 0;
}

/* --- From the host --- */

static bool take_data(struct session *s, const struct frame *f)
{
	size_t at, n;

	if (f->length > s->in_credit)
		return false;
	s->in_credit -= f->length;
	/* A command that has closed its standard input gets no more, and the host no more credit. */
	if (s->in < 0)
		return true;
	at = (s->in_start + s->in_fill) % sizeof(s->ring);
	n = sizeof(s->ring) - at < f->length ? sizeof(s->ring) - at : f->length;
	memcpy(s->ring + at, f->payload, n);
	memcpy(s->ring, f->payload + n, f->length - n);
	s->in_fill += f->length;
	return true;
}

static bool take_credit(struct session *s, const struct frame *f)
{
	struct frame_credit credit;
	struct outlet *o;

	if (!frame_get_credit(f, &credit))
		return false;
	o = credit.stream == KTB_STDERR ? &s->err : &s->out;
	if (credit.bytes > UINT32_MAX - o->credit)
		return false;
	o->credit += credit.bytes;
	return true;
}

/* A terminal has no end of its input; but what stands for it when it is typed does as well. */
static void end_input(struct session *s)
{
	static const uint8_t end = 4;

	s->in_eof = true;
	if (s->tty && s->in >= 0 && s->in_fill < sizeof(s->ring)) {
		s->ring[(s->in_start + s->in_fill) % sizeof(s->ring)] = end;
		s->in_fill++;
	} else if (!s->in_fill) {
		close_fd(&s->in);
	}
}

static void resize(const struct session *s, const struct frame *f)
{
	struct frame_winsize size;
	struct winsize ws = { 0 };

	if (!s->tty || s->out.fd < 0 || !frame_get_winsize(f, &size))
		return;
	ws.ws_row = size.rows;
	ws.ws_col = size.cols;
	ioctl(s->out.fd, TIOCSWINSZ, &ws);
}

bool session_take(struct session *s, const struct frame *f)
{
	uint32_t number;

	switch (f->type) {
	case KTB_AGENT_DATA:
		return take_data(s, f);
	case KTB_AGENT_EOF:
		end_input(s);
		return true;
	case KTB_AGENT_CREDIT:
		return take_credit(s, f);
	case KTB_AGENT_SIGNAL:
		if (frame_get_number(f, &number) && number > 0 && number < NSIG && s->pid > 0)
			kill(-s->pid, (int)number);
		return true;
	case KTB_AGENT_WINSIZE:
		resize(s, f);
		return true;
	case KTB_AGENT_PING:
		s->pong_due = true;
		return true;
	case KTB_AGENT_CLOSE:
		return false;
	default:
		return true;
	}
}

/* --- The streams --- */

void session_poll(const struct session *s, bool may_send, struct pollfd fds[static SESSION_POLLFDS])
{
	const struct outlet *outlets[] = { &s->out, &s->err };

	fds[0] = (struct pollfd){ .fd = s->in_fill ? s->in : -1, .events = POLLOUT };
	for (size_t i = 0; i < ARRAY_SIZE(outlets); i++) {
		const struct outlet *o = outlets[i];

		fds[1 + i] = (struct pollfd){
			.fd = o->credit && may_send && !o->ready && !s->beginning ? o->fd : -1,
			.events = POLLIN,
		};
	}
}

static void write_input(struct session *s)
{
	while (s->in_fill && s->in >= 0) {
		size_t n = sizeof(s->ring) - s->in_start < s->in_fill ? sizeof(s->ring) - s->in_start : s->in_fill;
		ssize_t written = write(s->in, s->ring + s->in_start, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			break;
		if (written < 0) {
			s->in_fill = 0;
			close_fd(&s->in);
			break;
		}
		s->in_start = (s->in_start + (size_t)written) % sizeof(s->ring);
		s->in_fill -= (size_t)written;
		s->in_return += (uint32_t)written;
	}
	if (s->in_eof && !s->in_fill && !s->tty)
		close_fd(&s->in);
}

void session_polled(struct session *s, const struct pollfd fds[static SESSION_POLLFDS])
{
	if (fds[0].fd >= 0 && fds[0].revents)
		write_input(s);
	s->out.ready |= fds[1].fd >= 0 && fds[1].revents;
	s->err.ready |= fds[2].fd >= 0 && fds[2].revents;
}

/* --- To the host --- */

static size_t next_data(struct session *s, struct outlet *o, enum ktb_agent_frame type, uint8_t *buf)
{
	size_t room = o->credit < KTB_AGENT_DATA_MAX ? o->credit : KTB_AGENT_DATA_MAX;
	ssize_t n;

	if (o->fd < 0 || !o->ready || !room)
		return 0;
	do
		n = read(o->fd, buf + KTB_FRAME_HEADER, room);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		o->credit -= (uint32_t)n;
		frame_put_header(buf, (uint32_t)n, (uint16_t)type, s->channel);
		return KTB_FRAME_HEADER + (size_t)n;
	}
	o->ready = false;
	/* EIO: nobody has the terminal open any more. And of a command that has ended nothing more is awaited. */
	if (n == 0 || errno != EAGAIN || s->pid <= 0)
		close_fd(&o->fd);
	return 0;
}

static size_t put_end(struct session *s, uint8_t *buf)
{
	struct frame_end end = { 0 };
	size_t text = 0;

	if (s->closed_due) {
		end.how = KTB_END_CLOSED;
	} else if (s->failure) {
		end.how = KTB_END_FAILED;
		end.value = (uint32_t)s->failure;
		text = strlen(s->failed_at);
	} else if (WIFSIGNALED(s->status)) {
		end.how = KTB_END_SIGNALLED;
		end.value = (uint32_t)WTERMSIG(s->status);
	} else {
		end.how = KTB_END_EXITED;
		end.value = (uint32_t)WEXITSTATUS(s->status);
	}
	frame_put_end(buf, s->channel, &end);
	frame_put_header(buf, (uint32_t)(8 + text), KTB_AGENT_END, s->channel);
	memcpy(buf + KTB_FRAME_HEADER + 8, s->failed_at, text);
	s->channel = 0;
	return KTB_FRAME_HEADER + 8 + text;
}

static size_t next_control(struct session *s, uint8_t *buf)
{
	struct frame_credit credit = { .stream = KTB_STDIN, .bytes = s->in_return };

	if (s->opened_due) {
		s->opened_due = false;
		return frame_put_number(buf, KTB_AGENT_OPENED, s->channel, s->in_credit);
	}
	if (s->pong_due) {
		s->pong_due = false;
		return frame_put_plain(buf, KTB_AGENT_PONG, s->channel);
	}
	/* Not for each small piece. */
	if (s->in_return >= sizeof(s->ring) / 4 || (s->in_return && !s->in_fill)) {
		s->in_credit += s->in_return;
		s->in_return = 0;
		return frame_put_credit(buf, s->channel, &credit);
	}
	return 0;
}

size_t session_next_frame(struct session *s, uint8_t buf[static SESSION_FRAME_MAX])
{
	size_t n;

	if (!s->channel)
		return 0;
	if (s->closed_due)
		return put_end(s, buf);
	n = next_control(s, buf);
	if (!n)
		n = next_data(s, &s->err, KTB_AGENT_ERROR_DATA, buf);
	if (!n)
		n = next_data(s, &s->out, KTB_AGENT_DATA, buf);
	if (!n && s->pid <= 0 && s->out.fd < 0 && s->err.fd < 0)
		n = put_end(s, buf);
	return n;
}
