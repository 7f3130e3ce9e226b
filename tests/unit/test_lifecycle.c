/*
 * How a VM ends, panics and resets, with a QEMU that follows a script; a KVM that fails, too (which a machine whose KVM works
 * does not show, and one whose KVM doesn't can't), and what else QEMU may do to us.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include "supervised.h"

#include <signal.h>

/* --- Ends --- */

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
		void *own = NULL;
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
	assert_null(control_stop(sock, false, NULL, NULL));
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

#define MONITOR(line) "human-monitor-command{\"command-line\":\"" line "\"}\n"
#define CLEAR_MEMORY_MAP                                                                                               \
	MONITOR("o/w 0xcf8 0x80000090")                                                                                \
	MONITOR("o/w 0xcfc 0")                                                                                         \
	MONITOR("o/w 0xcf8 0x80000094") MONITOR("o/h 0xcfc 0") MONITOR("o/b 0xcfe 0")
#define RESET_COMMANDS                                                                                                 \
	CLEAR_MEMORY_MAP "set-action{\"reboot\":\"reset\"}\nsystem_reset\nset-action{\"reboot\":\"shutdown\"}\ncont\n"

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
	assert_null(control_stop(sock, false, NULL, NULL));
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

/* The kernel tries one way after the other, and all of them work. */
static void a_reset_that_is_reported_twice_is_one(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n" INIT_UP "hold\n event SHUTDOWN {\"guest\": true, \"reason\": \"guest-reset\"}\n event STOP\n"
		 "event SHUTDOWN {\"guest\": true, \"reason\": \"guest-reset\"}\n"
		 "event SHUTDOWN {\"guest\": true, \"reason\": \"host-qmp-system-reset\"}\n release\n"
		 "answer set-action\n answer system_reset\n event RESET\n"
		 "answer set-action\n answer cont\n event RESUME\n" INIT_UP POWEROFF);
	expect_end(v, 0);
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
	assert_null(control_stop(sock, false, NULL, NULL));
	expect_end(v, 0);
	expect_said(v, "the guest reset itself 3 times before it came up");
}

#define INIT_RUN "say [    0.9] Run /init as init process\n"

/* It never opens a port of ours. */
static void a_system_with_its_own_init_may_reboot_too(void **state)
{
	struct vm *v = *state;

	v->params.own_init = true;
	start(v, "greet\n" INIT_RUN "reset guest-reset\n" INIT_RUN "reset guest-reset\n" INIT_RUN
		 "reset guest-reset\n" INIT_RUN "reset guest-reset\n" INIT_RUN POWEROFF);
	expect_end(v, 0);
	expect_not_said(v, "reset itself");
}

/* With quiet it doesn't even say that, but takes its time. */
static void a_silent_one_too(void **state)
{
	struct vm *v = *state;

	v->params.own_init = true;
	v->params.patience.up = 50;
	start(v, "greet\n wait 60\n reset guest-reset\n wait 60\n reset guest-reset\n wait 60\n reset guest-reset\n"
		 "wait 60\n reset guest-reset\n" POWEROFF);
	expect_end(v, 0);
	expect_not_said(v, "reset itself");
}

static void with_its_own_init_it_is_paused_in_the_end_too(void **state)
{
	struct vm *v = *state;
	_cleanup_(close) int sock = -1;

	v->params.own_init = true;
	start(v, "greet\n" INIT_RUN "reset guest-reset\n reset guest-reset\n reset guest-reset\n status shutdown\n"
		 "event SHUTDOWN {\"reason\": \"guest-reset\"}\n event STOP\n serve");
	wait_for_status(v, "shutdown");
	sock = dial(v, "control.sock");
	assert_null(control_stop(sock, false, NULL, NULL));
	expect_end(v, 0);
	expect_said(v, "the guest reset itself 3 times before it came up");
}

/* --- Asked to power off --- */

static void a_guest_that_ignores_the_power_button(void **state)
{
	struct vm *v = *state;

	v->params.own_init = true;
	v->params.patience.stop = 100;
	start(v, "greet\n answer system_powerdown\n serve");
	wait_for_text(v, "messages", "started");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
	expect_said(v, "the guest did not power off");
	assert_string_equal(v->commands, "qmp_capabilities\nsystem_powerdown\nquit\n");
}

