/*
 * ktb up: a tmux server of its own with two panes, `ktb vm` in one and `ktb gdb` in the other.
 *
 * Theory of operation. The server is a daemon and so are, seen from here, the programs in its panes: nothing of it goes
 * when this process does. So the first thing that is started is a keeper, a process that holds the end of a pipe and
 * waits for it to close, which it does when this process ends, whatever ends it. Then the keeper has the server
 * killed, which hangs up the panes; sees to it that what ran in them is gone; and removes the folder with the socket. There
 * is no other way out: an orderly end closes the pipe too, and waits for the keeper.
 *
 * This process waits for the tmux client on its terminal. The client ends when the user leaves or detaches, when the
 * terminal is closed, and when the VM's pane ends, which has the server killed after it has written down how it ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/programs.h"
#include "cmd/boot.h"
#include "cmd/cmd.h"
#include "cmd/gdb_program.h"
#include "cmd/up_layout.h"
#include "cmd/vm.h"
#include "doctor/console_text.h"
#include "supervisor/control.h"

enum {
	LOOK_INTERVAL_MS = 100,
	/* A kernel that is told to be quiet doesn't say when it has booted. */
	QUIET_BOOT_MS = 20000,
	END_TIMEOUT_MS = 20000,
	KILL_TIMEOUT_MS = 5000,
	LOG_MAX = 8 << 20,
	SCREEN_MAX = 1 << 20,
	SCREEN_LINES = 30,
	/* A socket's path ends at 108 bytes. */
	FOLDER_MAX = 90,
};

struct up {
	const struct config *cfg;
	char *folder;
	struct process keeper, client;
	int keeper_fd; /* the keeper's work begins when it closes */
	struct loop *loop;
	uint64_t seen_ns; /* when the VM was first seen; 0: not yet */
	bool gdb_started;
	int signal_number;
};

/* --- The keeper --- */

/* A file with a number in it; 0 if there is none. */
static pid_t read_number(const char *folder, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	uint64_t number = 0;
	struct err *e;

	if (!file_exists(path))
		return 0;
	e = read_file(path, 64, &text);
	if (!e && text.len)
		e = parse_u64(strip(text.data), INT32_MAX, &number);
	err_ignore(e);
	return (pid_t)number;
}

/* The hangup has told it to go. */
static void see_off(pid_t pid)
{
	if (pid <= 1 || process_ends_within(pid, END_TIMEOUT_MS))
		return;
	kill(pid, SIGTERM);
	if (!process_ends_within(pid, KILL_TIMEOUT_MS))
		kill(pid, SIGKILL);
}

static __attribute__((noreturn)) void run_keeper(const char *tmux, const char *folder, int fd)
{
	_cleanup_(free) char *socket = xasprintf("%s/" UP_SOCKET, folder);
	const char *const argv[] = { tmux, "-S", socket, "kill-server", NULL };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t vm, gdb;
	char byte;

	setsid();
	for (int i = STDIN_FILENO; i <= STDERR_FILENO && null_fd >= 0; i++)
		dup2(null_fd, i);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	vm = read_number(folder, UP_VM_PID);
	gdb = read_number(folder, UP_GDB_PID);
	err_ignore(process_run(argv, NULL, NULL, NULL));
	see_off(vm);
	see_off(gdb);
	err_ignore(remove_tree(folder));
	_exit(0);
}

static struct err *start_keeper(struct up *u, const char *tmux)
{
	int read_fd, write_fd;
	bool child;

	TRY(process_pipe(&read_fd, &write_fd));
	struct err *e = process_fork(false, &u->keeper, &child);

	if (e) {
		close(read_fd);
		close(write_fd);
		return e;
	}
	if (child) {
		close(write_fd);
		run_keeper(tmux, u->folder, read_fd);
	}
	close(read_fd);
	u->keeper_fd = write_fd;
	return NULL;
}

/* Ends all that this session is made of. */
static void up_deinit(struct up *u)
{
	int status;

	if (u->keeper_fd >= 0) {
		close(steal_fd(&u->keeper_fd));
		err_ignore(process_wait(&u->keeper, &status));
	} else if (u->folder) {
		err_ignore(remove_tree(u->folder));
	}
	process_deinit(&u->client);
	loop_destroy(u->loop);
	free(u->folder);
}
DEFINE_CLEANUP_STORAGE(struct up, up_deinit);

/* --- What it is made of --- */

static struct err *make_folder(struct up *u)
{
	const char *tmp = getenv("TMPDIR");
	char *folder = xasprintf("%s/ktb-up.XXXXXX",
				 tmp && *tmp == '/' && strlen(tmp) < FOLDER_MAX - 20 ? tmp : "/tmp");

	if (!mkdtemp(folder)) {
		struct err *e = err_os(errno, "make a folder %s", folder);

		free(folder);
		return e;
	}
	u->folder = folder;
	return NULL;
}

