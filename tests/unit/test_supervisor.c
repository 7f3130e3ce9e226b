/*
 * The supervisor with a QEMU that follows a script (fake_qemu.c): how a VM ends, panics and resets, a KVM that fails (which
 * a machine whose KVM works does not show, and one whose KVM doesn't can't), and what else QEMU may do to us.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
	int status;
	char *messages; /* stderr, once it has ended */
	char *commands; /* what QEMU was told */
};

static int make(void **state)
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

static int unmake(void **state)
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

static void on_started(const struct vm_record *record, void *user)
{
	(void)user;
	fprintf(stderr, "started with %s\n", record->accel);
}

static void keep_console_log(const struct vm *v, const char *dir)
{
	_cleanup_(free) char *from = xasprintf("%s/console.log", dir), *to = xasprintf("%s/console.log", v->folder);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct err *e = read_file(from, MIB, &b);

	err_ignore(e ? e : write_file_atomic(to, b.data ? b.data : "", b.len, 0600));
}

/* As `ktb vm --detach` does it. */
static __attribute__((noreturn)) void run_supervisor(struct vm *v)
{
	_cleanup_(free) char *path = xasprintf("%s/messages", v->folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), status = FAILED;
	struct vm_record *r = xcalloc(1, sizeof(*r));
	struct rundir *dir;
	struct err *e;

	dup2(fd, STDERR_FILENO);
	close(fd);
	r->name = xstrdup("t");
	v->params.vm.name = r->name;
	v->params.vm.extra_args = &v->extra;
	v->params.record = r;
	v->params.started = on_started;
	v->params.serve = relay_run;
	e = rundir_create("t", &dir);
	if (!e) {
		r->dir = xstrdup(rundir_path(dir));
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

static void start(struct vm *v, const char *script)
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

static char *read_text(const struct vm *v, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", v->folder, name);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	err_ignore(read_file(path, MIB, &b));
	return xstrndup(buf_str(&b), b.len);
}

/* Waits for the end; what was said is in the VM then. */
static void wait_for_end(struct vm *v)
{
	int status;

	assert_null(process_wait_timeout(&v->supervisor, PATIENCE_MS, &status));
	v->messages = read_text(v, "messages");
	v->commands = read_text(v, "commands");
	if (!WIFEXITED(status))
		fail_msg("the supervisor was killed; it said: %s", v->messages);
	v->status = WEXITSTATUS(status);
}

static void expect_end(struct vm *v, int status)
{
	wait_for_end(v);
	if (v->status != status)
		fail_msg("ended with %d instead of %d; it said: %s", v->status, status, v->messages);
}

static void expect_said(const struct vm *v, const char *text)
{
	if (!strstr(v->messages, text))
		fail_msg("did not say '%s' but: %s", text, v->messages);
}

static void expect_not_said(const struct vm *v, const char *text)
{
	if (strstr(v->messages, text))
		fail_msg("said: %s", v->messages);
}

/* What both sides write is there only after a while. */
static void wait_for_text(const struct vm *v, const char *file, const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		_cleanup_(free) char *got = read_text(v, file);

		if (strstr(got, text))
			return;
		usleep(10000);
	}
	fail_msg("'%s' never came in %s", text, file);
}

static int dial(struct vm *v, const char *name)
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

static void wait_for_status(struct vm *v, const char *wanted)
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
static void ask_to_stop(struct vm *v, const char *request)
{
	_cleanup_(close) int sock = dial(v, "control.sock");
	char answer[256];

	assert_int_equal(write(sock, request, strlen(request)), strlen(request));
	assert_true(read(sock, answer, sizeof(answer)) > 0);
}

#define STOP "{\"op\":\"stop\"}\n"

/* --- Ends --- */

#define POWEROFF "event SHUTDOWN {\"guest\": true, \"reason\": \"guest-shutdown\"}\n event STOP\n serve\n"
#define INIT_UP "event VSERPORT_CHANGE {\"open\": true, \"id\": \"init\"}\n"
#define INIT_DOWN "event VSERPORT_CHANGE {\"open\": false, \"id\": \"init\"}\n"

static void an_orderly_poweroff(void **state)
{
	struct vm *v = *state;
	_cleanup_(free) char *log = NULL;

	start(v, "greet\n say [    0.1] Linux version 6.1\n" INIT_UP POWEROFF);
	expect_end(v, 0);
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
	expect_said(v, "started with tcg");
	log = read_text(v, "console.log");
	assert_string_equal(log, "[    0.1] Linux version 6.1\r\n");
}

static void qemu_that_dies_at_once_tells_why(void **state)
{
	struct vm *v = *state;

	start(v, "stderr qemu-system-x86_64: -bogus: invalid option\n exit 1");
	expect_end(v, FAILED);
	expect_said(v, "ended before the VM ran (exit status 1); it said:\nqemu-system-x86_64: -bogus: invalid option");
	expect_not_said(v, "started");
}

static void qemu_that_dies_after_its_greeting_tells_why(void **state)
{
	struct vm *v = *state;

	start(v, "raw {\"QMP\": {}}\n stderr could not load kernel\n exit 1");
	expect_end(v, FAILED);
	expect_said(v, "could not load kernel");
	expect_not_said(v, "started");
}

static void qemu_that_ends_well_before_the_vm_ran_is_no_success(void **state)
{
	struct vm *v = *state;

	start(v, "stderr QEMU emulator version 7.2\n exit 0");
	expect_end(v, FAILED);
	expect_said(v, "ended before the VM ran (exit status 0)");
}

static void a_program_that_is_not_there(void **state)
{
	struct vm *v = *state;

	v->params.vm.qemu = "qemu-system-nonesuch";
	start(v, "");
	expect_end(v, FAILED);
	expect_said(v, "qemu-system-nonesuch is not installed");
}

static void qemu_that_ends_by_itself(void **state)
{
	struct vm *v = *state;

	/* The monitor's quit, or a debugger's kill. */
	start(v, "greet\n exit 0");
	expect_end(v, 0);
}

static void qemu_that_is_killed(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n stderr something went wrong\n kill");
	expect_end(v, FAILED);
	expect_said(v, "QEMU ended by itself (killed by SIGKILL); it said:\nsomething went wrong");
}

static void qemu_that_fails(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n exit 3");
	expect_end(v, FAILED);
	expect_said(v, "QEMU ended by itself (exit status 3) and said nothing");
}

static void qemu_that_ignores_quit_is_killed(void **state)
{
	struct vm *v = *state;

	v->params.patience.quit = 100;
	start(v, "greet\n event SHUTDOWN {\"reason\": \"guest-shutdown\"}\n deaf");
	expect_end(v, 0);
}

static void asking_twice_does_not_spare_a_qemu_that_ignores_quit(void **state)
{
	struct vm *v = *state;

	v->params.patience.quit = 500;
	start(v, "greet\n" INIT_UP "event SHUTDOWN {\"reason\": \"guest-shutdown\"}\n deaf");
	wait_for_text(v, "commands", "quit");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
}

static void qemu_that_never_greets_is_killed_in_the_end(void **state)
{
	struct vm *v = *state;

	v->params.patience.start = 300;
	start(v, "stderr waiting for Godot\n deaf");
	expect_end(v, FAILED);
	expect_said(v, "gave no answer in time");
	expect_said(v, "waiting for Godot");
	expect_not_said(v, "started");
}

static void one_that_never_greets_can_be_ended_before(void **state)
{
	struct vm *v = *state;

	v->params.patience.quit = 100;
	start(v, "stderr hello\n deaf");
	wait_for_status(v, "running");
	process_kill(&v->supervisor, SIGTERM);
	expect_end(v, 128 + SIGTERM);
}

static void signals(void **state)
{
	static const int numbers[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		void *own;
		struct vm *v;

		assert_int_equal(make(&own), 0);
		v = own;
		start(v, "greet\n serve");
		wait_for_text(v, "messages", "started");
		process_kill(&v->supervisor, numbers[i]);
		expect_end(v, 128 + numbers[i]);
		assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
		unmake(&own);
	}
}

static void qemu_dies_with_the_supervisor(void **state)
{
	struct vm *v = *state;
	_cleanup_(free) char *children = NULL, *text = NULL;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct err *e;
	uint64_t pid;
	int status;

	start(v, "greet\n serve");
	wait_for_text(v, "messages", "started");
	children = xasprintf("/proc/%d/task/%d/children", (int)v->supervisor.pid, (int)v->supervisor.pid);
	assert_null(read_file(children, 4096, &b));
	assert_null(parse_u64(strip(b.data), INT32_MAX, &pid));
	process_kill(&v->supervisor, SIGKILL);
	assert_null(process_wait(&v->supervisor, &status));
	text = xasprintf("/proc/%d/exe", (int)pid);
	for (int i = 0; i < PATIENCE_MS / 10 && access(text, F_OK) == 0; i++)
		usleep(10000);
	assert_int_not_equal(access(text, F_OK), 0);
	e = rundir_find("t", &v->record);
	assert_non_null(e);
	err_destroy(e);
}

static void garbage_from_qemu_ends_it(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n raw this is not JSON\n deaf");
	expect_end(v, FAILED);
	expect_said(v, "QMP: not JSON");
}

static void odd_events_do_no_harm(void **state)
{
	struct vm *v = *state;

	start(v,
	      "greet\n event SOMETHING\n event VSERPORT_CHANGE\n event VSERPORT_CHANGE "
	      "{\"open\": []}\n"
	      "raw {\"return\": {}, \"id\": 4711}\n raw {\"error\": {\"desc\": null}}\n event RESET\n event RESUME 5\n"
	      "event STOP []\n event SHUTDOWN {\"reason\": null}\n serve");
	expect_end(v, 0);
}

/* --- Requests --- */

static void stop_asks_the_guest(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "greet\n" INIT_UP "frame 2\n frame 3\n" POWEROFF);
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 50, 300));
	wait_for_text(v, "commands", "size 50 300");
	assert_null(control_stop(sock, false));
	expect_end(v, 0);
	expect_not_said(v, "did not power off");
}

