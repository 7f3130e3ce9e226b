/*
 * How a VM ends. QEMU runs with -action panic=pause,reboot=shutdown,shutdown=pause: whatever the guest does, QEMU stops
 * it, tells by an event, and waits. So nothing is lost between the event and the decision:
 *
 *	SHUTDOWN guest-shutdown     orderly poweroff: quit
 *	SHUTDOWN guest-reset        a reboot: reset and go on; but a panic, if one was just printed (before the pvpanic
 *	                            driver is there, panic=-1 turns a panic into a reset)
 *	GUEST_PANICKED              a panic: what on_panic says
 *	STOP, and the status is     KVM gave up: again with TCG if that may be, else the end
 *	internal-error
 *
 * The end itself is in two steps: an outcome is set and QEMU asked to quit; the loop ends when the process has, so that
 * all its output is there. A QEMU that ends by itself is an outcome of its own.
 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/stream.h"
#include "guest/frame.h"
#include "supervisor/console.h"
#include "supervisor/control.h"
#include "vm/panic.h"
#include "vm/qemu.h"
#include "vm/qmp.h"

enum {
	STDERR_KEEP = 8192, /* what QEMU last said */
	MESSAGES_MAX = 1 << 20,
	START_TIMEOUT_MS = 60000, /* see struct supervisor_patience */
	QUIT_TIMEOUT_MS = 3000,
	STOP_TIMEOUT_MS = 15000,
	EARLY_RESETS_MAX = 3, /* resets in a row before init is up: the kernel doesn't boot */
};

enum outcome {
	OUTCOME_NONE,
	OUTCOME_POWEROFF,
	OUTCOME_ENDED, /* by the user: a key, ktb stop, the debugger, the monitor */
	OUTCOME_SIGNAL,
	OUTCOME_BROKEN, /* QEMU died, or can't go on */
	OUTCOME_TRY_TCG,
};

struct supervisor {
	const struct supervisor_params *params;
	struct vm_params vm; /* with the accelerator in use */
	struct loop *loop;
	struct console *console;
	struct control *control;
	struct debugport *debugport;
	struct debugport_callbacks debugport_callbacks;
	int stub_fd;

	struct qemu qemu;
	struct qmp *qmp;
	struct stream *init;     /* init's port */
	struct stream *messages; /* QEMU's stderr */
	struct buf last_words;
	struct loop_source *ended;
	struct loop_source *timer;

	bool started;  /* QEMU has answered */
	bool init_up;  /* init has opened its port */
	bool was_up;   /* ... at some time since QEMU started */
	bool running;  /* the CPUs run */
	bool panicked; /* since the last reset */
	bool ever_panicked;
	bool resetting;
	unsigned int early_resets;
	uint16_t rows, cols; /* 0: not known */
	struct panic_watch panic;
	const char *status; /* as control answers it */

	enum outcome outcome;
	int signal_number;
};

/* --- The end --- */

static struct err *kill_qemu(struct loop_source *source, int fd, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)fd;
	(void)revents;
	s->timer = NULL;
	log_debug("QEMU did not do in time what it was asked for, and is killed");
	process_kill(&s->qemu.process, SIGKILL);
	return NULL;
}

static void start_timer(struct supervisor *s, unsigned int ms, unsigned int usual_ms, loop_callback cb)
{
	ms = ms ? ms : usual_ms;
	loop_remove(s->timer);
	s->timer = loop_add_timer(s->loop, now_ns() + ms * NSEC_PER_MSEC, cb, s);
}

/* Decides how it ended, unless that is decided already, and has QEMU quit. */
static void end_vm(struct supervisor *s, enum outcome outcome)
{
	/* It is quitting already; but who wants the end doesn't want it started again. */
	if (s->outcome == OUTCOME_TRY_TCG)
		s->outcome = outcome;
	if (s->outcome != OUTCOME_NONE)
		return;
	s->outcome = outcome;
	qmp_command(s->qmp, "quit", NULL, NULL, NULL);
	start_timer(s, s->params->patience.quit, QUIT_TIMEOUT_MS, kill_qemu);
}

static struct err *quit_late(struct loop_source *source, int fd, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)fd;
	(void)revents;
	s->timer = NULL;
	console_note(s->console, "the guest did not power off; ending the VM");
	end_vm(s, OUTCOME_ENDED);
	return NULL;
}

/* --- Init's port --- */

static void send_frame(struct supervisor *s, const uint8_t *frame, size_t len)
{
	if (s->init && s->init_up)
		stream_write(s->init, frame, len);
}

