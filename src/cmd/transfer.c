/*
 * ktb push and ktb pull. One side of the transfer is the agent's worker in the guest, the other a process of its own here,
 * with a pipe between it and what guest_run() moves. It may block at a file as long as it likes, and when this process
 * ends, however it does, it sees the end of its pipe and cleans up.
 */
#include "guest/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/process.h"
#include "base/progress.h"
#include "cmd/cmd.h"
#include "cmd/guest.h"

enum { PROGRESS_AFTER_S = 1 };

/* What runs here, in the process of its own. */
struct local {
	bool pull;
	char *const *sources; /* push */
	size_t sources_n;
	const char *dest; /* pull */
	const struct strv *names;
};

static void report(const char *text, void *user)
{
	_cleanup_(free) char *shown = printable(text, strlen(text));
	struct progress *p = user;

	progress_clear(p);
	log_warn("%s", shown);
}

static void show_progress(uint64_t bytes, const char *name, uint64_t size, void *user)
{
	struct progress *p = user;
	uint64_t ns = now_ns() - p->start_ns;
	unsigned long long rate = (unsigned long long)(bytes / MIB * NSEC_PER_SEC / (ns ? ns : 1));

	_cleanup_(free) char *shown = NULL;

	if (ns < PROGRESS_AFTER_S * NSEC_PER_SEC || !p->terminal)
		return;
	shown = printable(name, strlen(name));
	progress_update(p, "%llu MB, %llu MB/s  %s (%llu MB)", (unsigned long long)(bytes / MIB), rate, shown,
			(unsigned long long)(size / MIB));
}

static bool run_local(const struct local *l, int fd)
{
	struct progress progress;
	struct transfer_callbacks callbacks = { .report = report, .progress = show_progress, .user = &progress };
	const struct transfer_receive receive = {
		.in_fd = fd,
		.dest = l->dest,
		.into = l->names && l->names->n > 1,
		.names = l->names ? (const char *const *)l->names->v : NULL,
		.names_n = l->names ? l->names->n : 0,
		/* The guest's user is another one: what is special there is nothing to us. */
		.mode_mask = 0777,
		.contain_links = true,
	};
	bool good;

	progress_init(&progress);
	good = l->pull ? transfer_receive(&receive, &callbacks)
		       : transfer_send(fd, l->sources, l->sources_n, &callbacks);
	progress_clear(&progress);
	return good;
}

/* It ends with its pipe, and is not to be ended in the middle of a file. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &ignore, NULL);
}

/* *ret is our end of the pipe: to read from for push, to write to for pull. */
static struct err *start_local(const struct local *l, struct process *p, int *ret)
{
	int read_fd, write_fd, ours, theirs;
	struct err *e;
	bool child;

	TRY(process_pipe(&read_fd, &write_fd));
	ours = l->pull ? write_fd : read_fd;
	theirs = l->pull ? read_fd : write_fd;
	e = process_fork(false, p, &child);
	if (!e && child) {
		close(ours);
		ignore_signals();
		_exit(run_local(l, theirs) ? 0 : 1);
	}
	close(theirs);
	if (e)
		close(ours);
	else
		*ret = ours;
	return e;
}

/* What the worker in the guest had to say; none of what comes from there may reach the terminal as it is. */
static void show_text(const struct buf *text)
{
	_cleanup_(strv_deinit) struct strv lines = STRV_INIT;
	_cleanup_(free) char *copy = xstrndup(buf_str(text), text->len);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		_cleanup_(free) char *shown = printable(line, strlen(line));

		if (*line)
			log_warn("in the guest: %s", shown);
	}
}

static struct err *transfer(const struct config *cfg, const struct local *l, const struct strv *args, const char *what)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(close) int fd = -1;
	struct guest_command command = { .args = args, .builtin = true, .in = -1, .out = -1, .err = -1, .text = &text };
	int status = 0, local_status;
	struct err *e;

	TRY(guest_find_vm(cfg, &vm));
	command.vm = vm;
	TRY(start_local(l, &p, &fd));
	*(l->pull ? &command.out : &command.in) = fd;
	e = guest_run(&command, &status);
	close(steal_fd(&fd));
	if (e && !l->pull)
		process_kill(&p, SIGKILL);
	err_ignore(process_wait(&p, &local_status));
	show_text(&text);
	TRY(e);
	if (status > GUEST_SIGNALLED)
		return err_create(ERR_CLOSED, "%s: interrupted", what);
	if (status || local_status)
		return err_create(ERR_OS, "%s: not everything was copied", what);
	return NULL;
}

static struct err *check_arguments(const char *what, const struct strv *positional)
{
	if (positional->n < 2)
		return err_create(ERR_USAGE, "ktb %s needs what to copy, and where to", what);
	return NULL;
}

static struct err *cmd_push(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;
	struct local local = { .sources = positional->v };

	(void)rest;
	(void)ret_status;
	TRY(check_arguments("push", positional));
	local.sources_n = positional->n - 1;
	strv_add(&args, local.sources_n > 1 ? KTB_RECEIVE_INTO : KTB_RECEIVE);
	strv_add(&args, positional->v[positional->n - 1]);
	return transfer(cfg, &local, &args, "push");
}

static struct err *cmd_pull(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT, names = STRV_INIT;
	struct local local = { .pull = true, .names = &names };

	(void)rest;
	(void)ret_status;
	TRY(check_arguments("pull", positional));
	local.dest = positional->v[positional->n - 1];
	strv_add(&args, KTB_SEND);
	for (size_t i = 0; i + 1 < positional->n; i++) {
		char name[TRANSFER_NAME_MAX + 1];

		if (!transfer_last_part(positional->v[i], name))
			return err_create(ERR_USAGE, "%s has no name that a copy could have; name the folder itself",
					  positional->v[i]);
		strv_add(&args, positional->v[i]);
		strv_add(&names, name);
	}
	return transfer(cfg, &local, &args, "pull");
}

const struct command command_push = {
	.id = COMMAND_PUSH,
	.name = "push",
	.args = "FILE... DEST",
	.summary = "copy files and folders into a running guest",
	.description =
		"Copies to DEST in the guest: into it if it is a folder, else one file or folder under that name. "
		"What\n"
		"is relative there is relative to /root. Modes and times are kept, owners are not; links in folders\n"
		"stay links. A file appears when it is complete; until then the old one is there.",
	.examples = "  ktb push test.sh /root\n"
		    "  ktb push ./tests /tmp/t",
	.run = cmd_push,
};

const struct command command_pull = {
	.id = COMMAND_PULL,
	.name = "pull",
	.args = "FILE... DEST",
	.summary = "copy files and folders out of a running guest",
	.description =
		"As ktb push, the other way round. The guest is not trusted: only what was asked for is written, and\n"
		"only at DEST; links that lead outside of it are left out.",
	.examples = "  ktb pull /proc/config.gz .\n"
		    "  ktb pull /sys/kernel/tracing/trace /tmp/trace.txt",
	.run = cmd_pull,
};
