/*
 * Child processes: their descriptors, environment and signals, and that none is left behind.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/util.h"

static void assert_fails(struct err *e, enum err_code code, const char *text)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	if (!strstr(err_message(e), text))
		fail_msg("'%s' doesn't say '%s'", err_message(e), text);
	err_destroy(e);
}

static struct err *shell(const char *script, const char *cwd, const char *const *env, struct buf *out)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	return process_run(argv, cwd, env, out);
}

static void assert_output(const char *script, const char *cwd, const char *const *env, const char *expected)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;

	assert_null(shell(script, cwd, env, &out));
	assert_string_equal(buf_str(&out), expected);
}

static void runs_and_collects(void **state)
{
	static const char *const env[] = { "KTB_SET=a b", "KTB_UNSET", NULL };

	(void)state;
	setenv("KTB_UNSET", "x", 1);
	assert_output("echo hello; echo oops >&2", NULL, NULL, "hello\n");
	assert_output("pwd", "/", NULL, "/\n");
	assert_output("echo $KTB_SET-${KTB_UNSET-none}", NULL, env, "a b-none\n");
	assert_output("echo $KTB_UNSET", NULL, NULL, "x\n");
	assert_output("cat; echo end", NULL, NULL, "end\n");
	assert_null(shell("echo not collected", NULL, NULL, NULL));
}

static void tells_how_it_failed(void **state)
{
	static const char *const missing[] = { "ktb-no-such-program", NULL };

	(void)state;
	assert_fails(shell("echo why >&2; exit 7", NULL, NULL, NULL), ERR_OS, "sh failed (exit status 7):\nwhy");
	assert_fails(shell("kill -9 $$", NULL, NULL, NULL), ERR_OS, "killed by SIGKILL");
	assert_fails(shell("exit 0", "/nonexistent", NULL, NULL), ERR_OS, "No such file or directory");
	assert_fails(process_run(missing, NULL, NULL, NULL), ERR_PREREQ, "ktb-no-such-program is not installed");
}

static void both_pipes_may_be_full(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;

	(void)state;
	assert_null(shell("dd if=/dev/zero bs=1024 count=300 >&2 2>/dev/null; dd if=/dev/zero bs=1024 count=300", NULL,
			  NULL, &out));
	assert_int_equal(out.len, 300 * 1024);
}

static void output_has_a_bound(void **state)
{
	(void)state;
	assert_fails(shell("dd if=/dev/zero bs=65536 count=64 >&2", NULL, NULL, NULL), ERR_BAD_DATA, "more than");
}

static void not_a_program(void **state)
{
	char path[] = "/tmp/ktb-test-process.XXXXXX";
	const char *argv[] = { path, NULL };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	assert_int_equal(write(fd, "\1\2\3\4", 4), 4);
	close(fd);
	assert_fails(process_run(argv, NULL, NULL, NULL), ERR_OS, "Exec format error");
	unlink(path);
}

/* Starts a shell with its output in a pipe; returns the reading end. */
static int spawn(const char *script, struct process_options *o, struct process *ret)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	int pipefd[2];

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	o->argv = argv;
	o->stdout_fd = pipefd[1];
	assert_null(process_spawn(o, ret));
	close(pipefd[1]);
	return pipefd[0];
}

static void read_all(int fd, struct buf *b)
{
	assert_null(read_fd(fd, "pipe", 1 << 20, b));
	close(fd);
}

static void has_the_descriptors_it_is_given(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct process_options o = PROCESS_OPTIONS_INIT;
	struct process p = PROCESS_INIT;
	int kept = open("/dev/null", O_RDWR | O_CLOEXEC), closed = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_(free) char *script = NULL;
	int status;

	(void)state;
	script = xasprintf("[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ] && echo yes", kept, closed);
	o.keep_fds = &kept;
	o.keep_fds_n = 1;
	read_all(spawn(script, &o, &p), &out);
	assert_null(process_wait(&p, &status));
	assert_int_equal(status, 0);
	assert_int_equal(p.pid, 0);
	assert_int_equal(p.pidfd, -1);
	assert_string_equal(buf_str(&out), "yes\n");
	/* Ours keeps its flag. */
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	close(kept);
	close(closed);
}

static void a_descriptor_that_is_none_is_an_error(void **state)
{
	struct process_options o = PROCESS_OPTIONS_INIT;
	const char *argv[] = { "true", NULL };
	struct process p = PROCESS_INIT;
	int bad = 999;

	(void)state;
	o.argv = argv;
	o.stdin_fd = bad;
	assert_fails(process_spawn(&o, &p), ERR_OS, "Bad file descriptor");
	o.stdin_fd = -1;
	o.keep_fds = &bad;
	o.keep_fds_n = 1;
	assert_fails(process_spawn(&o, &p), ERR_OS, "Bad file descriptor");
	assert_int_equal(p.pid, 0);
}

