/*
 * PID 1 of the default guest: a static program that makes a booted kernel usable, and then stays out of the way.
 *
 * Theory of operation
 *
 * What the shell needs comes first: proc, sys, dev, the console's terminal, the other file systems. Then the shell is
 * started, and everything that can come later comes later: the network (a child of its own asks for an address) and
 * the control port. From there on init waits, in one loop, for three things: signals (children to reap; poweroff,
 * reboot and halt, which busybox sends as signals), and the control port.
 *
 * All signals of interest are blocked from the start and read from a signalfd. A kernel without epoll or signalfd has
 * no control port, but everything else: then init waits for the signals themselves.
 *
 * When the shell ends, so does the VM. init itself never exits, since the kernel panics then; without a console there
 * is no shell, and the VM goes on until the host or a signal ends it.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "agent.h"
#include "console.h"
#include "control.h"
#include "modules.h"
#include "mounts.h"
#include "net.h"
#include "options.h"
#include "root.h"
#include "shutdown.h"
#include "util.h"

enum { EVENT_SIGNAL = CONTROL_EVENT_END };

enum { LATER_NICE = 19 };

static struct options read_options(void)
{
	struct options o;
	char cmdline[4096];

	if (read_text("/proc/cmdline", cmdline, sizeof(cmdline)) < 0)
		cmdline[0] = '\0';
	options_parse(cmdline, &o);
	return o;
}

/* SIGTTOU only to be blocked: init may always write to its terminal and wait for it, though the shell has it. */
static sigset_t block_signals(void)
{
	static const int signals[] = { SIGCHLD, SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGTTOU };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

/* True if the shell was among those that ended. */
static bool reap(pid_t shell, struct control *control)
{
	bool shell_ended = false;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		if (pid == shell)
			shell_ended = true;
		else if (control)
			control_reaped(control, pid);
	}
	return shell_ended;
}

/*
 * The signals are those of busybox's poweroff, reboot and halt, and SIGINT for Ctrl-Alt-Del. control is NULL where there
 * is no control port.
 */
static enum ending handle_signal(int sig, pid_t *shell, struct control *control)
{
	switch (sig) {
	case SIGCHLD:
		if (!reap(*shell, control))
			return ENDING_NONE;
		*shell = 0;
		return ENDING_POWEROFF;
	case SIGUSR2:
		return ENDING_POWEROFF;
	case SIGTERM:
	case SIGINT:
		return ENDING_REBOOT;
	case SIGUSR1:
		return ENDING_HALT;
	default:
		return ENDING_NONE;
	}
}

static enum ending read_signal(int fd, pid_t *shell, struct control *control)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return ENDING_NONE;
	return handle_signal((int)si.ssi_signo, shell, control);
}

static enum ending wait_for_signals(const sigset_t *set, pid_t *shell)
{
	enum ending ending;

	do
		ending = handle_signal(sigwaitinfo(set, NULL), shell, NULL);
	while (ending == ENDING_NONE);
	return ending;
}

/* Serves signals and the control port until the VM is to end. */
static enum ending serve(int epoll, int signals, struct control *control, pid_t *shell)
{
	enum ending ending = ENDING_NONE;

	while (ending == ENDING_NONE) {
		struct epoll_event events[4];
		int n = epoll_wait(epoll, events, ARRAY_SIZE(events), control_timeout(control));

		if (n == 0)
			control_search(control);
		for (int i = 0; i < n && ending == ENDING_NONE; i++) {
			uint32_t what = events[i].data.u32;

			if (what == EVENT_SIGNAL)
				ending = read_signal(signals, shell, control);
			else
				ending = control_handle(control, (enum control_event)what, events[i].events);
		}
	}
	return ending;
}

static enum ending run(const sigset_t *set, int tty, pid_t *shell)
{
	static struct control control;
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = EVENT_SIGNAL };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (epoll < 0 || signals < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &ev) < 0) {
		say("no control port, since the kernel lacks EPOLL or SIGNALFD: %m");
		setpriority(PRIO_PROCESS, 0, 0);
		return wait_for_signals(set, shell);
	}
	control_init(&control, epoll, tty);
	setpriority(PRIO_PROCESS, 0, 0);
	return serve(epoll, signals, &control, shell);
}

int main(int argc, char **argv)
{
	struct options options;
	enum ending ending;
	sigset_t signals;
	pid_t shell = 0;
	int tty;

	if (getpid() != 1 && argc > 1)
		return agent_main(argv + 1, (size_t)argc - 1);
	/* Started by hand it would mount over the file systems of a running machine. */
	if (getpid() != 1) {
		fputs("init: not started by the kernel (this is not process 1)\n", stderr);
		return 1;
	}
	signals = block_signals();
	/* Ctrl-Alt-Del becomes a SIGINT. */
	reboot(RB_DISABLE_CAD);
	mount_first();
	options = read_options();
	modules_load();
	if (options.root[0] && !root_enter(&options))
		options.init[0] = '\0';
	if (options.init[0]) {
		root_mount_shares(&options);
		root_run_init(&options);
	}
	sethostname("debugvm", strlen("debugvm"));
	mount_rest();
	if (!options.init[0])
		root_mount_shares(&options);

	tty = console_open(&options);
	if (tty < 0)
		say("no console, and therefore no shell");
	else if ((shell = console_start_shell(tty, &options)) < 0)
		shut_down(ENDING_POWEROFF, 0, tty);
	/* All that follows must not take the CPU from the shell that is starting: 40 ms where there is only one. */
	setpriority(PRIO_PROCESS, 0, LATER_NICE);
	mount_late();
	net_start();

	ending = run(&signals, tty, &shell);
	shut_down(ending, shell, tty);
}