static void send_size(struct supervisor *s)
{
	const struct frame_winsize size = { .rows = s->rows, .cols = s->cols };
	uint8_t frame[KTB_FRAME_SMALL];

	if (s->rows)
		send_frame(s, frame, frame_put_winsize(frame, &size));
}

static void on_resize(uint16_t rows, uint16_t cols, void *user)
{
	struct supervisor *s = user;

	s->rows = rows;
	s->cols = cols;
	send_size(s);
}

/* --- Resets and panics --- */

static struct err *on_reset_armed(struct json_object *value, const char *error, void *user)
{
	(void)value;
	(void)user;
	if (error)
		log_debug("reset: %s", error);
	return NULL;
}

static struct json_object *reboot_action(const char *action)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "reboot", json_object_new_string(action));
	return arguments;
}

/* The guest's resets only stop it; so for ours that is lifted until the RESET event has come. */
static void reset_vm(struct supervisor *s)
{
	s->resetting = true;
	s->panicked = false;
	s->init_up = false;
	memset(&s->panic, 0, sizeof(s->panic));
	qmp_command(s->qmp, "set-action", reboot_action("reset"), on_reset_armed, s);
	qmp_command(s->qmp, "system_reset", NULL, on_reset_armed, s);
}

static void finish_reset(struct supervisor *s)
{
	if (!s->resetting)
		return;
	s->resetting = false;
	s->status = "running";
	qmp_command(s->qmp, "set-action", reboot_action("shutdown"), on_reset_armed, s);
	/* A debugger was told that the VM has stopped; going on behind its back it would lose track. */
	if (s->debugport && debugport_busy(s->debugport)) {
		s->status = "debug";
		console_note(s->console, "the guest restarts: it is held at reset until the debugger continues");
		return;
	}
	qmp_command(s->qmp, "cont", NULL, on_reset_armed, s);
}

static const char *panic_text(const struct supervisor *s)
{
	const char *line = panic_watch_line(&s->panic);

	return line ? line : "Kernel panic (it left no message on the console)";
}

static const char *how_to_end(const struct supervisor *s)
{
	return s->params->terminal ? "Ctrl-a x" : "ktb stop";
}

static void handle_panic(struct supervisor *s)
{
	if (s->panicked)
		return;
	s->panicked = s->ever_panicked = true;
	s->status = "panicked";
	switch (s->params->on_panic) {
	case ON_PANIC_PAUSE:
		console_note(s->console,
			     "the guest panicked: %s\n"
			     "The VM is paused as it was; look at it with: ktb gdb%s. End it with %s.",
			     panic_text(s), s->params->name_option, how_to_end(s));
		return;
	case ON_PANIC_REBOOT:
		console_note(s->console, "the guest panicked: %s; starting it again", panic_text(s));
		reset_vm(s);
		return;
	case ON_PANIC_EXIT:
		console_note(s->console, "the guest panicked: %s", panic_text(s));
		end_vm(s, OUTCOME_ENDED);
		return;
	}
}

static void handle_guest_reset(struct supervisor *s)
{
	if (panic_watch_line(&s->panic) && !s->panicked) {
		handle_panic(s);
		return;
	}
	/* A debugger that leaves lets it go on, and then panic=-1 would restart it: what was to be looked at is gone. */
	if (s->panicked && s->params->on_panic == ON_PANIC_PAUSE) {
		console_note(s->console,
			     "the guest went on and wanted to restart after its panic; the VM stays paused as "
			     "it was");
		s->status = "panicked";
		return;
	}
	s->early_resets = s->was_up ? 0 : s->early_resets + 1;
	if (s->early_resets >= EARLY_RESETS_MAX) {
		console_note(s->console,
			     "the guest reset itself %u times before it came up (a triple fault early in boot?)\n"
			     "The VM is paused as it was; look at it with: ktb gdb%s. End it with %s.",
			     s->early_resets, s->params->name_option, how_to_end(s));
		s->status = "shutdown";
		s->early_resets = 0;
		return;
	}
	s->was_up = false;
	reset_vm(s);
}

static void handle_shutdown(struct supervisor *s, struct json_object *data)
{
	struct json_object *value = NULL;
	const char *reason = json_object_object_get_ex(data, "reason", &value) ? json_object_get_string(value) : NULL;

	reason = reason ? reason : "";
	log_debug("QEMU: shutdown, %s", reason);
	if (streq(reason, "guest-reset") || streq(reason, "subsystem-reset"))
		handle_guest_reset(s);
	else if (streq(reason, "host-qmp-system-reset"))
		reset_vm(s);
	else if (streq(reason, "guest-shutdown"))
		end_vm(s, OUTCOME_POWEROFF);
	else if (streq(reason, "guest-panic"))
		handle_panic(s);
	else if (streq(reason, "host-signal") || streq(reason, "host-error")) {
		console_note(s->console, "QEMU was ended from outside (%s)", reason);
		end_vm(s, OUTCOME_BROKEN);
	} else {
		end_vm(s, OUTCOME_ENDED);
	}
}