static struct err *write_file(const struct up *u, const char *name, const struct buf *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", u->folder, name);

	return write_file_atomic(path, buf_str(text), text->len, 0600);
}

static struct err *write_files(const struct up *u, const struct up_layout *l)
{
	_cleanup_(buf_deinit) struct buf conf = BUF_INIT, vm = BUF_INIT, gdb = BUF_INIT;

	up_tmux_conf(l, &conf);
	up_vm_script(l, &vm);
	up_gdb_script(l, &gdb);
	TRY(write_file(u, UP_CONF, &conf));
	TRY(write_file(u, UP_VM_SCRIPT, &vm));
	return write_file(u, UP_GDB_SCRIPT, &gdb);
}

static struct err *start_client(struct up *u, const struct up_layout *l)
{
	static const char *const env[] = { "TMUX", "TMUX_PANE", NULL };
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct process_options o = PROCESS_OPTIONS_INIT;

	up_tmux_argv(l, &argv);
	o.argv = (const char *const *)argv.v;
	o.env = env;
	return process_spawn(&o, &u->client);
}

/* --- While it runs --- */

static char *vm_status(const struct vm_record *vm)
{
	_cleanup_(close) int sock = -1;
	struct err *e = rundir_connect(vm, "control.sock", &sock);
	char *status = NULL;

	if (!e)
		e = control_status(sock, &status);
	err_ignore(e);
	return status;
}

static bool has_booted(const struct vm_record *vm)
{
	_cleanup_(free) char *path = xasprintf("%s/console.log", vm->dir);
	_cleanup_(buf_deinit) struct buf log = BUF_INIT;
	struct console_text text;

	if (file_exists(path))
		err_ignore(read_file(path, LOG_MAX, &log));
	console_text_read(buf_str(&log), log.len, &text);
	return text.booted || text.at_kdb;
}

/* A breakpoint in a kernel that isn't in its place yet is lost; so it boots first, unless something holds it. */
static bool is_time_for_gdb(struct up *u)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(free) char *status = NULL;
	struct err *e = rundir_find(config_string(u->cfg, OPT_VM_NAME), &vm);

	if (e) {
		err_ignore(e);
		return false;
	}
	if (!u->seen_ns)
		u->seen_ns = now_ns();
	status = vm_status(vm);
	return (status && !streq(status, "running")) || has_booted(vm) ||
	       now_ns() - u->seen_ns > QUIET_BOOT_MS * NSEC_PER_MSEC;
}

static struct err *on_look(struct loop_source *source, int fd, short revents, void *user)
{
	const struct buf nothing = BUF_INIT;
	struct up *u = user;

	(void)source;
	(void)fd;
	(void)revents;
	if (is_time_for_gdb(u))
		return write_file(u, UP_GO, &nothing);
	loop_add_timer(u->loop, now_ns() + LOOK_INTERVAL_MS * NSEC_PER_MSEC, on_look, u);
	return NULL;
}

static struct err *on_client_ended(struct loop_source *source, int fd, short revents, void *user)
{
	struct up *u = user;

	(void)fd;
	(void)revents;
	loop_remove(source);
	loop_quit(u->loop);
	return NULL;
}

static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	struct up *u = user;

	(void)source;
	(void)revents;
	u->signal_number = number;
	loop_quit(u->loop);
	return NULL;
}

static struct err *wait_for_end(struct up *u)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	u->loop = loop_create();
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		TRY(loop_add_signal(u->loop, signals[i], on_signal, u));
	loop_add_fd(u->loop, u->client.pidfd, POLLIN, on_client_ended, u);
	loop_add_timer(u->loop, now_ns(), on_look, u);
	return loop_run(u->loop);
}

/* --- How it ended --- */

/* The beginning of the text's last n lines. */
static const char *last_lines(const char *text, int n)
{
	const char *p = text + strlen(text);

	while (p > text && (p[-1] != '\n' || --n > 0))
		p--;
	return p;
}

/* What stood in the VM's pane, which is gone by now. */
static void show_screen(const struct up *u)
{
	_cleanup_(free) char *path = xasprintf("%s/" UP_VM_SCREEN, u->folder);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	if (file_exists(path))
		err_ignore(read_file(path, SCREEN_MAX, &text));
	if (text.len)
		fprintf(stderr, "%s\n", last_lines(strip(text.data), SCREEN_LINES));
}

static bool has_file(const struct up *u, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", u->folder, name);

	return file_exists(path);
}

/* False: the VM had not ended by itself. */
static bool read_status(const struct up *u, int *ret_status)
{
	/* A GDB that is hung up may take the VM along. */
	if (has_file(u, UP_LEFT) || !has_file(u, UP_VM_STATUS))
		return false;
	*ret_status = (int)read_number(u->folder, UP_VM_STATUS) & 0xff;
	return true;
}

