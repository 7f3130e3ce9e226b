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
#include <signal.h>

#include "base/log.h"
#include "guest/frame.h"
#include "supervisor/state.h"

enum {
	QUIT_TIMEOUT_MS = 3000, /* see struct supervisor_patience */
	STOP_TIMEOUT_MS = SUPERVISOR_STOP_S * 1000,
	UP_TIMEOUT_MS = 15000,
	EARLY_RESETS_MAX = 3, /* resets in a row before the guest is up: the kernel doesn't boot */
};

/* --- The end --- */

struct err *lifecycle_kill_qemu(struct loop_source *source, int fd, short revents, void *user)
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

static struct loop_source *start_timer(struct supervisor *s, unsigned int ms, unsigned int usual_ms, loop_callback cb)
{
	return loop_add_timer(s->loop, now_ns() + (ms ? ms : usual_ms) * NSEC_PER_MSEC, cb, s);
}

void lifecycle_start_timer(struct supervisor *s, unsigned int ms, unsigned int usual_ms, loop_callback cb)
{
	loop_remove(s->timer);
	s->timer = start_timer(s, ms, usual_ms, cb);
}

void lifecycle_end(struct supervisor *s, enum outcome outcome)
{
	/* It is quitting already; but who wants the end doesn't want it started again. */
	if (s->outcome == OUTCOME_TRY_TCG)
		s->outcome = outcome;
	if (s->outcome != OUTCOME_NONE)
		return;
	s->outcome = outcome;
	loop_remove(steal(&s->stop_timer));
	qmp_command(s->qmp, "quit", NULL, NULL, NULL);
	lifecycle_start_timer(s, s->params->patience.quit, QUIT_TIMEOUT_MS, lifecycle_kill_qemu);
}

static struct err *quit_late(struct loop_source *source, int fd, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)fd;
	(void)revents;
	s->stop_timer = NULL;
	console_note(s->console, "the guest did not power off; ending the VM");
	lifecycle_end(s, OUTCOME_ENDED);
	return NULL;
}

void lifecycle_stop(struct supervisor *s)
{
	uint8_t frame[KTB_FRAME_SMALL];

	/* A guest that is stopped, or has no init to ask, would only let us wait. */
	if (!s->running || !(s->init_up || s->params->own_init) || s->outcome != OUTCOME_NONE) {
		lifecycle_end(s, OUTCOME_ENDED);
		return;
	}
	if (s->init_up)
		supervisor_send_frame(s, frame, frame_put_empty(frame, KTB_FRAME_POWEROFF));
	else
		qmp_command(s->qmp, "system_powerdown", NULL, NULL, NULL);
	/* Who asks again doesn't put it off. */
	if (!s->stop_timer)
		s->stop_timer = start_timer(s, s->params->patience.stop, STOP_TIMEOUT_MS, quit_late);
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

static struct json_object *monitor_line(const char *line)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "command-line", json_object_new_string(line));
	return arguments;
}

/*
 * QEMU's q35 leaves the PAM registers (0x90 to 0x96 of the host bridge, 8086:29c0: "Programmable Attribute Map") as they
 * were at a reset, where a real one clears them. So SeaBIOS finds its own copy of the time before in the RAM there, takes
 * the reset for a resume, and resets the machine once more. Hence they are cleared here, through PCI's ports 0xcf8 and 0xcfc.
 */
