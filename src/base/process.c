#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/util.h"

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Asks the kernel to end us with our parent. The parent may have died before we asked: then nobody will. */
static void follow_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

struct err *process_fork(bool die_with_parent, struct process *p, bool *ret_child)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_os(errno, "fork");
	if (pid == 0) {
		reset_signals();
		if (die_with_parent)
			follow_parent(parent);
		*p = (struct process)PROCESS_INIT;
		*ret_child = true;
		return NULL;
	}
	*p = (struct process){ pid, open_pidfd(pid) };
	*ret_child = false;
	/* ENOSYS: valgrind doesn't know the call. All but waiting with a timeout works without. */
	if (p->pidfd < 0 && errno != ENOSYS) {
		int error = errno;

		process_deinit(p);
		return err_os(error, "watch process %d", (int)pid);
	}
	return NULL;
}

void process_keep_only(const int *fds, size_t n)
{
	for (int next = 0;;) {
		int keep = -1;

		for (size_t i = 0; i < n; i++) {
			if (fds[i] >= next && (keep < 0 || fds[i] < keep))
				keep = fds[i];
		}
		if (keep != next)
			close_range((unsigned int)next, keep < 0 ? ~0U : (unsigned int)keep - 1, 0);
		if (keep < 0)
			return;
		next = keep + 1;
	}
}