static struct err *run_up(struct up *u, const struct up_layout *l, int *ret_status)
{
	bool ended;
	int status;

	TRY(write_files(u, l));
	TRY(start_keeper(u, l->tmux));
	TRY(start_client(u, l));
	TRY(wait_for_end(u));
	if (u->signal_number) {
		*ret_status = 128 + u->signal_number;
		return NULL;
	}
	ended = read_status(u, ret_status);
	if (ended && *ret_status != 0) {
		show_screen(u);
		log_info("VM '%s' ended with status %d", l->name, *ret_status);
		return NULL;
	}
	TRY(process_wait(&u->client, &status));
	if (!ended && !has_file(u, UP_VM_PID))
		return err_create(ERR_OS, "tmux ended before the VM ran; does it know this terminal (TERM=%s)?",
				  getenv("TERM") ? getenv("TERM") : "");
	log_info(ended ? "VM '%s' has ended" : "left, and VM '%s' was ended", l->name);
	return NULL;
}

static struct err *check_window(struct up_layout *l)
{
	struct winsize size = { 0 };

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_create(ERR_USAGE, "ktb up needs a terminal; without one: ktb vm --detach, then ktb gdb");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	if (size.ws_row < UP_ROWS_MIN || size.ws_col < UP_COLS_MIN)
		return err_create(ERR_USAGE,
				  "the terminal has %u columns and %u rows, too few for two panes (%d and %d)",
				  size.ws_col, size.ws_row, UP_COLS_MIN, UP_ROWS_MIN);
	l->rows = size.ws_row;
	l->cols = size.ws_col;
	return NULL;
}

/* All that can go wrong goes wrong here, where it is seen, and not in a pane. */
static struct err *prepare(const struct config *cfg)
{
	_cleanup_(gdb_program_deinit) struct gdb_program gdb = GDB_PROGRAM_INIT;
	_cleanup_(boot_deinit) struct boot b = { 0 };
	const char *port = config_string(cfg, OPT_VM_PORT);

	if (!port || streq(port, "off"))
		return err_create(ERR_USAGE, "--port: without a debug port there is nothing for GDB; ktb vm runs a VM "
					     "without");
	TRY(vm_check_early(cfg));
	TRY(gdb_program_find(config_string(cfg, OPT_GDB_PROGRAM), &gdb));
	return boot_prepare(cfg, NULL, &b);
}

static struct err *cmd_up(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(strv_deinit) struct strv vm_args = STRV_INIT, gdb_args = STRV_INIT;
	_cleanup_(up_deinit) struct up u = {
		.cfg = cfg, .keeper = PROCESS_INIT, .client = PROCESS_INIT, .keeper_fd = -1
	};
	_cleanup_(free) char *tmux = NULL, *own = NULL;
	const char *outer = getenv("TMUX");
	struct up_layout l = { .nested = outer && *outer };

	(void)positional;
	TRY(check_window(&l));
	TRY(program_require("tmux", &tmux));
	TRY(own_program(&own));
	TRY(prepare(cfg));
	TRY(make_folder(&u));
	config_args_for(cfg, COMMAND_VM, &vm_args);
	config_args_for(cfg, COMMAND_GDB, &gdb_args);
	/* The one beside it, whatever else runs. */
	strv_addf(&gdb_args, "--name=%s", config_string(cfg, OPT_VM_NAME));
	l.tmux = tmux;
	l.ktb = own;
	l.folder = u.folder;
	l.name = config_string(cfg, OPT_VM_NAME);
	l.vm_args = &vm_args;
	l.gdb_args = &gdb_args;
	l.gdb_rest = rest;
	return run_up(&u, &l, ret_status);
}

const struct command command_up = {
	.id = COMMAND_UP,
	.name = "up",
	.args = "",
	.summary = "a VM and GDB on it side by side, in tmux",
	.description =
		"Builds the kernel first if need be, then shows ktb vm and ktb gdb in two panes; it takes the options\n"
		"of both, and what stands behind -- goes to GDB. GDB attaches when the guest has booted, or where it "
		"is\n"
		"held or has stopped before (--wait, a panic); the guest then stands still until GDB's continue.\n"
		"\n"
		"F12 ends both, and leaves nothing behind; so does whatever ends tmux or closes the terminal. F9 goes\n"
		"to the other pane, F8 shows one of them alone, Shift-PgUp scrolls. When GDB is quit the VM runs on,\n"
		"and Enter starts GDB again. When the VM ends so does ktb up, with the exit status of ktb vm. It has "
		"a\n"
		"tmux server of its own: yours, and its configuration, are not touched. In a terminal narrower than\n"
		"140 columns the panes are one above the other.",
	.examples = "  ktb up\n"
		    "  ktb up --memory 4G --break vfs_read\n"
		    "  ktb up --wait --break start_kernel -- -ex continue",
	.takes_rest = true,
	.run = cmd_up,
};
