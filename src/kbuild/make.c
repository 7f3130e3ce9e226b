/*
 * Theory of operation.
 *
 * make and all that it starts form a process group. Its leader is a keeper, a fork of this process that does nothing
 * but wait: for make to end, and for the pipe to us to close. As long as the keeper is there, the group's number can't
 * become anybody else's. If we die, even by SIGKILL, the pipe closes and the keeper kills the group, itself included.
 * PR_SET_PDEATHSIG would reach make alone and leave the compilers that make has started. The keeper also holds a copy
 * of the build folder's lock, which is given up only when it has killed the group: nobody builds in a folder in which
 * the compilers of a dead run still write.
 *
 * A signal to us is handed on to the group as SIGTERM. make then removes the files that it was making. The file
 * "unfinished" beside the log says that a run did not get that far; the next one looks for half-written files
 * (objects.h).
 */
#include "kbuild/make.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/sock.h"
#include "kbuild/build_log.h"

/* How much of the log is searched for the first error, and how long make has to clean up. */
enum { LOG_TAIL_MAX = 4 << 20, LINE_MAX_LEN = 4096, END_TIMEOUT_S = 5 };

struct run {
	struct make *make;
	struct loop *loop;
	struct process keeper;
	int output_fd; /* what make says */
	int log_fd;
	struct buf line;     /* the unfinished last line */
	int signal_number;   /* that we got; 0: none */
	bool killed;         /* make had no time to clean up */
	struct err *failure; /* of ours, such as a log that can't be written */
};

static void kill_group(struct run *r, int signal_number)
{
	if (r->keeper.pid > 0)
		kill(-r->keeper.pid, signal_number);
}