/* --- What QEMU says --- */

static void handle_internal_error(struct supervisor *s)
{
	s->status = "internal-error";
	if (s->params->accel_auto && s->vm.accel == VM_ACCEL_KVM && !s->was_up) {
		console_note(s->console, "KVM gave up early in boot; starting again with TCG");
		end_vm(s, OUTCOME_TRY_TCG);
		return;
	}
	console_note(s->console, "%s gave up on the guest (internal error)%s",
		     s->vm.accel == VM_ACCEL_KVM ? "KVM" : "QEMU",
		     s->vm.accel == VM_ACCEL_KVM ? "; try --accel tcg" : "");
	end_vm(s, OUTCOME_BROKEN);
}

static struct err *on_status(struct json_object *answer, const char *error, void *user)
{
	struct supervisor *s = user;
	struct json_object *value = NULL;
	const char *status;

	if (error || !json_object_object_get_ex(answer, "status", &value))
		return NULL;
	status = json_object_get_string(value);
	if (status && streq(status, "internal-error"))
		handle_internal_error(s);
	else if (status && streq(status, "debug"))
		s->status = "debug";
	return NULL;
}

static void handle_port(struct supervisor *s, struct json_object *data)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(data, "open", &value))
		return;
	s->init_up = json_object_get_boolean(value);
	if (!s->init_up)
		return;
	s->was_up = true;
	s->early_resets = 0;
	send_size(s);
}

static struct err *on_event(const char *event, struct json_object *data, void *user)
{
	struct supervisor *s = user;

	log_debug("QEMU: event %s", event);
	/* A panic's text came before the event that it led to. */
	if (streq(event, "SHUTDOWN") || streq(event, "GUEST_PANICKED"))
		console_catch_up(s->console);
	if (streq(event, "SHUTDOWN")) {
		handle_shutdown(s, data);
	} else if (streq(event, "GUEST_PANICKED")) {
		handle_panic(s);
	} else if (streq(event, "RESET")) {
		finish_reset(s);
	} else if (streq(event, "VSERPORT_CHANGE")) {
		handle_port(s, data);
	} else if (streq(event, "RESUME")) {
		s->running = true;
		s->status = "running";
	} else if (streq(event, "STOP")) {
		s->running = false;
		if (streq(s->status, "running"))
			s->status = "paused";
		qmp_command(s->qmp, "query-status", NULL, on_status, s);
	}
	return NULL;
}

static struct err *on_message(struct stream *stream, const char *bytes, size_t len, void *user)
{
	struct supervisor *s = user;

	(void)stream;
	log_debug("QEMU: %.*s", (int)len, bytes);
	buf_append(&s->last_words, bytes, len);
	if (s->last_words.len > STDERR_KEEP)
		buf_consume(&s->last_words, s->last_words.len - STDERR_KEEP);
	return NULL;
}

static struct err *on_end_of_stream(struct stream *stream, void *user)
{
	(void)stream;
	(void)user;
	return NULL;
}

static const struct stream_callbacks message_callbacks = { .data = on_message, .closed = on_end_of_stream };
/* What the guest's init says is not read here: the supervisor parses nothing that a guest wrote. */
static const struct stream_callbacks init_callbacks = { .closed = on_end_of_stream };

static struct err *on_qemu_ended(struct loop_source *source, int fd, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(s->loop);
	return NULL;
}

/* --- Requests --- */

static struct err *ask_guest_to_power_off(struct supervisor *s)
{
	uint8_t frame[KTB_FRAME_SMALL];

	/* A guest that is stopped, or has no init of ours to ask, would only let us wait. */
	if (!s->running || !s->init_up || s->outcome != OUTCOME_NONE) {
		end_vm(s, OUTCOME_ENDED);
		return NULL;
	}
	send_frame(s, frame, frame_put_empty(frame, KTB_FRAME_POWEROFF));
	/* Who asks again doesn't put it off. */
	if (!s->timer)
		start_timer(s, s->params->patience.stop, STOP_TIMEOUT_MS, quit_late);
	return NULL;
}

static struct err *on_request(const struct control_request *request, struct control_answer *answer, void *user)
{
	struct supervisor *s = user;