static void swaps_descriptors(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct process_options o = PROCESS_OPTIONS_INIT;
	struct process p = PROCESS_INIT;
	int pipefd[2], status;

	/* What becomes 2 is at 1 here, and the other way round. */
	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	const char *argv[] = { "sh", "-c", "echo to-err >&2", NULL };
	int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);

	fflush(stdout);
	dup2(pipefd[1], STDOUT_FILENO);
	o.argv = argv;
	o.stdout_fd = STDERR_FILENO;
	o.stderr_fd = STDOUT_FILENO;
	struct err *e = process_spawn(&o, &p);

	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(pipefd[1]);
	assert_null(e);
	read_all(pipefd[0], &out);
	assert_null(process_wait(&p, &status));
	assert_string_equal(buf_str(&out), "to-err\n");
}

static void signals_are_as_at_the_beginning(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct process_options o = PROCESS_OPTIONS_INIT;
	struct process p = PROCESS_INIT;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	sigset_t block, before;
	int status;

	(void)state;
	sigaction(SIGPIPE, &ignore, &old);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &before);
	read_all(spawn("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t\\n'", &o, &p), &out);
	sigprocmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGPIPE, &old, NULL);
	assert_null(process_wait(&p, &status));
	assert_string_equal(buf_str(&out), "SigBlk:0000000000000000SigIgn:0000000000000000");
}

static void has_a_session_or_a_group(void **state)
{
	struct process_options o = PROCESS_OPTIONS_INIT;
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct process p = PROCESS_INIT;
	int status;

	(void)state;
	o.new_session = true;
	read_all(spawn("cut -d' ' -f6 /proc/$$/stat; echo $$; readlink /proc/self/fd/0", &o, &p), &out);
	_cleanup_(free) char *expected = xasprintf("%d\n%d\n/dev/null\n", (int)p.pid, (int)p.pid);

	assert_string_equal(buf_str(&out), expected);
	assert_null(process_wait(&p, &status));
	o = (struct process_options)PROCESS_OPTIONS_INIT;
	o.new_group = true;
	buf_clear(&out);
	read_all(spawn("cut -d' ' -f5 /proc/$$/stat", &o, &p), &out);
	free(expected);
	expected = xasprintf("%d\n", (int)p.pid);
	assert_string_equal(buf_str(&out), expected);
	assert_null(process_wait(&p, &status));
}

static void waits_so_long_and_no_longer(void **state)
{
	struct process_options o = PROCESS_OPTIONS_INIT;
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	uint64_t start = now_ns();
	int status = 42;

	(void)state;
	close(spawn("exec sleep 60", &o, &p));
	assert_fails(process_wait_timeout(&p, 50, &status), ERR_TIMEOUT, "did not end");
	assert_true(now_ns() - start < 10 * NSEC_PER_SEC);
	assert_int_equal(status, 42);
	assert_true(p.pid > 0);
	process_kill(&p, SIGTERM);
	assert_null(process_wait_timeout(&p, 10000, &status));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	/* One that is gone, or never was. */
	process_kill(&p, SIGTERM);
	process_deinit(&p);
}

static void deinit_leaves_nothing(void **state)
{
	struct process_options o = PROCESS_OPTIONS_INIT;
	struct process p = PROCESS_INIT;
	pid_t pid;

	(void)state;
	close(spawn("trap '' TERM; exec sleep 60", &o, &p));
	pid = p.pid;
	process_deinit(&p);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(p.pid, 0);
}

static void the_pidfd_tells_of_the_end(void **state)
{
	struct process_options o = PROCESS_OPTIONS_INIT;
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;

	(void)state;
	close(spawn("exit 3", &o, &p));
	struct pollfd pfd = { .fd = p.pidfd, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 10000), 1);
}

