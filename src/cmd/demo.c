/*
 * The example session, without a terminal, and the proof that all of it works on this machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "cmd/boot.h"
#include "cmd/cmd.h"
#include "cmd/demo_check.h"
#include "supervisor/control.h"

enum {
	BOOT_TIMEOUT_MS = 180000,
	GDB_TIMEOUT_MS = 300000,
	END_TIMEOUT_MS = 60000,
	QUIET_BOOT_MS = 10000,
	ASK_INTERVAL_MS = 500,
	TEXT_MAX = 16 << 20,
};

struct demo {
	struct vm_record *vm;
	struct process supervisor;
	int serial;         /* the guest's console */
	struct buf console; /* what it said there */
	struct buf gdb;     /* what GDB said */
};

static void demo_deinit(struct demo *d)
{
	vm_record_destroy(d->vm);
	process_deinit(&d->supervisor);
	if (d->serial >= 0)
		close(d->serial);
	buf_deinit(&d->console);
	buf_deinit(&d->gdb);
}
DEFINE_CLEANUP_STORAGE(struct demo, demo_deinit);

/* Reads what is there within the time. *ret_open is false once the other side has closed. */
static struct err *read_some(int fd, int timeout_ms, struct buf *b, bool *ret_open)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	*ret_open = true;
	if (poll(&pfd, 1, timeout_ms) <= 0)
		return NULL;
	n = read(fd, buf_reserve(b, 65536), 65536);
	if (n < 0 && errno == EINTR)
		return NULL;
	*ret_open = n > 0;
	if (n > 0)
		buf_commit(b, (size_t)n);
	if (b->len > TEXT_MAX)
		return err_create(ERR_BAD_DATA, "more output than any session has");
	return NULL;
}

static const char *last_lines(const struct buf *b)
{
	const char *p = buf_str(b) + (b->len > 2000 ? b->len - 2000 : 0);

	return b->len > 2000 && strchr(p, '\n') ? strchr(p, '\n') + 1 : p;
}

/* Asks the shell to say something until it does: typed too early, it would go to nobody. */
static struct err *wait_for_shell(struct demo *d)
{
	/* The echo of what is typed has the backslash, the shell's answer hasn't. A quote that comes alone would stay open. */
	static const char question[] = "\recho demo\\-ready\r", answer[] = "demo-ready";
	uint64_t start = now_ns(), deadline = start + BOOT_TIMEOUT_MS * NSEC_PER_MSEC, next = 0;
	bool open = true, up = false;

	while (!strstr(buf_str(&d->console), answer)) {
		if (!open)
			return err_create(ERR_CLOSED, "the VM ended before its shell was there; it last said:\n%s",
					  last_lines(&d->console));
		if (now_ns() > deadline)
			return err_create(ERR_TIMEOUT, "no shell in the guest after %d seconds; it last said:\n%s",
					  BOOT_TIMEOUT_MS / 1000, last_lines(&d->console));
		/* What is typed before init is there can reach kgdb, which shares the line. A quiet kernel doesn't tell. */
		up = up || strstr(buf_str(&d->console), "Run /init") ||
		     now_ns() - start > QUIET_BOOT_MS * NSEC_PER_MSEC;
		if (up && now_ns() > next) {
			TRY(write_all(d->serial, question, strlen(question)));
			next = now_ns() + ASK_INTERVAL_MS * NSEC_PER_MSEC;
		}
		TRY(read_some(d->serial, ASK_INTERVAL_MS / 5, &d->console, &open));
	}
	return NULL;
}

/* Something in the guest that starts processes for as long as GDB waits for one. */
static struct err *start_processes(struct demo *d)
{
	static const char loop[] = "while sleep 0.2; do /bin/true; done &\r";

	return write_all(d->serial, loop, strlen(loop));
}

static struct err *spawn_gdb(const struct demo *d, const struct config *cfg, int output, struct process *ret)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	_cleanup_(close) int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_(free) char *program = NULL;
	struct process_options o = PROCESS_OPTIONS_INIT;
	/* The user's breakpoints are not for the demo: no ktb.conf is read there. */
	_cleanup_(free) char *no_config = xasprintf("XDG_CONFIG_HOME=%s", d->vm->dir);
	const char *const env[] = { no_config, NULL };

	TRY(own_program(&program));
	strv_add(&argv, program);
	strv_add(&argv, "gdb");
	strv_addf(&argv, "--name=%s", d->vm->name);
	strv_addf(&argv, "--program=%s", config_string(cfg, OPT_GDB_PROGRAM));
	strv_add(&argv, "--");
	demo_gdb_args(&argv);
	o.argv = (const char *const *)argv.v;
	o.cwd = d->vm->dir;
	o.env = env;
	o.stdin_fd = null_fd;
	o.stdout_fd = o.stderr_fd = output;
	o.die_with_parent = true;
	return process_spawn(&o, ret);
}

