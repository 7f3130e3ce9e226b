/*
 * Raw mode outlives whoever set it. Restoring it at every return is not enough: this program may be killed by signals
 * that no one can catch. So a child, the guard, holds the old mode and one end of a pipe; when the other end closes
 * before it was told that all is well, it restores the mode. It is in a process group of its own, so that what is
 * typed or sent to ours doesn't reach it, and ignores SIGTTOU, so that it may change the terminal from there.
 */
#include "vm/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/log.h"
#include "base/process.h"
#include "base/util.h"

struct terminal {
	int in, out;
	bool in_own, out_own; /* opened by us */
	bool in_tty, out_tty;
	bool raw;
	struct termios saved;
	struct process guard;
	int guard_fd; /* our end of its pipe */
};

struct err *terminal_reopen(int fd, int flags, bool *ret_own, int *ret)
{
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct stat st;
	int own = -1;

	if (fstat(fd, &st) < 0)
		return err_os(errno, "standard %s",
			      fd == STDIN_FILENO    ? "input"
			      : fd == STDOUT_FILENO ? "output"
						    : "error");
	/* A regular file would begin at its start again; it never blocks anyway. */
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		own = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	*ret_own = own >= 0;
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return err_os(errno, "copy a descriptor");
	*ret = own;
	return NULL;
}

struct err *terminal_create(struct terminal **ret)
{
	_cleanup_(terminal_destroy) struct terminal *t = xcalloc(1, sizeof(*t));

	t->in = t->out = t->guard_fd = -1;
	t->guard = (struct process)PROCESS_INIT;
	TRY(terminal_reopen(STDIN_FILENO, O_RDONLY, &t->in_own, &t->in));
	TRY(terminal_reopen(STDOUT_FILENO, O_WRONLY, &t->out_own, &t->out));
	t->in_tty = isatty(t->in);
	t->out_tty = isatty(t->out);
	*ret = steal(&t);
	return NULL;
}

static __attribute__((noreturn)) void run_guard(const struct terminal *t, int pipe_fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	char byte;
	ssize_t n;

	setpgid(0, 0);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &ignore, NULL);
	do
		n = read(pipe_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		tcsetattr(t->in, TCSADRAIN, &t->saved);
	_exit(0);
}

static struct err *start_guard(struct terminal *t)
{
	int read_fd, write_fd;
	struct err *e;
	bool child;

	TRY(process_pipe(&read_fd, &write_fd));
	e = process_fork(false, &t->guard, &child);
	if (!e && child) {
		close(write_fd);
		/* All else that we inherited would keep others waiting for its end. */
		process_keep_only((const int[]){ read_fd, t->in }, 2);
		run_guard(t, read_fd);
	}
	close(read_fd);
	if (e)
		close(write_fd);
	else
		t->guard_fd = write_fd;
	return e;
}

struct err *terminal_raw(struct terminal *t)
{
	struct termios mode;

	if (!t->in_tty || t->raw)
		return NULL;
	if (tcgetattr(t->in, &t->saved) < 0)
		return err_os(errno, "read the terminal's mode");
	if (t->guard_fd < 0)
		TRY(start_guard(t));
	mode = t->saved;
	cfmakeraw(&mode);
	if (tcsetattr(t->in, TCSADRAIN, &mode) < 0)
		return err_os(errno, "set the terminal to raw mode");
	t->raw = true;
	log_set_raw_terminal(true);
	return NULL;
}

void terminal_restore(struct terminal *t)
{
	if (!t->raw)
		return;
	tcsetattr(t->in, TCSADRAIN, &t->saved);
	t->raw = false;
	log_set_raw_terminal(false);
}

void terminal_destroy(struct terminal *t)
{
	int status;

	if (!t)
		return;
	terminal_restore(t);
	if (t->guard_fd >= 0) {
		(void)!write(t->guard_fd, "k", 1);
		close(t->guard_fd);
		err_ignore(process_wait(&t->guard, &status));
	}
	if (t->in >= 0)
		close(t->in);
	if (t->out >= 0)
		close(t->out);
	free(t);
}

int terminal_input(const struct terminal *t)
{
	return t->in;
}

int terminal_output(const struct terminal *t)
{
	return t->out;
}

bool terminal_is_interactive(const struct terminal *t)
{
	return t->in_tty && t->out_tty;
}

bool terminal_output_is_own(const struct terminal *t)
{
	return t->out_own;
}

bool terminal_input_is_own(const struct terminal *t)
{
	return t->in_own;
}

bool terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws;

	if (ioctl(t->out_tty ? t->out : t->in, TIOCGWINSZ, &ws) < 0 || !ws.ws_row || !ws.ws_col)
		return false;
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
	return true;
}