/* The timer for QEMU's first answer runs then. */
static void one_that_is_asked_before_qemu_has_answered(void **state)
{
	struct vm *v = *state;

	v->params.own_init = true;
	v->params.patience.stop = 300;
	start(v, "wait 200\n greet\n serve");
	ask_to_stop(v, STOP);
	expect_end(v, 0);
	expect_said(v, "the guest did not power off");
	assert_string_equal(v->commands, "qmp_capabilities\nsystem_powerdown\nquit\n");
}

/* Why it stopped may be told after it has gone on. */
static void an_answer_that_comes_late_is_no_news(void **state)
{
	struct vm *v = *state;

	start(v, "greet\n status debug\n event STOP\n event RESUME\n answer query-status\n status paused\n event "
		 "STOP\n serve");
	wait_for_status(v, "paused");
	ask_to_stop(v, "{\"op\":\"stop\",\"force\":true}\n");
	expect_end(v, 0);
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
	v->params.vm.cmdline = "quiet";
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
	assert_string_equal(v->record->cmdline, "no_timer_check tsc=reliable quiet");
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

static void with_its_own_init_too(void **state)
{
	struct vm *v = *state;

	v->params.own_init = true;
	v->params.accel_auto = true;
	v->params.vm.accel = VM_ACCEL_KVM;
	start(v, "greet\n" INIT_RUN GIVES_UP);
	expect_end(v, FAILED);
	expect_said(v, "KVM gave up on the guest (internal error); try --accel tcg");
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

/* --- The sandbox --- */

static void qemu_without_a_sandbox_is_started_without(void **state)
{
	struct vm *v = *state;

	start(v, "box: stderr qemu: -sandbox on: -sandbox support is not enabled in this QEMU\n box: exit 1\n"
		 "greet\n" INIT_UP POWEROFF);
	expect_end(v, 0);
	expect_said(v, "started with tcg");
	assert_string_equal(v->commands, "qmp_capabilities\nquit\n");
}

static void what_it_forbids_is_explained(void **state)
{
	struct vm *v = *state;
	_cleanup_(free) char *script = xasprintf("greet\n kill %d", SIGSYS);

	start(v, script);
	expect_end(v, FAILED);
	expect_said(v, "QEMU ended by itself (killed by SIGSYS)");
	expect_said(v, "--qemu-arg=-sandbox --qemu-arg=off");
}

static void it_is_tried_once(void **state)
{
	struct vm *v = *state;

	start(v, "stderr qemu: -sandbox on: no such option\n exit 1");
	expect_end(v, FAILED);
	expect_said(v, "ended before the VM ran (exit status 1); it said:\nqemu: -sandbox on: no such option");
}

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
		SUPERVISED(a_panic_pauses),
		SUPERVISED(a_panic_ends_it_if_wanted),
		SUPERVISED(a_panic_reboots_if_wanted),
		SUPERVISED(an_early_panic_is_no_reboot),
		SUPERVISED(a_reboot_after_talk_of_panics_is_one),
		SUPERVISED(a_reset_that_is_reported_twice_is_one),
		SUPERVISED(a_guest_may_reboot_as_often_as_it_likes),
		SUPERVISED(one_that_never_comes_up_is_paused_in_the_end),
		SUPERVISED(a_system_with_its_own_init_may_reboot_too),
		SUPERVISED(a_silent_one_too),
		SUPERVISED(with_its_own_init_it_is_paused_in_the_end_too),
		SUPERVISED(a_guest_that_ignores_the_power_button),
		SUPERVISED(one_that_is_asked_before_qemu_has_answered),
		SUPERVISED(an_answer_that_comes_late_is_no_news),
		SUPERVISED(kvm_that_fails_early_is_replaced),
		SUPERVISED(the_record_tells_of_the_change),
		SUPERVISED(kvm_that_fails_later_is_the_end),
		SUPERVISED(with_its_own_init_too),
		SUPERVISED(kvm_that_was_demanded_is_not_replaced),
		SUPERVISED(who_ends_it_meanwhile_gets_no_second_start),
		SUPERVISED(qemu_without_a_sandbox_is_started_without),
		SUPERVISED(what_it_forbids_is_explained),
		SUPERVISED(it_is_tried_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
