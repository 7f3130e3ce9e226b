/* For clone(); the build may have defined it already. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "util.h"

/* O_NONBLOCK for the opening alone: a serial line must not wait for a carrier. */
static int open_tty(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/*
 * The terminal behind /dev/console: the last one in the list of active consoles. /dev/console itself would do, but
 * then ps and tty would show no name for it.
 */
static int open_behind_console(void)
{
	char active[256], path[sizeof("/dev/") + sizeof(active)];
	const char *name;

	if (read_text("/sys/class/tty/console/active", active, sizeof(active)) <= 0)
		return -1;
	name = strrchr(active, ' ');
	name = name ? name + 1 : active;
	/* Not snprintf(): on the way to the shell, code that never ran before costs a millisecond under emulation. */
	stpcpy(stpcpy(path, "/dev/"), name);
	return open_tty(path);
}

int console_open(const struct options *o)
{
	struct termios t;
	int tty;

	tty = open_behind_console();
	if (tty < 0)
		tty = open_tty("/dev/console");
	if (tty < 0)
		return -1;

	/* Without it, erasing a character in line mode erases a byte. */
	if (tcgetattr(tty, &t) == 0 && !(t.c_iflag & IUTF8)) {
		t.c_iflag |= IUTF8;
		tcsetattr(tty, TCSANOW, &t);
	}
	if (o->rows && o->cols)
		console_resize(tty, o->rows, o->cols);
	return tty;
}

void console_resize(int tty, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	if (tty >= 0)
		ioctl(tty, TIOCSWINSZ, &ws);
}

struct shell {
	int tty;
	const struct options *options;
};

static void enter_home(void)
{
	if (chdir("/root") < 0 && (mkdir("/root", 0700) < 0 || chdir("/root") < 0))
		say("can't enter /root: %m");
}

/* In the background still, and therefore with SIGTTOU blocked. */
static void take_foreground(int tty)
{
	setpgid(0, 0);
	tcsetpgrp(tty, getpid());
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(tty, fd);
}

static void execute(const struct options *o)
{
	char term[sizeof("TERM=") + sizeof(o->term)], path[sizeof("SHELL=") + sizeof(o->shell)];
	char name[sizeof("-") + sizeof(o->shell)];
	const char *base = strrchr(o->shell, '/');
	const char *const env[] = {
		"HOME=/root",
		"USER=root",
		"LOGNAME=root",
		"PS1=\\h:\\w\\$ ",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		term,
		path,
		NULL,
	};

	stpcpy(stpcpy(term, "TERM="), o->term);
	stpcpy(stpcpy(path, "SHELL="), o->shell);
	/* The dash makes it a login shell. */
	stpcpy(stpcpy(name, "-"), base ? base + 1 : o->shell);
	execve(o->shell, (char *const[]){ name, NULL }, (char *const *)env);
}

/* In the child, and in the parent's memory: becomes the shell, or ends. */
static int run_shell(void *arg)
{
	const struct shell *shell = arg;
	sigset_t none;

	take_foreground(shell->tty);
	enter_home();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execute(shell->options);
	say("can't run the shell %s: %m", shell->options->shell);
	_exit(127);
}

/*
 * init itself leads the session, and the shell is a job in it. For when the leader of a session ends, the kernel hangs
 * up its terminal, and that throws away what the terminal has not sent yet: the last words of a shell that is in a
 * hurry, and the message that there is none.
 */
static void lead_session(int tty)
{
	setsid();
	if (ioctl(tty, TIOCSCTTY, 1) < 0)
		say("the shell gets no controlling terminal: %m");
}

/*
 * Not with fork(): copying init's address space, and all the page faults that follow from it in both processes, cost
 * 30 ms under emulation. Here the child borrows the parent's memory, and the parent waits, until the shell is executed.
 */
pid_t console_start_shell(int tty, const struct options *o)
{
	static _Alignas(16) char stack[64 * 1024];
	struct shell shell = { .tty = tty, .options = o };
	pid_t pid;

	lead_session(tty);
	pid = clone(run_shell, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &shell);
	if (pid < 0)
		say("can't start the shell: %m");
	return pid;
}