/* A middle process starts a child that is to die with it, says the child's pid, and dies. */
static void child_dies_with_its_parent(void **state)
{
	struct process middle = PROCESS_INIT;
	bool child = false;
	int pipefd[2], status;
	pid_t grandchild;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	assert_null(process_fork(true, &middle, &child));
	if (child) {
		struct process_options o = PROCESS_OPTIONS_INIT;
		struct process p = PROCESS_INIT;
		const char *argv[] = { "sleep", "60", NULL };

		o.argv = argv;
		o.die_with_parent = true;
		if (process_spawn(&o, &p))
			_exit(1);
		n = write(pipefd[1], &p.pid, sizeof(p.pid));
		_exit(n == (ssize_t)sizeof(p.pid) ? 0 : 1);
	}
	assert_int_equal(read(pipefd[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_null(process_wait(&middle, &status));
	assert_int_equal(status, 0);
	for (int i = 0; i < 1000; i++) {
		_cleanup_(free) char *path = xasprintf("/proc/%d/stat", (int)grandchild);
		_cleanup_(buf_deinit) struct buf stat = BUF_INIT;
		struct err *e = read_file(path, 4096, &stat);
		bool gone = e || strstr(buf_str(&stat), ") Z ");

		err_ignore(e);
		if (gone)
			break;
		assert_true(i < 999);
		usleep(10000);
	}
	close(pipefd[0]);
	close(pipefd[1]);
}

static void describes_its_end(void **state)
{
	_cleanup_(free) char *exited = process_describe_status(2 << 8), *killed = process_describe_status(SIGSEGV);

	(void)state;
	assert_string_equal(exited, "exit status 2");
	assert_string_equal(killed, "killed by SIGSEGV");
}

/* Descriptors below, between and far above those that are kept. */
static void only_these_are_kept(void **state)
{
	struct process p;
	bool child;
	int status;

	(void)state;
	assert_null(process_fork(true, &p, &child));
	if (child) {
		int low = dup(2), high = fcntl(2, F_DUPFD, 900), far = fcntl(2, F_DUPFD, 1000), n = 0;

		process_keep_only((const int[]){ high, low }, 2);
		for (int fd = 0; fd < 1024; fd++)
			n += fcntl(fd, F_GETFD) >= 0;
		_exit(n == 2 && fcntl(low, F_GETFD) >= 0 && fcntl(high, F_GETFD) >= 0 && far > high ? 0 : 1);
	}
	assert_null(process_wait(&p, &status));
	assert_int_equal(status, 0);
}

static void what_was_inherited_is_not_passed_on(void **state)
{
	struct process p;
	bool child;
	int status;

	(void)state;
	assert_null(process_fork(true, &p, &child));
	if (child) {
		int low = dup(2), high = fcntl(2, F_DUPFD, 900);

		process_keep_inherited_private();
		_exit(fcntl(low, F_GETFD) == FD_CLOEXEC && fcntl(high, F_GETFD) == FD_CLOEXEC && fcntl(2, F_GETFD) == 0
			      ? 0
			      : 1);
	}
	assert_null(process_wait(&p, &status));
	assert_int_equal(status, 0);
}

static void one_that_is_forgotten_is_left_to_itself(void **state)
{
	struct process p;
	bool child;
	int status;
	pid_t pid;

	(void)state;
	assert_null(process_fork(true, &p, &child));
	if (child) {
		pause();
		_exit(0);
	}
	pid = p.pid;
	process_forget(&p);
	assert_int_equal(p.pid, 0);
	/* Else it would be killed, and waited for. */
	process_deinit(&p);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* Its parent, which is somebody else, takes its time to reap it. */
static void a_process_of_others_has_ended_even_as_a_zombie(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_false(process_ends_within(pid, 0));
	assert_false(process_ends_within(pid, 20));
	kill(pid, SIGKILL);
	assert_true(process_ends_within(pid, 5000));
	assert_int_equal(kill(pid, 0), 0);
	assert_true(process_ends_within(pid, 0));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(process_ends_within(pid, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_these_are_kept),
		cmocka_unit_test(one_that_is_forgotten_is_left_to_itself),
		cmocka_unit_test(what_was_inherited_is_not_passed_on),
		cmocka_unit_test(runs_and_collects),
		cmocka_unit_test(tells_how_it_failed),
		cmocka_unit_test(both_pipes_may_be_full),
		cmocka_unit_test(output_has_a_bound),
		cmocka_unit_test(not_a_program),
		cmocka_unit_test(has_the_descriptors_it_is_given),
		cmocka_unit_test(a_descriptor_that_is_none_is_an_error),
		cmocka_unit_test(swaps_descriptors),
		cmocka_unit_test(signals_are_as_at_the_beginning),
		cmocka_unit_test(has_a_session_or_a_group),
		cmocka_unit_test(waits_so_long_and_no_longer),
		cmocka_unit_test(deinit_leaves_nothing),
		cmocka_unit_test(the_pidfd_tells_of_the_end),
		cmocka_unit_test(a_process_of_others_has_ended_even_as_a_zombie),
		cmocka_unit_test(child_dies_with_its_parent),
		cmocka_unit_test(describes_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