	switch (request->op) {
	case CONTROL_STATUS:
		answer->status = s->status;
		return NULL;
	case CONTROL_STOP:
		if (request->force)
			end_vm(s, OUTCOME_ENDED);
		else
			return ask_guest_to_power_off(s);
		return NULL;
	case CONTROL_RESIZE:
		on_resize(request->rows, request->cols, s);
		return NULL;
	case CONTROL_RAM:
		answer->size = s->vm.memory;
		return qemu_ram_readonly(&s->qemu, &answer->fd);
	}
	return NULL;
}

static struct err *on_key(enum keys_action action, void *user)
{
	if (action == KEYS_QUIT)
		end_vm(user, OUTCOME_ENDED);
	return NULL;
}

static void on_output(const char *bytes, size_t len, void *user)
{
	struct supervisor *s = user;

	panic_watch_feed(&s->panic, bytes, len);
}

static const struct console_callbacks console_callbacks = {
	.action = on_key,
	.output = on_output,
	.resize = on_resize,
};

static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)revents;
	s->signal_number = number;
	end_vm(s, OUTCOME_SIGNAL);
	return NULL;
}

/* --- The debugger --- */

static struct err *on_stopped(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;

	(void)value;
	(void)error;
	if (s->debugport)
		debugport_vm_stopped(s->debugport);
	return NULL;
}

static void stop_for_client(void *user)
{
	struct supervisor *s = user;

	qmp_command(s->qmp, "stop", NULL, on_stopped, s);
}

static struct err *on_state_left(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;

	(void)value;
	if (error || s->outcome != OUTCOME_NONE || s->running || s->panicked || debugport_busy(s->debugport))
		return NULL;
	console_note(s->console, "the debugger is gone and left the VM stopped; attach again (ktb gdb%s), or %s",
		     s->params->name_option,
		     s->params->terminal ? "go on by Ctrl-a c, then cont" : "attach and detach to let it go on");
	return NULL;
}

/* What the debugger did last may still be on its way to us; QEMU's answer comes behind it. */
static void client_gone(void *user)
{
	struct supervisor *s = user;

	qmp_command(s->qmp, "query-status", NULL, on_state_left, s);
}

/* --- Putting it together --- */

/* QEMU answers when the machine is complete: what it can't do has ended it before. */
static struct err *on_first_answer(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;
	bool first = !s->started;

	(void)value;
	if (error)
		return NULL;
	s->started = true;
	/* Since the end was decided the timer is another one. */
	if (s->outcome != OUTCOME_NONE)
		return NULL;
	loop_remove(steal(&s->timer));
	if (first && s->params->started)
		s->params->started(s->params->record, s->params->user);
	return NULL;
}

static struct err *start_qemu(struct supervisor *s)
{
	TRY(qemu_start(&s->vm, rundir_fd(s->params->rundir), s->stub_fd, &s->qemu));
	console_attach(s->console, steal_fd(&s->qemu.serial_out_fd), steal_fd(&s->qemu.serial_in_fd),
		       steal_fd(&s->qemu.hmp_fd));
	s->qmp = qmp_create(s->loop, steal_fd(&s->qemu.qmp_fd), on_event, s);
	s->init = stream_create(s->loop, steal_fd(&s->qemu.init_fd), false, &init_callbacks, s);
	s->messages = stream_create(s->loop, steal_fd(&s->qemu.stderr_fd), false, &message_callbacks, s);
	s->ended = loop_add_fd(s->loop, s->qemu.process.pidfd, POLLIN, on_qemu_ended, s);
	s->running = !s->vm.wait;
	s->status = s->vm.wait ? "waiting" : "running";
	s->outcome = OUTCOME_NONE;
	s->init_up = s->was_up = s->panicked = s->resetting = false;
	s->early_resets = 0;
	buf_clear(&s->last_words);
	memset(&s->panic, 0, sizeof(s->panic));
	qmp_command(s->qmp, "query-status", NULL, on_first_answer, s);
	start_timer(s, s->params->patience.start, START_TIMEOUT_MS, kill_qemu);
	return NULL;
}

/* QEMU has ended, or is to be: takes its channels down and returns its wait status. */
static struct err *stop_qemu(struct supervisor *s, int *ret_status)
{
	process_kill(&s->qemu.process, SIGKILL);
	if (s->debugport)
		debugport_hang_up(s->debugport);
	TRY(process_wait(&s->qemu.process, ret_status));
	/* Its last events and words may not have been read yet. */
	TRY(qmp_catch_up(s->qmp));
	TRY(stream_catch_up(s->messages, MESSAGES_MAX));
	loop_remove(steal(&s->ended));
	loop_remove(steal(&s->timer));
	console_detach(s->console);
	qmp_destroy(steal(&s->qmp));
	stream_destroy(steal(&s->init));
	stream_destroy(steal(&s->messages));
	qemu_deinit(&s->qemu);
	return NULL;
}