static void a_size_known_before_is_sent_when_init_is_up(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "hear now\n greet\n" INIT_UP "frame 2\n" INIT_DOWN INIT_UP "frame 2\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 25, 81));
	_cleanup_(close) int serial = dial(v, "serial.sock");
	assert_int_equal(write(serial, "now", 3), 3);
	wait_for_text(v, "commands", "size 25 81\nsize 25 81");
	assert_null(control_stop(sock, true));
	expect_end(v, 0);
}

static void a_guest_that_does_not_power_off_is_ended(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	v->params.patience.stop = 200;
	start(v, "greet\n" INIT_UP "frame 2\n frame 3\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_resize(sock, 24, 80));
	wait_for_text(v, "commands", "size 24 80");
	assert_null(control_stop(sock, false));
	expect_end(v, 0);
	expect_said(v, "the guest did not power off; ending the VM");
}

static void stop_does_not_ask_one_that_can_not_hear(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "greet\n event STOP\n status paused\n serve");
	wait_for_status(v, "paused");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false));
	expect_end(v, 0);
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

static void the_ram_is_shared_for_reading(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1, ram = -1;
	uint64_t size;
	void *p;

	start(v, "greet\n serve");
	sock = dial(v, "control.sock");
	assert_null(control_ram(sock, &ram, &size));
	assert_int_equal(size, 64 * MIB);
	assert_int_equal(lseek(ram, 0, SEEK_END), 64 * MIB);
	assert_int_equal(fcntl(ram, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(ram, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	p = mmap(NULL, MIB, PROT_READ, MAP_SHARED, ram, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_ptr_equal(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0), MAP_FAILED);
	assert_null(control_stop(sock, true));
	expect_end(v, 0);
	/* It outlives QEMU and the supervisor. */
	assert_int_equal(*(volatile char *)p, 0);
	munmap(p, MIB);
}

/* Forty requests: were a descriptor left behind each time, it would show. */
static void asking_for_the_ram_costs_no_descriptor(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;
	_cleanup_(free) char *path = NULL;
	int counts[2] = { 0, 0 };

	start(v, "greet\n serve");
	wait_for_text(v, "messages", "started");
	sock = dial(v, "control.sock");
	path = xasprintf("/proc/%d/fd", (int)v->supervisor.pid);
	for (int i = 0; i < 2; i++) {
		_cleanup_(closedir) DIR *dir = NULL;
		_cleanup_(free) char *status = NULL;

		for (int j = 0; j < 40 * i; j++) {
			_cleanup_(close) int ram = -1;
			uint64_t size;

			assert_null(control_ram(sock, &ram, &size));
		}
		/* What comes before its answer is done with. */
		assert_null(control_status(sock, &status));
		dir = opendir(path);
		assert_non_null(dir);
		while (readdir(dir))
			counts[i]++;
	}
	assert_int_equal(counts[0], counts[1]);
	assert_null(control_stop(sock, true));
	expect_end(v, 0);
}

static void the_console_goes_both_ways(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int serial = -1, other = -1;
	char text[64] = "";

	start(v, "greet\n hear knock\n say come in\n serve");
	serial = dial(v, "serial.sock");
	other = dial(v, "serial.sock");
	/* Both are known once the control socket, which came later, has answered. */
	wait_for_status(v, "running");
	assert_int_equal(write(serial, "knock", 5), 5);
	assert_int_equal(recv(serial, text, 9, MSG_WAITALL), 9);
	assert_string_equal(text, "come in\r\n");
	assert_int_equal(recv(other, text, 9, MSG_WAITALL), 9);
	ask_to_stop(v, STOP);
	/* The end of the VM is the end of the connection. */
	assert_int_equal(recv(serial, text, 1, 0), 0);
	expect_end(v, 0);
}

/* --- Panics and resets --- */

#define PANIC "say [    1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n"
#define PANIC_TEXT "the guest panicked: Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
#define PVPANIC "status guest-panicked\n event GUEST_PANICKED {\"action\": \"pause\"}\n event STOP\n"

static void a_panic_pauses(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	/* The text and the event come at the same moment. */
	start(v, "greet\n hold\n" PANIC PVPANIC "release\n serve");
	wait_for_status(v, "panicked");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false));
	expect_end(v, SUPERVISOR_PANIC);
	expect_said(v, PANIC_TEXT);
	expect_said(v, "ktb gdb --name t");
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

static void a_panic_ends_it_if_wanted(void **state)
{
	struct vm *v = *state;

	v->params.on_panic = ON_PANIC_EXIT;
	start(v, "greet\n" PVPANIC "serve");
	expect_end(v, SUPERVISOR_PANIC);
	expect_said(v, "the guest panicked: Kernel panic (it left no message on the console)");
}

#define RESET_COMMANDS "set-action{\"reboot\":\"reset\"}\nsystem_reset\nset-action{\"reboot\":\"shutdown\"}\ncont\n"

static void a_panic_reboots_if_wanted(void **state)
{
	struct vm *v = *state;

	v->params.on_panic = ON_PANIC_REBOOT;
	start(v, "greet\n hold\n" PANIC PVPANIC "release\n answer set-action\n answer system_reset\n event RESET\n"
		 "answer set-action\n answer cont\n status running\n event RESUME\n" POWEROFF);
	expect_end(v, SUPERVISOR_PANIC);
	expect_said(v, PANIC_TEXT "; starting it again");
	assert_string_equal(v->commands, "qmp_capabilities\n" RESET_COMMANDS "quit\n");
}

/* Before the driver is there, panic=-1 makes a reset of it. */
static void an_early_panic_is_no_reboot(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v,
	      "greet\n hold\n" PANIC
	      "status shutdown\n event SHUTDOWN {\"guest\": true, \"reason\": \"guest-reset\"}\n event STOP\n release\n"
	      "serve");
	wait_for_status(v, "panicked");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false));
	expect_end(v, SUPERVISOR_PANIC);
	expect_said(v, PANIC_TEXT);
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