void process_keep_inherited_private(void)
{
	_cleanup_(closedir) DIR *dir = NULL;

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	/* Linux before 5.11, or valgrind. */
	dir = opendir("/proc/self/fd");
	for (struct dirent *d; dir && (d = readdir(dir));) {
		uint64_t fd = 0;

		err_ignore(parse_u64(d->d_name, INT_MAX, &fd));
		if (fd > STDERR_FILENO)
			fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
}

static void change_environment(const char *const *env)
{
	for (; env && *env; env++) {
		if (strchr(*env, '='))
			putenv((char *)*env);
		else
			unsetenv(*env);
	}
}

/* Moves a descriptor out of the way of 0, 1 and 2. None (-1) stays none. */
static bool lift_fd(int *fd)
{
	if (*fd < 0)
		return true;
	*fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	return *fd >= 0;
}

/* Puts fd to number `to`, without close-on-exec. */
static bool place_fd(int fd, int to)
{
	return fd < 0 || dup2(fd, to) >= 0;
}

static __attribute__((noreturn)) void run_child(const struct process_options *o, const char *program, int report)
{
	int in = o->stdin_fd, out = o->stdout_fd, err = o->stderr_fd;
	int error;

	if (o->new_session) {
		setsid();
		if (in < 0 && (in = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
			goto failed;
	} else if (o->new_group) {
		setpgid(0, 0);
	}
	if (!lift_fd(&report) || !lift_fd(&in) || !lift_fd(&out) || !lift_fd(&err))
		goto failed;
	if (!place_fd(in, STDIN_FILENO) || !place_fd(out, STDOUT_FILENO) || !place_fd(err, STDERR_FILENO))
		goto failed;
	for (size_t i = 0; i < o->keep_fds_n; i++) {
		if (fcntl(o->keep_fds[i], F_SETFD, 0) < 0)
			goto failed;
	}
	if (o->cwd && chdir(o->cwd) < 0)
		goto failed;
	change_environment(o->env);
	execv(program, (char *const *)o->argv);
failed:
	error = errno;
	(void)!write(report, &error, sizeof(error));
	_exit(127);
}

struct err *process_spawn(const struct process_options *o, struct process *ret)
{
	_cleanup_(free) char *program = find_program(o->argv[0]);
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(close) int report_read = -1, report_write = -1;
	int pipefd[2], error = 0;
	bool child;
	ssize_t n;

	if (!program)
		return err_create(ERR_PREREQ, "%s is not installed (not found on PATH)", o->argv[0]);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_os(errno, "make a pipe");
	report_read = pipefd[0];
	report_write = pipefd[1];
	TRY(process_fork(o->die_with_parent, &p, &child));
	if (child)
		run_child(o, program, report_write);
	close(steal_fd(&report_write));
	do
		n = read(report_read, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(error))
		return err_os(error, "start %s", o->argv[0]);
	*ret = p;
	p = (struct process)PROCESS_INIT;
	return NULL;
}

void process_forget(struct process *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	*p = (struct process)PROCESS_INIT;
}

/* Whether the pidfd tells of the end within timeout_ms. */
static bool poll_end(int pidfd, int timeout_ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	uint64_t deadline = now_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	int n;

	do {
		uint64_t now = now_ns();
		int left = now < deadline ? (int)((deadline - now) / NSEC_PER_MSEC) + 1 : 0;

		n = poll(&pfd, 1, left);
	} while (n < 0 && errno == EINTR);
	return n != 0;
}

bool process_ends_within(pid_t pid, int timeout_ms)
{
	_cleanup_(close) int pidfd = open_pidfd(pid);

	return pidfd < 0 ? errno == ESRCH : poll_end(pidfd, timeout_ms);
}

struct err *process_wait_timeout(struct process *p, int timeout_ms, int *ret_status)
{
	int status;

	if (timeout_ms >= 0 && !poll_end(p->pidfd, timeout_ms))
		return err_create(ERR_TIMEOUT, "process %d did not end within %d ms", (int)p->pid, timeout_ms);
	while (waitpid(p->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_os(errno, "wait for process %d", (int)p->pid);
	}
	process_forget(p);
	*ret_status = status;
	return NULL;
}

struct err *process_wait(struct process *p, int *ret_status)
{
	return process_wait_timeout(p, -1, ret_status);
}

void process_kill(const struct process *p, int signal_number)
{
	if (p->pid > 0)
		kill(p->pid, signal_number);
}

void process_deinit(struct process *p)
{
	int status;

	if (p->pid <= 0)
		return;
	process_kill(p, SIGKILL);
	err_ignore(process_wait(p, &status));
}

char *process_describe_status(int status)
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		return name ? xasprintf("killed by SIG%s", name) : xasprintf("killed by signal %d", WTERMSIG(status));
	}
	return xasprintf("exit status %d", WEXITSTATUS(status));
}

enum { RUN_OUTPUT_MAX = 64 << 20, RUN_STDERR_MAX = 1 << 20 };

/* Reads what the child says on both pipes until both are closed; neither can fill up while we wait for the other. */
static struct err *collect(int out_fd, int err_fd, struct buf *out, struct buf *err)
{
	struct pollfd pfds[2] = { { .fd = out_fd, .events = POLLIN }, { .fd = err_fd, .events = POLLIN } };
	struct buf *bufs[2] = { out, err };
	const size_t max[2] = { RUN_OUTPUT_MAX, RUN_STDERR_MAX };

	while (pfds[0].fd >= 0 || pfds[1].fd >= 0) {
		if (poll(pfds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_os(errno, "poll");
		}
		for (int i = 0; i < 2; i++) {
			char *to;
			ssize_t n;

			if (pfds[i].fd < 0 || !pfds[i].revents)
				continue;
			to = buf_reserve(bufs[i], 65536);
			n = read(pfds[i].fd, to, 65536);
			if (n <= 0) {
				pfds[i].fd = -1;
				continue;
			}
			buf_commit(bufs[i], (size_t)n);
			if (bufs[i]->len > max[i])
				return err_create(ERR_BAD_DATA, "it printed more than %zu bytes", max[i]);
		}
	}
	return NULL;
}

struct err *process_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_os(errno, "make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return NULL;
}

struct err *process_run(const char *const *argv, const char *cwd, const char *const *env, struct buf *out)
{
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(buf_deinit) struct buf own_out = BUF_INIT, messages = BUF_INIT;
	_cleanup_(close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_(close) int out_read = -1, out_write = -1, err_read = -1, err_write = -1;
	_cleanup_(free) char *how = NULL;
	int status;
	struct process_options o = PROCESS_OPTIONS_INIT;

	TRY(process_pipe(&out_read, &out_write));
	TRY(process_pipe(&err_read, &err_write));
	o.argv = argv;
	o.cwd = cwd;
	o.env = env;
	o.stdin_fd = null_fd;
	o.stdout_fd = out_write;
	o.stderr_fd = err_write;
	o.die_with_parent = true;
	TRY(process_spawn(&o, &p));
	close(steal_fd(&out_write));
	close(steal_fd(&err_write));
	TRY(err_wrap(collect(out_read, err_read, out ? out : &own_out, &messages), "run %s", argv[0]));
	TRY(process_wait(&p, &status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	how = process_describe_status(status);
	return err_create(ERR_OS, "%s failed (%s)%s%s", argv[0], how, messages.len ? ":\n" : "",
			  messages.len ? strip(messages.data) : "");
}