/* Runs GDB, shows what it says as it comes, and keeps it. */
static struct err *run_gdb(struct demo *d, const struct config *cfg)
{
	_cleanup_(process_deinit) struct process gdb = PROCESS_INIT;
	_cleanup_(close) int read_end = -1, write_end = -1;
	uint64_t deadline = now_ns() + GDB_TIMEOUT_MS * NSEC_PER_MSEC;
	_cleanup_(free) char *how = NULL;
	int status;
	bool open = true;

	TRY(process_pipe(&read_end, &write_end));
	TRY(spawn_gdb(d, cfg, write_end, &gdb));
	close(steal_fd(&write_end));
	while (open) {
		bool serial_open;
		size_t before = d->gdb.len;

		if (now_ns() > deadline)
			return err_create(ERR_TIMEOUT, "GDB was not done after %d seconds", GDB_TIMEOUT_MS / 1000);
		TRY(read_some(read_end, 200, &d->gdb, &open));
		fwrite(d->gdb.data + before, 1, d->gdb.len - before, stdout);
		/* The guest's console goes on meanwhile. */
		TRY(read_some(d->serial, 0, &d->console, &serial_open));
	}
	fflush(stdout);
	TRY(process_wait(&gdb, &status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	how = process_describe_status(status);
	return err_create(ERR_OS, "GDB failed: %s", how);
}

static struct err *shut_down(struct demo *d)
{
	uint64_t deadline = now_ns() + END_TIMEOUT_MS * NSEC_PER_MSEC;
	_cleanup_(close) int sock = -1;
	_cleanup_(free) char *how = NULL;
	bool open = true;
	int status;

	TRY(rundir_connect(d->vm, "control.sock", &sock));
	TRY(control_stop(sock, false, NULL, NULL));
	while (open && now_ns() < deadline)
		TRY(read_some(d->serial, 200, &d->console, &open));
	TRY(process_wait_timeout(&d->supervisor, END_TIMEOUT_MS, &status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		how = process_describe_status(status);
		return err_create(ERR_OS, "the VM's end: %s", how);
	}
	if (!strstr(buf_str(&d->console), "reboot: Power down"))
		return err_create(ERR_OS, "the guest was ended, it did not power off; it last said:\n%s",
				  last_lines(&d->console));
	return NULL;
}

static struct err *run_demo(struct demo *d, struct config *cfg)
{
	_cleanup_(boot_deinit) struct boot b = { 0 };
	_cleanup_(free) char *name = xasprintf("demo-%d", (int)getpid());

	TRY(config_set(cfg, OPT_VM_NAME, name));
	/* Nothing that runs beside it may be in its way. */
	TRY(config_set(cfg, OPT_VM_PORT, "auto"));
	TRY(config_set(cfg, OPT_VM_ON_PANIC, "exit"));
	/* Nobody is there to let it go on. */
	TRY(config_set(cfg, OPT_VM_WAIT, "no"));
	TRY(config_set(cfg, OPT_VM_KGDB_WAIT, "no"));
	TRY(config_set(cfg, OPT_VM_KGDB, "no"));
	TRY(boot_prepare(cfg, NULL, &b));
	log_info("booting Linux %s", b.record->release);
	TRY(boot_detached(&b, true, &d->vm, &d->supervisor));
	TRY(rundir_connect(d->vm, "serial.sock", &d->serial));
	TRY(wait_for_shell(d));
	log_info("the guest is up; GDB stops where a process in it clones itself");
	TRY(start_processes(d));
	TRY(run_gdb(d, cfg));
	TRY(demo_check_transcript(buf_str(&d->gdb)));
	log_info("shutting the guest down");
	TRY(err_wrap(shut_down(d), "shut the guest down"));
	log_info("all of it worked: built, booted, stopped at a breakpoint, seen, shut down");
	return NULL;
}

static struct err *cmd_demo(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(demo_deinit) struct demo d = { .serial = -1, .supervisor = PROCESS_INIT };

	(void)positional;
	(void)rest;
	(void)ret_status;
	return run_demo(&d, cfg);
}

const struct command command_demo = {
	.id = COMMAND_DEMO,
	.name = "demo",
	.args = "",
	.summary = "a whole session, to see that everything works here",
	.description =
		"Builds what is missing, boots, attaches GDB, stops in kernel_clone that a process in the guest has\n"
		"called, prints the backtrace, the registers, the tasks (lx-ps) and the kernel's log (lx-dmesg),\n"
		"and shuts the guest down. Needs no terminal. Exit status 0 only if all of that happened.",
	.examples = "  ktb demo",
	.run = cmd_demo,
};