static const char *last_words(struct supervisor *s)
{
	return s->last_words.len ? strip(s->last_words.data) : "";
}

static struct err *start_failure(struct supervisor *s, int status, bool timeout)
{
	_cleanup_(free) char *how = process_describe_status(status);
	const char *words = last_words(s);

	return err_create(timeout ? ERR_TIMEOUT : ERR_OS, "%s %s (%s)%s%s", s->vm.qemu,
			  timeout ? "gave no answer in time" : "ended before the VM ran", how,
			  *words ? "; it said:\n" : " and said nothing", words);
}

static void report_death(struct supervisor *s, int status)
{
	_cleanup_(free) char *how = process_describe_status(status);
	const char *words = last_words(s);

	console_note(s->console, "QEMU ended by itself (%s)%s%s", how, *words ? "; it said:\n" : " and said nothing",
		     words);
}

static int exit_status(struct supervisor *s, int status)
{
	switch (s->outcome) {
	case OUTCOME_NONE:
		/* The monitor's quit, or a debugger's kill. */
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		report_death(s, status);
		return SUPERVISOR_QEMU_DIED;
	case OUTCOME_BROKEN:
		if (*last_words(s))
			console_note(s->console, "QEMU said:\n%s", last_words(s));
		return SUPERVISOR_QEMU_DIED;
	case OUTCOME_SIGNAL:
		return 128 + s->signal_number;
	case OUTCOME_POWEROFF:
	case OUTCOME_ENDED:
	case OUTCOME_TRY_TCG:
		break;
	}
	return s->ever_panicked ? SUPERVISOR_PANIC : SUPERVISOR_POWEROFF;
}

static struct err *fill_record(struct supervisor *s)
{
	struct vm_record *r = s->params->record;

	r->pid = getpid();
	r->port = s->debugport ? debugport_number(s->debugport) : 0;
	r->started = (uint64_t)time(NULL);
	free(r->accel);
	r->accel = xstrdup(s->vm.accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	return rundir_write_record(s->params->rundir, r);
}

static struct err *set_up(struct supervisor *s)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		TRY(loop_add_signal(s->loop, signals[i], on_signal, s));
	TRY(sock_listen_at(rundir_fd(s->params->rundir), "stub.sock", &s->stub_fd));
	s->debugport_callbacks = (struct debugport_callbacks){ .stop_vm = stop_for_client,
							       .client_gone = client_gone,
							       .serve = s->params->serve };
	if (s->params->has_port)
		TRY(debugport_create(s->loop, s->params->port, s->params->rundir, &s->debugport_callbacks, s,
				     &s->debugport));
	TRY(sock_listen_at(rundir_fd(s->params->rundir), "control.sock", &fd));
	s->control = control_create(s->loop, fd, on_request, s);
	TRY(console_create(s->loop, s->params->terminal, s->params->rundir, &console_callbacks, s, &s->console));
	console_report_size(s->console);
	return NULL;
}

static struct err *run(struct supervisor *s, int *ret_status)
{
	int status;

	TRY(set_up(s));
	TRY(start_qemu(s));
	TRY(fill_record(s));
	for (;;) {
		bool timeout;

		TRY(loop_run(s->loop));
		timeout = !s->timer;
		TRY(stop_qemu(s, &status));
		if (!s->started && s->outcome == OUTCOME_NONE)
			return start_failure(s, status, timeout);
		if (s->outcome != OUTCOME_TRY_TCG)
			break;
		s->vm.accel = VM_ACCEL_TCG;
		TRY(start_qemu(s));
		TRY(fill_record(s));
	}
	*ret_status = exit_status(s, status);
	return NULL;
}

struct err *supervisor_run(const struct supervisor_params *params, int *ret_status)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct supervisor s = { .params = params, .vm = params->vm, .loop = loop, .stub_fd = -1, .qemu = QEMU_INIT };
	struct err *e = run(&s, ret_status);

	qmp_destroy(s.qmp);
	stream_destroy(s.init);
	stream_destroy(s.messages);
	qemu_deinit(&s.qemu);
	control_destroy(s.control);
	debugport_destroy(s.debugport);
	console_destroy(s.console);
	if (s.stub_fd >= 0)
		close(s.stub_fd);
	buf_deinit(&s.last_words);
	return e;
}
