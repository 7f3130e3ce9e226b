/*
 * Puts the parts together: QEMU with its channels, console, control socket and debug port in one loop, until QEMU has ended.
 * How it comes to end is decided in lifecycle.c.
 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/sock.h"
#include "guest/frame.h"
#include "supervisor/state.h"

enum {
	STDERR_KEEP = 8192, /* what QEMU last said */
	MESSAGES_MAX = 1 << 20,
	START_TIMEOUT_MS = 60000, /* see struct supervisor_patience */
};

/* --- Init's port --- */

void supervisor_send_frame(struct supervisor *s, const uint8_t *frame, size_t len)
{
	if (s->init && s->init_up)
		stream_write(s->init, frame, len);
}

void supervisor_send_size(struct supervisor *s)
{
	const struct frame_winsize size = { .rows = s->rows, .cols = s->cols };
	uint8_t frame[KTB_FRAME_SMALL];

	if (s->rows)
		supervisor_send_frame(s, frame, frame_put_winsize(frame, &size));
}

static void on_resize(uint16_t rows, uint16_t cols, void *user)
{
	struct supervisor *s = user;

	s->rows = rows;
	s->cols = cols;
	supervisor_send_size(s);
}

void supervisor_want_agent(struct supervisor *s)
{
	uint8_t frame[KTB_FRAME_SMALL];

	/* An init that is about to end may not hear of it: then the next one will. */
	s->agent_wanted = !s->agent_up;
	if (s->agent_wanted)
		supervisor_send_frame(s, frame, frame_put_empty(frame, KTB_FRAME_AGENT));
}

/* --- What QEMU says on stderr --- */

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

static struct err *on_request(const struct control_request *request, struct control_answer *answer, void *user)
{
	struct supervisor *s = user;

	switch (request->op) {
	case CONTROL_STATUS:
		/* It is stopped for its reset, but not for long. */
		answer->status = s->resetting ? "running" : s->line && line_stood(s->line) ? "debug" : s->status;
		answer->up = s->init_up;
		answer->own_init = s->params->own_init;
		answer->resets = s->resets;
		return NULL;
	case CONTROL_STOP:
		if (request->force)
			lifecycle_end(s, OUTCOME_ENDED);
		else
			lifecycle_stop(s);
		return NULL;
	case CONTROL_RESIZE:
		on_resize(request->rows, request->cols, s);
		return NULL;
	case CONTROL_HOLD:
		lifecycle_hold(s);
		return NULL;
	case CONTROL_RAM:
		answer->size = s->vm.memory;
		return qemu_ram_readonly(&s->qemu, &answer->fd);
	case CONTROL_REGISTERS:
		return handout_registers(s, request->cpu, &answer->fd);
	case CONTROL_DUMP:
		return handout_dump(s, &answer->fd);
	case CONTROL_DUMPED:
		return handout_dump_state(s, &answer->fd);
	case CONTROL_AGENT:
		if (s->outcome != OUTCOME_NONE)
			return err_create(ERR_CLOSED, "the VM is about to end");
		supervisor_want_agent(s);
		return agentport_connect(s->agentport, &answer->fd);
	}
	return NULL;
}

static struct err *on_key(enum keys_action action, void *user)
{
	if (action == KEYS_QUIT)
		lifecycle_end(user, OUTCOME_ENDED);
	return NULL;
}

static void on_output(const char *bytes, size_t len, void *user)
{
	struct supervisor *s = user;

	panic_watch_feed(&s->panic, bytes, len);
}

static void on_line(const char *bytes, size_t len, void *user)
{
	kgdbline_feed(user, bytes, len);
}

static const struct console_callbacks console_callbacks = {
	.action = on_key,
	.output = on_output,
	.line = on_line,
	.resize = on_resize,
};

static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	struct supervisor *s = user;

	(void)source;
	(void)revents;
	s->signal_number = number;
	lifecycle_end(s, OUTCOME_SIGNAL);
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

	/* The kernel's stub stops it. */
	if (s->line)
		debugport_vm_stopped(s->debugport);
	else
		qmp_command(s->qmp, "stop", NULL, on_stopped, s);
}

static struct err *on_state_left(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;

	(void)value;
	if (s->line && s->outcome == OUTCOME_NONE && line_stood(s->line) && !debugport_busy(s->debugport))
		console_note(s->console,
			     "the debugger is gone and left the kernel stopped; attach again (ktb gdb%s), or type go "
			     "on its console",
			     s->params->name_option);
	if (error || s->line || s->outcome != OUTCOME_NONE || s->running || s->panicked || debugport_busy(s->debugport))
		return NULL;
	console_note(s->console, "the debugger is gone and left the VM stopped; attach again (ktb gdb%s), or %s",
		     s->params->name_option,
		     s->params->terminal ? "go on by Ctrl-a c, then cont" : "attach and detach to let it go on");
	return NULL;
}

static bool is_running(void *user)
{
	const struct supervisor *s = user;

	return s->line ? !line_stood(s->line) : s->running;
}