static void a_reboot_after_talk_of_panics_is_one(void **state)
{
	struct vm *v = *state;

	start(v,
	      "greet\n" INIT_UP PANIC "say [    9.9] reboot: Restarting system\n reset guest-reset\n" INIT_UP POWEROFF);
	expect_end(v, 0);
	expect_not_said(v, "panicked");
	assert_string_equal(v->commands, "qmp_capabilities\n" RESET_COMMANDS "quit\n");
}

static void a_guest_may_reboot_as_often_as_it_likes(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n" INIT_UP "reset guest-reset\n" INIT_UP "reset guest-reset\n" INIT_UP
		 "reset guest-reset\n" INIT_UP "reset host-qmp-system-reset\n" INIT_UP
		 "reset subsystem-reset\n" INIT_UP POWEROFF);
	expect_end(v, 0);
	expect_not_said(v, "reset itself");
}

static void one_that_never_comes_up_is_paused_in_the_end(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	start(v, "greet\n reset guest-reset\n reset guest-reset\n status shutdown\n"
		 "event SHUTDOWN {\"reason\": \"guest-reset\"}\n event STOP\n serve");
	wait_for_status(v, "shutdown");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false));
	expect_end(v, 0);
	expect_said(v, "the guest reset itself 3 times before it came up");
}