/* Runs in the keeper. */
static __attribute__((noreturn)) void keep(const struct process_options *o, int alive_fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct process p = PROCESS_INIT;
	struct err *e;
	int status = 0;

	setpgid(0, 0);
	sigaction(SIGTERM, &ignore, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	e = process_spawn(o, &p);
	if (e) {
		dprintf(o->stderr_fd, "error: %s\n", err_message(e));
		_exit(127);
	}
	/* Only the copies that make has keep the output open now. */
	close(o->stderr_fd);
	for (;;) {
		struct pollfd pfds[] = { { .fd = p.pidfd, .events = POLLIN }, { .fd = alive_fd, .events = POLLIN } };

		if (poll(pfds, ARRAY_SIZE(pfds), -1) < 0 && errno != EINTR)
			break;
		if (pfds[1].revents)
			break;
		if (pfds[0].revents && !process_wait(&p, &status))
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	kill(0, SIGKILL);
	_exit(127);
}

/* Starts the keeper; *ret_alive is our end of its pipe. */
static struct err *start(struct run *r, const struct strv *argv, int *ret_alive)
{
	_cleanup_(close) int output_read = -1, output_write = -1, alive_read = -1, alive_write = -1;
	_cleanup_(close) int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct process_options o = PROCESS_OPTIONS_INIT;
	bool child;

	TRY(process_pipe(&output_read, &output_write));
	TRY(process_pipe(&alive_read, &alive_write));
	set_nonblock(output_read, true);
	o.argv = (const char *const *)argv->v;
	o.env = r->make->env;
	o.stdin_fd = null_fd;
	o.stdout_fd = o.stderr_fd = output_write;
	o.die_with_parent = true;
	TRY(process_fork(false, &r->keeper, &child));
	if (child) {
		close(alive_write);
		keep(&o, alive_read);
	}
	/* Both sides do it: whoever comes first, the group is there when it is needed. */
	setpgid(r->keeper.pid, r->keeper.pid);
	r->output_fd = steal_fd(&output_read);
	*ret_alive = steal_fd(&alive_write);
	return NULL;
}

static void show_progress(struct run *r, const struct build_step *step)
{
	struct make *m = r->make;

	if (!step)
		return;
	if (m->objects_total)
		progress_update(&m->progress, "%zu of about %zu  %.*s %.*s", m->objects_done,
				MAX(m->objects_total, m->objects_done), (int)step->action_len, step->action,
				(int)step->target_len, step->target);
	else
		progress_update(&m->progress, "%.*s %.*s", (int)step->action_len, step->action, (int)step->target_len,
				step->target);
}

static void take_line(struct run *r, const char *line, size_t len)
{
	struct build_step step;

	if (!build_step_parse(line, len, &step))
		return;
	r->make->objects_done += step.object && *step.target != '/';
	show_progress(r, &step);
}

static void take_output(struct run *r, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;

		if (r->line.len + n <= LINE_MAX_LEN)
			buf_append(&r->line, data, n);
		if (end) {
			take_line(r, buf_str(&r->line), r->line.len);
			buf_clear(&r->line);
			n++;
		}
		data += n;
		len -= n;
	}
}

static void fail(struct run *r, struct err *e)
{
	if (r->failure)
		err_destroy(e);
	else
		r->failure = e;
	r->killed = true;
	kill_group(r, SIGKILL);
}

/* Reads what there is; false when there is nothing now. */
static bool read_output(struct run *r)
{
	char block[65536];
	ssize_t n = read(r->output_fd, block, sizeof(block));
	struct err *e;

	if (n <= 0)
		return false;
	take_output(r, block, (size_t)n);
	e = r->failure ? NULL : write_all(r->log_fd, block, (size_t)n);
	if (e)
		fail(r, err_wrap(e, "write the log %s", r->make->log));
	return true;
}

static struct err *on_output(struct loop_source *source, int fd, short revents, void *data)
{
	(void)fd;
	if (!read_output(data) && !(revents & POLLIN))
		loop_set_events(source, 0);
	return NULL;
}

static struct err *on_end(struct loop_source *source, int fd, short revents, void *data)
{
	struct run *r = data;

	(void)source;
	(void)fd;
	(void)revents;
	/* The keeper isn't reaped yet, so the group is still this one: end whatever make has left in it. */
	kill_group(r, SIGKILL);
	while (read_output(r))
		;
	loop_quit(r->loop);
	return NULL;
}

static struct err *on_timeout(struct loop_source *source, int fd, short revents, void *data)
{
	struct run *r = data;

	(void)source;
	(void)fd;
	(void)revents;
	r->killed = true;
	kill_group(r, SIGKILL);
	return NULL;
}

static struct err *on_signal(struct loop_source *source, int fd, short revents, void *data)
{
	struct run *r = data;

	/* Asked a second time: at once. */
	if (r->signal_number)
		return on_timeout(source, fd, revents, data);
	r->signal_number = fd;
	kill_group(r, SIGTERM);
	loop_add_timer(r->loop, now_ns() + END_TIMEOUT_S * NSEC_PER_SEC, on_timeout, r);
	return NULL;
}

/* A signal that whoever started us ignores (nohup) stays ignored. */
static struct err *add_signal(struct run *r, int number)
{
	struct sigaction old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		return NULL;
	return loop_add_signal(r->loop, number, on_signal, r);
}

static struct err *watch(struct run *r)
{
	TRY(add_signal(r, SIGINT));
	TRY(add_signal(r, SIGTERM));
	TRY(add_signal(r, SIGHUP));
	loop_add_fd(r->loop, r->output_fd, POLLIN, on_output, r);
	loop_add_fd(r->loop, r->keeper.pidfd, POLLIN, on_end, r);
	return loop_run(r->loop);
}

static struct err *explain(struct run *r, const char *what, off_t log_start)
{
	_cleanup_(buf_deinit) struct buf tail = BUF_INIT;
	_cleanup_(free) char *first = NULL;
	off_t end = lseek(r->log_fd, 0, SEEK_END);
	off_t from = MAX(log_start, end - LOG_TAIL_MAX);

	lseek(r->log_fd, from, SEEK_SET);
	TRY(read_fd(r->log_fd, r->make->log, LOG_TAIL_MAX + 1, &tail));
	if (build_log_disk_full(buf_str(&tail), tail.len))
		return err_create(ERR_OS,
				  "%s: the disk is full at %s, or where temporary files go. Make room and try "
				  "again: the build goes on where it stopped.\nThe full log: %s",
				  what, r->make->out, r->make->log);
	first = build_log_first_error(buf_str(&tail), tail.len);
	return err_create(ERR_OS, "%s:\n%s\nThe full log: %s", what, first ? first : "make failed without a word",
			  r->make->log);
}

static struct err *conclude(struct run *r, const char *what, off_t log_start, int status)
{
	const char *name = r->signal_number ? sigabbrev_np(r->signal_number) : NULL;
	struct err *e = r->failure;

	r->failure = NULL;
	if (e && err_errno(e) == ENOSPC)
		e = err_append(e, ". Make room and try again: the build goes on where it stopped");
	if (e)
		return err_wrap(e, "%s", what);
	if (r->signal_number)
		return err_create(ERR_CLOSED, "%s: interrupted by SIG%s; the next run goes on from here", what,
				  name ? name : "?");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	return explain(r, what, log_start);
}

static void run_deinit(struct run *r)
{
	kill_group(r, SIGKILL);
	process_deinit(&r->keeper);
	loop_destroy(r->loop);
	closep(&r->output_fd);
	closep(&r->log_fd);
	buf_deinit(&r->line);
	err_destroy(r->failure);
}
DEFINE_CLEANUP_STORAGE(struct run, run_deinit);

static void add_arguments(const struct make *m, const struct strv *args, struct strv *argv)
{
	strv_add_all(argv, (const char *const[]){ "make", "--no-print-directory", "-C", m->tree, NULL });
	strv_addf(argv, "O=%s", m->out);
	for (size_t i = 0; i < m->variables->n; i++)
		strv_add(argv, m->variables->v[i]);
	for (size_t i = 0; i < args->n; i++)
		strv_add(argv, args->v[i]);
}

struct err *make_run(struct make *m, const char *what, const struct strv *args)
{
	_cleanup_(run_deinit) struct run r = { .make = m, .keeper = PROCESS_INIT, .output_fd = -1 };
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	_cleanup_(free) char *marker = xasprintf("%s.unfinished", m->log), *command = NULL;
	_cleanup_(close) int alive = -1;
	off_t log_start;
	int status;

	add_arguments(m, args, &argv);
	command = strv_join(&argv, " ");
	log_debug("%s", command);
	r.log_fd = open(m->log, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (r.log_fd < 0)
		return err_os(errno, "open the log %s", m->log);
	log_start = lseek(r.log_fd, 0, SEEK_END);
	TRY(write_file_atomic(marker, "", 0, 0600));
	r.loop = loop_create();
	TRY(start(&r, &argv, &alive));
	TRY(watch(&r));
	progress_clear(&m->progress);
	TRY(process_wait(&r.keeper, &status));
	if (!r.killed)
		unlink(marker);
	return conclude(&r, what, log_start, status);
}
