#include <fcntl.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "cmd/cmd.h"
#include "supervisor/control.h"
#include "supervisor/rundir.h"
#include "vm/keys.h"
#include "vm/terminal.h"

enum { BACKLOG_MAX = 256 << 10, INPUT_MAX = 256 << 10, TAIL_MAX = 2048 };

struct session {
	struct loop *loop;
	struct terminal *terminal;
	const struct vm_record *vm;
	struct stream *serial, *in, *out;
	struct keys keys;
	bool left; /* by the user */
};

/* The size goes by a connection of its own: the serial line carries nothing but what is typed. */
static void send_size(const struct session *s)
{
	_cleanup_(close) int sock = -1;
	uint16_t rows, cols;

	if (!terminal_size(s->terminal, &rows, &cols))
		return;
	struct err *e = rundir_connect(s->vm, "control.sock", &sock);

	if (!e)
		e = control_resize(sock, rows, cols);
	err_ignore(e);
}

static struct err *on_window_change(struct loop_source *source, int number, short revents, void *user)
{
	(void)source;
	(void)number;
	(void)revents;
	send_size(user);
	return NULL;
}

static struct err *leave(struct session *s)
{
	s->left = true;
	loop_quit(s->loop);
	return NULL;
}

static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	(void)source;
	(void)number;
	(void)revents;
	return leave(user);
}

static struct err *on_serial(struct stream *stream, const char *bytes, size_t len, void *user)
{
	struct session *s = user;

	stream_write(s->out, bytes, len);
	if (stream_pending(s->out) > BACKLOG_MAX)
		stream_pause(stream, true);
	return NULL;
}

static struct err *on_serial_closed(struct stream *stream, void *user)
{
	struct session *s = user;

	(void)stream;
	loop_quit(s->loop);
	return NULL;
}

static struct err *on_input_taken(struct stream *stream, void *user)
{
	struct session *s = user;

	(void)stream;
	if (s->in)
		stream_pause(s->in, false);
	return NULL;
}

static struct err *on_input(struct stream *stream, const char *bytes, size_t len, void *user)
{
	struct session *s = user;

	while (len) {
		_cleanup_(buf_deinit) struct buf out = BUF_INIT;
		enum keys_action action;
		size_t n = keys_feed(&s->keys, bytes, len, &out, &action);

		stream_write(s->serial, buf_str(&out), out.len);
		bytes += n;
		len -= n;
		if (action == KEYS_QUIT)
			return leave(s);
		if (action == KEYS_HELP)
			log_info("%s", keys_help(true));
		if (action == KEYS_MONITOR)
			log_info("QEMU's monitor is reached from the terminal of ktb vm only");
	}
	/* The guest does not read: nothing that was typed is dropped, nor kept without end. */
	if (stream_pending(s->serial) > INPUT_MAX)
		stream_pause(stream, true);
	return NULL;
}

static struct err *on_input_closed(struct stream *stream, void *user)
{
	struct session *s = user;

	/* A file or a pipe has ended: what it had typed is done, what the guest answers is still to be seen. */
	stream_destroy(stream);
	s->in = NULL;
	return terminal_is_interactive(s->terminal) ? leave(s) : NULL;
}

static struct err *on_output_drained(struct stream *stream, void *user)
{
	struct session *s = user;

	(void)stream;
	stream_pause(s->serial, false);
	return NULL;
}

static struct err *on_output_closed(struct stream *stream, void *user)
{
	(void)stream;
	return leave(user);
}

static const struct stream_callbacks serial_callbacks = { .data = on_serial,
							  .closed = on_serial_closed,
							  .drained = on_input_taken };
static const struct stream_callbacks input_callbacks = { .data = on_input, .closed = on_input_closed };
static const struct stream_callbacks output_callbacks = { .closed = on_output_closed, .drained = on_output_drained };

/* The last lines that were there before we came, so that the screen isn't empty. */
static void show_tail(struct session *s)
{
	_cleanup_(free) char *path = xasprintf("%s/console.log", s->vm->dir);
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char tail[TAIL_MAX];
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n;
	char *start;

	if (end <= 0)
		return;
	n = pread(fd, tail, sizeof(tail), end > TAIL_MAX ? end - TAIL_MAX : 0);
	if (n <= 0)
		return;
	start = end > TAIL_MAX ? memchr(tail, '\n', (size_t)n) : NULL;
	start = start ? start + 1 : tail;
	stream_write(s->out, start, (size_t)(tail + n - start));
}

static struct err *open_session(struct session *s, int serial_fd)
{
	TRY(terminal_raw(s->terminal));
	s->serial = stream_create(s->loop, serial_fd, false, &serial_callbacks, s);
	s->in = stream_create(s->loop, fcntl(terminal_input(s->terminal), F_DUPFD_CLOEXEC, 3),
			      !terminal_input_is_own(s->terminal), &input_callbacks, s);
	s->out = stream_create(s->loop, fcntl(terminal_output(s->terminal), F_DUPFD_CLOEXEC, 3),
			       !terminal_output_is_own(s->terminal), &output_callbacks, s);
	stream_pause(s->out, true);
	TRY(loop_add_signal(s->loop, SIGWINCH, on_window_change, s));
	TRY(loop_add_signal(s->loop, SIGTERM, on_signal, s));
	TRY(loop_add_signal(s->loop, SIGHUP, on_signal, s));
	TRY(loop_add_signal(s->loop, SIGINT, on_signal, s));
	return NULL;
}

static struct err *run_session(struct session *s)
{
	int serial_fd;
	struct err *e;

	TRY(rundir_connect(s->vm, "serial.sock", &serial_fd));
	e = open_session(s, serial_fd);
	if (!e) {
		show_tail(s);
		send_size(s);
		e = loop_run(s->loop);
	}
	stream_destroy(s->serial);
	stream_destroy(s->in);
	stream_destroy(s->out);
	return e;
}

static struct err *cmd_console(struct config *cfg, const struct strv *positional, const struct strv *rest,
			       int *ret_status)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(terminal_destroy) struct terminal *terminal = NULL;
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	const char *name = config_origin(cfg, OPT_VM_NAME) ? config_string(cfg, OPT_VM_NAME) : NULL;
	struct session s = { .loop = loop };

	(void)rest;
	(void)ret_status;
	if (positional->n > 1)
		return err_create(ERR_USAGE, "ktb console shows one VM at a time");
	if (positional->n)
		name = positional->v[0];
	TRY(rundir_find(name, &vm));
	TRY(terminal_create(&terminal));
	s.terminal = terminal;
	s.vm = vm;
	log_info("console of VM '%s'; Ctrl-a x leaves it, Ctrl-a h helps", vm->name);
	TRY(run_session(&s));
	terminal_restore(terminal);
	if (terminal_is_interactive(terminal))
		fputs("\n", stderr);
	if (s.left)
		log_info("left the console; VM '%s' runs on", vm->name);
	else
		log_info("VM '%s' has ended", vm->name);
	return NULL;
}

const struct command command_console = {
	.id = COMMAND_CONSOLE,
	.name = "console",
	.args = "[NAME]",
	.summary = "the console of a VM in the background",
	.description =
		"Shows the last lines, then what comes; what is typed goes to the guest. Ctrl-a x leaves, and the\n"
		"VM runs on. The guest's console follows the size of this window. Any number of consoles can look\n"
		"at one VM.",
	.examples = "  ktb console\n"
		    "  ktb console test1",
	.completes = COMPLETES_VMS,
	.run = cmd_console,
};