/* --- KVM --- */

#define GIVES_UP "status internal-error\n event STOP\n serve\n"

static void kvm_that_fails_early_is_replaced(void **state)
{
	struct vm *v = *state;

	v->params.accel_auto = true;
	v->params.vm.accel = VM_ACCEL_KVM;
	start(v, "greet\n kvm: stderr KVM internal error. Suberror: 1\n"
		 "kvm: status internal-error\n kvm: event STOP\n kvm: serve\n" INIT_UP "hear go\n" POWEROFF);
	wait_for_text(v, "messages", "starting again with TCG");
	wait_for_status(v, "running");
	/* The console and the sockets are those that were there before. */
	_cleanup_(close) int serial = dial(v, "serial.sock");
	assert_int_equal(write(serial, "go", 2), 2);
	expect_end(v, 0);
	expect_said(v, "started with kvm");
	expect_not_said(v, "started with tcg");
	expect_not_said(v, "Suberror");
	assert_string_equal(v->commands, "qmp_capabilities\nquit\nqmp_capabilities\nquit\n");
}

static void the_record_tells_of_the_change(void **state)
{
	struct vm *v = *state;

	v->params.accel_auto = true;
	v->params.vm.accel = VM_ACCEL_KVM;
	start(v, "greet\n kvm: status internal-error\n kvm: event STOP\n kvm: serve\n" INIT_UP "say with TCG\n serve");
	wait_for_text(v, "messages", "starting again with TCG");
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		vm_record_destroy(steal(&v->record));
		close(dial(v, "control.sock"));
		if (streq(v->record->accel, "tcg"))
			break;
		usleep(10000);
	}
	assert_string_equal(v->record->accel, "tcg");
	ask_to_stop(v, "{\"op\":\"stop\",\"force\":true}\n");
	expect_end(v, 0);
}

