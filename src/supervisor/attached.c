#include "supervisor/attached.h"

#include <signal.h>
#include <time.h>

#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"
#include "supervisor/console.h"
#include "supervisor/control.h"
#include "supervisor/line.h"

enum { KEPT_MAX = 64 << 10 /* bytes for the line; who types more waits */ };

struct attached {
	const struct attached_params *params;
	struct loop *loop;
	struct serial_line *serial;
	struct line *line;
	struct console *console;
	struct control *control;
	struct debugport_callbacks debugport_callbacks;
	struct debugport *debugport;
	struct stream *typed; /* what the console has for the line */
	int signal_number;
	bool lost; /* the line */
};

/* --- The line --- */

static void on_line_data(const char *bytes, size_t len, void *user)
{
	struct attached *a = user;

	line_feed(a->line, bytes, len);
}

static struct err *on_line_closed(void *user)
{
	struct attached *a = user;

	a->lost = true;
	loop_quit(a->loop);
	return NULL;
}

static void on_break_done(void *user)
{
	struct attached *a = user;

	line_break_done(a->line);
}

static void on_line_drained(void *user)
{
	struct attached *a = user;

	stream_pause(a->typed, false);
}

static const struct serial_callbacks serial_callbacks = {
	.data = on_line_data,
	.closed = on_line_closed,
	.break_done = on_break_done,
	.drained = on_line_drained,
};

static void on_text(const char *bytes, size_t len, void *user)
{
	struct attached *a = user;

	console_show(a->console, bytes, len);
}

static void on_write(const char *bytes, size_t len, bool behind_break, void *user)
{
	struct attached *a = user;

	(void)behind_break;
	serial_line_write(a->serial, bytes, len);
}

/* On a line without BREAK the server process asks for none. */
static void send_break(void *user)
{
	struct attached *a = user;

	if (a->params->has_break)
		serial_line_break(a->serial);
	else
		line_break_done(a->line);
}

static void on_stands(bool stands, void *user)
{
	struct attached *a = user;

	console_hold_input(a->console, stands);
}

static void on_broken(void *user)
{
	struct attached *a = user;

	if (a->debugport)
		debugport_end_server(a->debugport);
}

static const struct line_callbacks line_callbacks = {
	.text = on_text,
	.write = on_write,
	.send_break = send_break,
	.stands = on_stands,
	.broken = on_broken,
};

/* --- The console --- */

static struct err *on_typed(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct attached *a = user;

	serial_line_write(a->serial, bytes, len);
	if (serial_line_pending(a->serial) > KEPT_MAX)
		stream_pause(s, true);
	return NULL;
}

/* The console closes its end when it is taken down. */
static struct err *on_typed_closed(struct stream *s, void *user)
{
	(void)s;
	(void)user;
	return NULL;
}

static const struct stream_callbacks typed_callbacks = { .data = on_typed, .closed = on_typed_closed };

static struct err *on_key(enum keys_action action, void *user)
{
	struct attached *a = user;

	if (action == KEYS_QUIT)
		loop_quit(a->loop);
	return NULL;
}

static void on_output(const char *bytes, size_t len, void *user)
{
	(void)bytes;
	(void)len;
	(void)user;
}

/* A serial line has no way to tell of it. */
static void on_resize(uint16_t rows, uint16_t cols, void *user)
{
	(void)rows;
	(void)cols;
	(void)user;
}

static const struct console_callbacks console_callbacks = {
	.action = on_key,
	.output = on_output,
	.resize = on_resize,
	.help = "Ctrl-a x        leave the line; the kernel is not touched\n"
		"Ctrl-a h        this help\n"
		"Ctrl-a Ctrl-a   send Ctrl-a",
};

static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	struct attached *a = user;

	(void)source;
	(void)revents;
	a->signal_number = number;
	loop_quit(a->loop);
	return NULL;
}

/* --- Requests --- */

static struct err *on_request(const struct control_request *request, struct control_answer *answer, void *user)
{
	struct attached *a = user;

