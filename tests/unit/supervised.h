/*
 * A supervisor with a QEMU that follows a script (fake_qemu.c), as a process of its own: started, asked, waited for.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/util.h"
#include "supervisor/control.h"
#include "supervisor/relay.h"
#include "supervisor/supervisor.h"

enum { PATIENCE_MS = 60000, FAILED = 125 };

struct vm {
	char folder[64];
	struct process supervisor;
	struct supervisor_params params;
	struct strv extra;
	struct vm_record *record; /* as it was found when the VM had started */
	bool disk_full;           /* for the console's log */
	int stderr_fd;            /* what its stderr is; 0: the file "messages" */
	int status;
	char *messages; /* stderr, once it has ended */
	char *commands; /* what QEMU was told */
};

static inline int make(void **state)
{
	struct vm *v = xcalloc(1, sizeof(*v));

	snprintf(v->folder, sizeof(v->folder), "/tmp/ktb-test-vm.XXXXXX");
	if (!mkdtemp(v->folder))
		return -1;
	setenv("XDG_RUNTIME_DIR", v->folder, 1);
	v->supervisor = (struct process)PROCESS_INIT;
	v->params.vm = (struct vm_params){
		.qemu = FAKE_QEMU,
		.kernel = "/nonexistent/vmlinux",
		.cmdline = "",
		.memory = 64 * MIB,
		.cpus = 1,
	};
	*state = v;
	return 0;
}

static inline int unmake(void **state)
{
	struct vm *v = *state;

	process_deinit(&v->supervisor);
	vm_record_destroy(v->record);
	strv_deinit(&v->extra);
	free(v->messages);
	free(v->commands);
	err_ignore(remove_tree(v->folder));
	free(v);
	return 0;
}

static inline void on_started(const struct vm_record *record, void *user)
{
	(void)user;
	fprintf(stderr, "started with %s\n", record->accel);
}

static inline void keep_console_log(const struct vm *v, const char *dir)
{
	_cleanup_(free) char *from = xasprintf("%s/console.log", dir), *to = xasprintf("%s/console.log", v->folder);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct err *e = read_file(from, MIB, &b);

	err_ignore(e ? e : write_file_atomic(to, b.data ? b.data : "", b.len, 0600));
}

/* As `ktb vm --detach` does it. */
static inline __attribute__((noreturn)) void run_supervisor(struct vm *v)
{
	_cleanup_(free) char *path = xasprintf("%s/messages", v->folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), status = FAILED;
	struct vm_record *r = xcalloc(1, sizeof(*r));
	struct rundir *dir;
	struct err *e;

	dup2(v->stderr_fd ? v->stderr_fd : fd, STDERR_FILENO);
	close(fd);
	r->name = xstrdup("t");
	v->params.vm.name = r->name;
	v->params.vm.extra_args = &v->extra;
	v->params.record = r;
	/* It would itself be held up. */
	v->params.started = v->stderr_fd ? NULL : on_started;
	v->params.serve = relay_run;
	e = rundir_create("t", &dir);
	if (!e) {
		r->dir = xstrdup(rundir_path(dir));
		if (v->disk_full && symlinkat("/dev/full", rundir_fd(dir), "console.log") < 0)
			_exit(FAILED);
		v->params.rundir = dir;
		v->params.name_option = " --name t";
		e = supervisor_run(&v->params, &status);
		keep_console_log(v, rundir_path(dir));
		rundir_destroy(dir);
	}
	if (e)
		log_error("%s", err_message(e));
	_exit(e ? FAILED : status);
}

static inline void start(struct vm *v, const char *script)
{
	bool child;

	strv_add(&v->extra, "-fake-log");
	strv_addf(&v->extra, "%s/commands", v->folder);
	strv_add(&v->extra, "-fake");
	strv_add(&v->extra, script);
	assert_null(process_fork(true, &v->supervisor, &child));
	if (child)
		run_supervisor(v);
}

static inline char *read_text(const struct vm *v, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", v->folder, name);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	err_ignore(read_file(path, MIB, &b));
	return xstrndup(buf_str(&b), b.len);
}

/* Waits for the end; what was said is in the VM then. */
static inline void wait_for_end(struct vm *v)
{
	int status;

	assert_null(process_wait_timeout(&v->supervisor, PATIENCE_MS, &status));
	v->messages = read_text(v, "messages");
	v->commands = read_text(v, "commands");
	if (!WIFEXITED(status))
		fail_msg("the supervisor was killed; it said: %s", v->messages);
	v->status = WEXITSTATUS(status);
}

static inline void expect_end(struct vm *v, int status)
{
	wait_for_end(v);
	if (v->status != status)
		fail_msg("ended with %d instead of %d; it said: %s", v->status, status, v->messages);
}

static inline void expect_said(const struct vm *v, const char *text)
{
	if (!strstr(v->messages, text))
		fail_msg("did not say '%s' but: %s", text, v->messages);
}

static inline void expect_not_said(const struct vm *v, const char *text)
{
	if (strstr(v->messages, text))
		fail_msg("said: %s", v->messages);
}

/* What both sides write is there only after a while. */
static inline void wait_for_text(const struct vm *v, const char *file, const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		_cleanup_(free) char *got = read_text(v, file);

		if (strstr(got, text))
			return;
		usleep(10000);
	}
	fail_msg("'%s' never came in %s", text, file);
}

static inline int dial(struct vm *v, const char *name)
{
	int fd = -1;

	for (int i = 0; i < PATIENCE_MS / 10 && !v->record; i++) {
		struct err *e = rundir_find("t", &v->record);

		if (e)
			usleep(10000);
		err_ignore(e);
	}
	assert_non_null(v->record);
	assert_null(rundir_connect(v->record, name, &fd));
	return fd;
}

static inline void wait_for_status(struct vm *v, const char *wanted)
{
	_cleanup_(close) int sock = dial(v, "control.sock");
	_cleanup_(free) char *got = NULL;

	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		free(steal(&got));
		assert_null(control_status(sock, &got));
		if (streq(got, wanted))
			return;
		usleep(10000);
	}
	fail_msg("the status is %s, not %s", got, wanted);
}

/* Asks for the end without waiting for it. */
static inline void ask_to_stop(struct vm *v, const char *request)
{
	_cleanup_(close) int sock = dial(v, "control.sock");
	char answer[256];

	assert_int_equal(write(sock, request, strlen(request)), strlen(request));
	assert_true(read(sock, answer, sizeof(answer)) > 0);
}

#define STOP "{\"op\":\"stop\"}\n"

/* Pieces of scripts. */
#define POWEROFF "event SHUTDOWN {\"guest\": true, \"reason\": \"guest-shutdown\"}\n event STOP\n serve\n"
#define INIT_UP "event VSERPORT_CHANGE {\"open\": true, \"id\": \"init\"}\n"
#define INIT_DOWN "event VSERPORT_CHANGE {\"open\": false, \"id\": \"init\"}\n"

#define SUPERVISED(test) cmocka_unit_test_setup_teardown(test, make, unmake)