static void kvm_that_fails_later_is_the_end(void **state)
{
	struct vm *v = *state;

	v->params.accel_auto = true;
	v->params.vm.accel = VM_ACCEL_KVM;
	start(v, "greet\n stderr KVM internal error. Suberror: 1\n" INIT_UP GIVES_UP);
	expect_end(v, FAILED);
	expect_said(v, "KVM gave up on the guest (internal error); try --accel tcg");
	expect_said(v, "QEMU said:\nKVM internal error. Suberror: 1");
}

static void kvm_that_was_demanded_is_not_replaced(void **state)
{
	struct vm *v = *state;

	v->params.vm.accel = VM_ACCEL_KVM;
	start(v, "greet\n" GIVES_UP);
	expect_end(v, FAILED);
	expect_said(v, "KVM gave up on the guest");
}

static void who_ends_it_meanwhile_gets_no_second_start(void **state)
{
	struct vm *v = *state;

	v->params.accel_auto = true;
	v->params.vm.accel = VM_ACCEL_KVM;
	v->params.patience.quit = 1000;
	start(v, "greet\n kvm: status internal-error\n kvm: event STOP\n kvm: answer query-status\n"
		 "kvm: deaf\n" POWEROFF);
	wait_for_text(v, "messages", "starting again with TCG");
	process_kill(&v->supervisor, SIGTERM);
	expect_end(v, 128 + SIGTERM);
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

/* --- The debugger --- */

static int dial_port(struct vm *v)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	close(dial(v, "control.sock"));
	address.sin_port = htons(v->record->port);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void a_debugger_that_goes_on_leaves_nothing_to_say(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int client = -1;
	char c;

	v->params.has_port = true;
	/* The detach and the client's end are seen together. */
	start(v, "greet\n answer stop\n event STOP\n attach +$D#44\n event RESUME\n serve");
	client = dial_port(v);
	assert_int_equal(write(client, "+$D#44", 6), 6);
	assert_true(read(client, &c, 1) <= 0);
	wait_for_status(v, "running");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
	expect_not_said(v, "left the VM stopped");
}

static void a_debugger_that_leaves_it_stopped_is_reported(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int client = -1;

	v->params.has_port = true;
	start(v, "greet\n answer stop\n event STOP\n status paused\n attach +$?#3f\n serve");
	client = dial_port(v);
	assert_int_equal(write(client, "+$?#3f", 6), 6);
	wait_for_text(v, "messages", "left the VM stopped");
	wait_for_status(v, "paused");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
}

#define SUPERVISED(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUPERVISED(an_orderly_poweroff),
		SUPERVISED(qemu_that_dies_at_once_tells_why),
		SUPERVISED(qemu_that_dies_after_its_greeting_tells_why),
		SUPERVISED(qemu_that_ends_well_before_the_vm_ran_is_no_success),
		SUPERVISED(a_program_that_is_not_there),
		SUPERVISED(qemu_that_ends_by_itself),
		SUPERVISED(qemu_that_is_killed),
		SUPERVISED(qemu_that_fails),
		SUPERVISED(qemu_that_ignores_quit_is_killed),
		SUPERVISED(asking_twice_does_not_spare_a_qemu_that_ignores_quit),
		SUPERVISED(qemu_that_never_greets_is_killed_in_the_end),
		SUPERVISED(one_that_never_greets_can_be_ended_before),
		cmocka_unit_test(signals),
		SUPERVISED(qemu_dies_with_the_supervisor),
		SUPERVISED(garbage_from_qemu_ends_it),
		SUPERVISED(odd_events_do_no_harm),
		SUPERVISED(stop_asks_the_guest),
		SUPERVISED(a_size_known_before_is_sent_when_init_is_up),
		SUPERVISED(a_guest_that_does_not_power_off_is_ended),
		SUPERVISED(stop_does_not_ask_one_that_can_not_hear),
		SUPERVISED(the_ram_is_shared_for_reading),
		SUPERVISED(asking_for_the_ram_costs_no_descriptor),
		SUPERVISED(the_console_goes_both_ways),
		SUPERVISED(a_panic_pauses),
		SUPERVISED(a_panic_ends_it_if_wanted),
		SUPERVISED(a_panic_reboots_if_wanted),
		SUPERVISED(an_early_panic_is_no_reboot),
		SUPERVISED(a_reboot_after_talk_of_panics_is_one),
		SUPERVISED(a_guest_may_reboot_as_often_as_it_likes),
		SUPERVISED(one_that_never_comes_up_is_paused_in_the_end),
		SUPERVISED(kvm_that_fails_early_is_replaced),
		SUPERVISED(the_record_tells_of_the_change),
		SUPERVISED(kvm_that_fails_later_is_the_end),
		SUPERVISED(kvm_that_was_demanded_is_not_replaced),
		SUPERVISED(who_ends_it_meanwhile_gets_no_second_start),
		SUPERVISED(a_debugger_that_goes_on_leaves_nothing_to_say),
		SUPERVISED(a_debugger_that_leaves_it_stopped_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