static void clear_memory_map(struct supervisor *s)
{
	static const char *const lines[] = { "o/w 0xcf8 0x80000090", "o/w 0xcfc 0", "o/w 0xcf8 0x80000094",
					     "o/h 0xcfc 0", "o/b 0xcfe 0" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		qmp_command(s->qmp, "human-monitor-command", monitor_line(lines[i]), on_reset_armed, s);
}

/* The guest's resets only stop it; so for ours that is lifted until the RESET event has come. */
static void reset_vm(struct supervisor *s)
{
	if (s->resetting)
		return;
	s->resetting = true;
	s->resets++;
	s->panicked = false;
	s->init_up = false;
	memset(&s->panic, 0, sizeof(s->panic));
	clear_memory_map(s);
	qmp_command(s->qmp, "set-action", reboot_action("reset"), on_reset_armed, s);
	qmp_command(s->qmp, "system_reset", NULL, on_reset_armed, s);
}

static void tell_debugger(const struct supervisor *s)
{
	if (s->debugport)
		debugport_reset_done(s->debugport);
}

static struct err *on_reset_finished(struct json_object *value, const char *error, void *user)
{
	tell_debugger(user);
	return on_reset_armed(value, error, user);
}

/* One on QEMU's stub, which lets it go on itself. The kernel's own knows nothing of the machine. */
static bool debugger_holds(const struct supervisor *s)
{
	return !s->line && s->debugport && debugport_busy(s->debugport);
}

static void finish_reset(struct supervisor *s)
{
	if (!s->resetting)
		return;
	s->resetting = false;
	s->began = now_ns();
	s->status = "running";
	qmp_command(s->qmp, "set-action", reboot_action("shutdown"), on_reset_finished, s);
	/* A debugger was told that the VM has stopped; going on behind its back it would lose track. */
	if (debugger_holds(s)) {
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
		lifecycle_end(s, OUTCOME_ENDED);
		return;
	}
}

/*
 * ktb's init says so by opening its port. A system's own init doesn't, nor can ours where the kernel has no driver for the
 * port: then it is the kernel's word that it hands over to it, and in the end the time that went by.
 */
static bool came_up(const struct supervisor *s)
{
	unsigned int ms = s->params->patience.up ? s->params->patience.up : UP_TIMEOUT_MS;

	return s->was_up || (s->params->own_init && panic_watch_init_run(&s->panic)) ||
	       now_ns() - s->began >= ms * NSEC_PER_MSEC;
}

static void handle_guest_reset(struct supervisor *s)
{
	/* One that tries several ways to reset may be reported more than once; it stands still since the first. */
	if (s->resetting)
		return;
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
	s->early_resets = came_up(s) ? 0 : s->early_resets + 1;
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
		lifecycle_end(s, OUTCOME_POWEROFF);
	else if (streq(reason, "guest-panic"))
		handle_panic(s);
	else if (streq(reason, "host-signal") || streq(reason, "host-error")) {
		console_note(s->console, "QEMU was ended from outside (%s)", reason);
		lifecycle_end(s, OUTCOME_BROKEN);
	} else {
		lifecycle_end(s, OUTCOME_ENDED);
	}
	/* Whatever it was, nothing more will be done about it. */
	if (!s->resetting)
		tell_debugger(s);
}

/* --- What QEMU says --- */

static void handle_internal_error(struct supervisor *s)
{
	s->status = "internal-error";
	console_catch_up(s->console);
	if (s->params->accel_auto && s->vm.accel == VM_ACCEL_KVM && !came_up(s)) {
		console_note(s->console, "KVM gave up early in boot; starting again with TCG");
		lifecycle_end(s, OUTCOME_TRY_TCG);
		return;
	}
	console_note(s->console, "%s gave up on the guest (internal error)%s",
		     s->vm.accel == VM_ACCEL_KVM ? "KVM" : "QEMU",
		     s->vm.accel == VM_ACCEL_KVM ? "; try --accel tcg" : "");
	lifecycle_end(s, OUTCOME_BROKEN);
}

static struct err *on_status(struct json_object *answer, const char *error, void *user)
{
	struct supervisor *s = user;
	struct json_object *value = NULL;
	const char *status;

	/* QEMU may have gone on since it found the answer, and have said so before it gave it: a debugger's step is quick. */
	if (error || s->running || !json_object_object_get_ex(answer, "status", &value))
		return NULL;
	status = json_object_get_string(value);
	if (status && streq(status, "internal-error"))
		handle_internal_error(s);
	else if (status && streq(status, "debug"))
		s->status = "debug";
	return NULL;
}

static void handle_agent_port(struct supervisor *s, bool open)
{
	if (s->agent_up && !open)
		agentport_guest_closed(s->agentport);
	s->agent_up = open;
	if (open)
		s->agent_wanted = false;
}

static void handle_port(struct supervisor *s, struct json_object *data)
{
	struct json_object *value = NULL;
	const char *id = json_object_object_get_ex(data, "id", &value) ? json_object_get_string(value) : NULL;
	bool open;

	if (!id || !json_object_object_get_ex(data, "open", &value))
		return;
	open = json_object_get_boolean(value);
	if (streq(id, "agent"))
		handle_agent_port(s, open);
	if (!streq(id, "init"))
		return;
	s->init_up = open;
	if (!s->init_up)
		return;
	s->was_up = true;
	s->early_resets = 0;
	supervisor_send_size(s);
	if (s->agent_wanted)
		supervisor_want_agent(s);
}

struct err *lifecycle_event(const char *event, struct json_object *data, void *user)
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
		if (s->line)
			line_hang_up(s->line);
		finish_reset(s);
	} else if (streq(event, "DUMP_COMPLETED")) {
		handout_dump_ended(s, data);
		lifecycle_go_on(s);
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

void lifecycle_begin(struct supervisor *s)
{
	s->running = !s->vm.wait;
	s->status = s->vm.wait ? "waiting" : "running";
	s->outcome = OUTCOME_NONE;
	s->init_up = s->was_up = s->agent_up = s->panicked = s->resetting = s->dumping = false;
	s->early_resets = 0;
	s->began = now_ns();
	memset(&s->panic, 0, sizeof(s->panic));
}

void lifecycle_hold(struct supervisor *s)
{
	if (s->holders++ || !s->running)
		return;
	s->held = true;
	qmp_command(s->qmp, "stop", NULL, NULL, NULL);
}

/* QEMU refuses to go on while it dumps; when that is done, this is called again. */
void lifecycle_go_on(struct supervisor *s)
{
	if (!s->held || s->holders || s->dumping)
		return;
	s->held = false;
	if (s->outcome == OUTCOME_NONE && !s->panicked && !s->resetting && !debugger_holds(s))
		qmp_command(s->qmp, "cont", NULL, NULL, NULL);
}

void lifecycle_release(void *user)
{
	struct supervisor *s = user;

	s->holders--;
	lifecycle_go_on(s);
}