static int ram_for_server(void *user)
{
	struct supervisor *s = user;
	int fd = -1;
	struct err *e = qemu_ram_readonly(&s->qemu, &fd);

	if (e)
		log_warn("a debugger reads memory slowly: %s", err_message(e));
	err_ignore(e);
	return fd;
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
	TRY(qemu_start(&s->vm, rundir_fd(s->params->rundir), s->stub_fd, agentport_fd(s->agentport), &s->qemu));
	console_attach(s->console, steal_fd(&s->qemu.serial_out_fd), steal_fd(&s->qemu.serial_in_fd),
		       steal_fd(&s->qemu.hmp_fd));
	kgdbline_attach(s);
	s->qmp = qmp_create(s->loop, steal_fd(&s->qemu.qmp_fd), lifecycle_event, s);
	s->init = stream_create(s->loop, steal_fd(&s->qemu.init_fd), false, &init_callbacks, s);
	s->messages = stream_create(s->loop, steal_fd(&s->qemu.stderr_fd), false, &message_callbacks, s);
	s->ended = loop_add_fd(s->loop, s->qemu.process.pidfd, POLLIN, on_qemu_ended, s);
	buf_clear(&s->last_words);
	lifecycle_begin(s);
	qmp_command(s->qmp, "query-status", NULL, on_first_answer, s);
	lifecycle_start_timer(s, s->params->patience.start, START_TIMEOUT_MS, lifecycle_kill_qemu);
	return NULL;
}

/* QEMU has ended, or is to be: takes its channels down and returns its wait status. */
static struct err *stop_qemu(struct supervisor *s, int *ret_status)
{
	process_kill(&s->qemu.process, SIGKILL);
	if (s->debugport)
		debugport_hang_up(s->debugport);
	agentport_hang_up(s->agentport);
	TRY(process_wait(&s->qemu.process, ret_status));
	/* Its last events and words may not have been read yet. */
	TRY(qmp_catch_up(s->qmp));
	TRY(stream_catch_up(s->messages, MESSAGES_MAX));
	loop_remove(steal(&s->ended));
	loop_remove(steal(&s->timer));
	loop_remove(steal(&s->stop_timer));
	kgdbline_detach(s);
	console_detach(s->console);
	handout_drop_all(s);
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

/* Built without seccomp it knows the option, and says what it lacks: "-sandbox support is not enabled in this QEMU". */
static bool lacks_sandbox(struct supervisor *s)
{
	return !s->vm.no_sandbox && strstr(last_words(s), "-sandbox");
}

static void report_death(struct supervisor *s, int status)
{
	_cleanup_(free) char *how = process_describe_status(status);
	const char *words = last_words(s);
	bool forbidden = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

	console_note(s->console, "QEMU ended by itself (%s)%s%s", how, *words ? "; it said:\n" : " and said nothing",
		     words);
	if (forbidden)
		console_note(s->console, "it did what its sandbox forbids, such as to start a program (migrate exec:); "
					 "--qemu-arg=-sandbox --qemu-arg=off allows it");
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
	free(r->cmdline);
	r->cmdline = vm_cmdline(&s->vm);
	return rundir_write_record(s->params->rundir, r);
}

static struct err *set_up(struct supervisor *s)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		TRY(loop_add_signal(s->loop, signals[i], on_signal, s));
	TRY(sock_listen_at(rundir_fd(s->params->rundir), "stub.sock", &s->stub_fd));
	TRY(agentport_create(s->loop, s->params->rundir, &s->agentport));
	s->debugport_callbacks = (struct debugport_callbacks){ .stop_vm = stop_for_client,
							       .client_gone = client_gone,
							       .runs = s->params->serve_mends ? is_running : NULL,
							       .ram = ram_for_server,
							       .line = s->params->kgdb ? kgdbline_share : NULL,
							       .serve = s->params->serve,
							       .serve_user = s->params->serve_user };
	if (s->params->kgdb)
		kgdbline_create(s);
	if (s->params->has_port)
		TRY(debugport_create(s->loop, s->params->port, s->params->rundir, &s->debugport_callbacks, s,
				     &s->debugport));
	TRY(sock_listen_at(rundir_fd(s->params->rundir), "control.sock", &fd));
	s->control = control_create(s->loop, fd, on_request, lifecycle_release, s);
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
		if (!s->started && s->outcome == OUTCOME_NONE) {
			if (!lacks_sandbox(s))
				return start_failure(s, status, timeout);
			log_debug("this QEMU has no sandbox; starting it without");
			s->vm.no_sandbox = true;
		} else if (s->outcome == OUTCOME_TRY_TCG) {
			s->vm.accel = VM_ACCEL_TCG;
		} else {
			break;
		}
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

	handout_drop_all(&s);
	qmp_destroy(s.qmp);
	stream_destroy(s.init);
	stream_destroy(s.messages);
	qemu_deinit(&s.qemu);
	control_destroy(s.control);
	debugport_destroy(s.debugport);
	agentport_destroy(s.agentport);
	kgdbline_detach(&s);
	line_destroy(s.line);
	console_destroy(s.console);
	if (s.stub_fd >= 0)
		close(s.stub_fd);
	buf_deinit(&s.last_words);
	free(s.dump_error);
	return e;
}
