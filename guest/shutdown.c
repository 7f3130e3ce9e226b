#include "shutdown.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "util.h"

enum {
	TERM_WAIT_MS = 1000,
	KILL_WAIT_MS = 1000,
	FLUSH_WAIT_MS = 5000,
};

/* Reaps what has ended. True if no child is left, and with it no process at all: orphans become children of init. */
static bool all_gone(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0 || (pid < 0 && errno == EINTR));
	return pid < 0;
}

static bool wait_until_gone(int ms)
{
	int64_t end = now_ms() + ms;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (!all_gone()) {
		int64_t left = end - now_ms();
		struct timespec ts = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		if (left <= 0)
			return false;
		sigtimedwait(&set, NULL, &ts);
	}
	return true;
}

/* An interactive shell ignores SIGTERM, but not that its terminal hangs up; a stopped job must run to hear of it. */
static void end_processes(pid_t shell)
{
	if (all_gone())
		return;
	kill(-1, SIGTERM);
	if (shell > 0)
		kill(shell, SIGHUP);
	kill(-1, SIGCONT);
	if (wait_until_gone(TERM_WAIT_MS))
		return;
	kill(-1, SIGKILL);
	if (!wait_until_gone(KILL_WAIT_MS))
		say("some processes can't be killed");
}

/* In a child, since both can take for ever: a file system that is being debugged, a terminal that no one reads. */
static void flush(int tty)
{
	pid_t pid = fork();

	if (pid == 0) {
		sync();
		/* So that a disk is left clean. */
		mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
		if (tty >= 0) {
			tcflow(tty, TCOON);
			tcdrain(tty);
		}
		_exit(0);
	}
	if (pid < 0)
		sync();
	else if (!wait_until_gone(FLUSH_WAIT_MS))
		say("not all data could be written back");
}

static int command(enum ending how)
{
	switch (how) {
	case ENDING_REBOOT:
		return RB_AUTOBOOT;
	case ENDING_HALT:
		return RB_HALT_SYSTEM;
	case ENDING_NONE:
	case ENDING_POWEROFF:
		break;
	}
	return RB_POWER_OFF;
}

_Noreturn void shut_down(enum ending how, pid_t shell, int tty)
{
	end_processes(shell);
	flush(tty);
	reboot(command(how));
	say("the kernel doesn't shut down: %m");
	for (;;)
		pause();
}