	switch (request->op) {
	case CONTROL_STATUS:
		answer->status = line_stood(a->line) ? "debug" : "running";
		return NULL;
	case CONTROL_STOP:
		loop_quit(a->loop);
		return NULL;
	case CONTROL_RESIZE:
		return NULL;
	case CONTROL_RAM:
	case CONTROL_AGENT:
	case CONTROL_HOLD:
	case CONTROL_REGISTERS:
	case CONTROL_DUMP:
	case CONTROL_DUMPED:
		break;
	}
	return err_create(ERR_UNSUPPORTED,
			  "of %s there is only its serial line (ktb attach), by which it can be debugged (ktb gdb%s), "
			  "and nothing else",
			  a->params->record->name, a->params->name_option);
}

static void on_released(void *user)
{
	(void)user;
}

/* --- The debugger --- */

/* The kernel's stub stops it. */
static void stop_for_client(void *user)
{
	struct attached *a = user;

	debugport_vm_stopped(a->debugport);
}

static void client_gone(void *user)
{
	struct attached *a = user;

	line_catch_up(a->line);
	if (line_stood(a->line))
		console_note(a->console,
			     "the debugger is gone and left the kernel stopped; attach again (ktb gdb%s), or type go "
			     "on its console",
			     a->params->name_option);
}

static bool is_running(void *user)
{
	const struct attached *a = user;

	return !line_stood(a->line);
}

static int share_line(void *user)
{
	struct attached *a = user;
	int fd = -1;
	struct err *e = line_share(a->line, &fd);

	if (e)
		console_note(a->console, "%s", err_message(e));
	err_ignore(e);
	return fd;
}

/* --- Putting it together --- */

static struct err *fill_record(struct attached *a)
{
	struct vm_record *r = a->params->record;

	r->pid = getpid();
	r->port = a->debugport ? debugport_number(a->debugport) : 0;
	r->started = (uint64_t)time(NULL);
	return rundir_write_record(a->params->rundir, r);
}

static struct err *open_console(struct attached *a)
{
	int ours, theirs;

	TRY(console_create(a->loop, a->params->terminal, a->params->rundir, &console_callbacks, a, &a->console));
	TRY(sock_pair(&ours, &theirs));
	a->typed = stream_create(a->loop, ours, false, &typed_callbacks, a);
	console_attach(a->console, -1, theirs, -1);
	return NULL;
}

static struct err *set_up(struct attached *a)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	const struct attached_params *p = a->params;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		TRY(loop_add_signal(a->loop, signals[i], on_signal, a));
	TRY(serial_line_create(a->loop, p->serial, &serial_callbacks, a, &a->serial));
	a->line = line_create(a->loop, &line_callbacks, a);
	a->debugport_callbacks = (struct debugport_callbacks){ .stop_vm = stop_for_client,
							       .client_gone = client_gone,
							       .runs = is_running,
							       .line = share_line,
							       .serve = p->serve,
							       .serve_user = p->serve_user };
	if (p->has_port)
		TRY(debugport_create(a->loop, p->port, p->rundir, &a->debugport_callbacks, a, &a->debugport));
	TRY(sock_listen_at(rundir_fd(p->rundir), "control.sock", &fd));
	a->control = control_create(a->loop, fd, on_request, on_released, a);
	TRY(open_console(a));
	return fill_record(a);
}

static struct err *run(struct attached *a, int *ret_status)
{
	TRY(set_up(a));
	if (a->params->started)
		a->params->started(a->params->record, serial_line_name(a->serial), a->params->user);
	TRY(loop_run(a->loop));
	if (a->lost)
		return err_create(ERR_CLOSED, "the serial line %s was closed: the other side is gone",
				  serial_line_name(a->serial));
	*ret_status = a->signal_number ? 128 + a->signal_number : 0;
	return NULL;
}

struct err *attached_run(const struct attached_params *params, int *ret_status)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct attached a = { .params = params, .loop = loop };
	struct err *e = run(&a, ret_status);

	debugport_destroy(a.debugport);
	/* What a debugger has not told of is the console's. */
	if (a.line && a.console)
		line_unshare(a.line);
	line_destroy(a.line);
	control_destroy(a.control);
	console_destroy(a.console);
	stream_destroy(a.typed);
	serial_line_destroy(a.serial);
	return e;
}
