#include "supervisor/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"
#include "supervisor/console_log.h"

enum {
	BACKLOG_MAX = 16 << 20,
	MESSAGES_MAX = 1 << 20,
	INPUT_MAX = 1 << 20, /* typed or pasted, and not read by the guest: then nobody is listened to */
	UNSEEN_MAX = 16384,  /* shown once the terminal is the guest's again */
	VIEWERS_MAX = 16,
	LOG_MAX = 16 << 20, /* of each part; the run directory mostly is in a small tmpfs */
	FLUSH_MS = 2000,
	CATCH_UP_MAX = 4 << 20, /* more than the FIFO holds */
	GATHER_MS = 1,
};

/* A connection to serial.sock. */
struct viewer {
	struct viewer *next;
	struct console *console;
	struct stream *stream;
};

struct console {
	struct loop *loop;
	struct terminal *terminal;
	const struct rundir *rundir;
	const struct console_callbacks *callbacks;
	void *user;

	struct stream *serial_out, *serial_in, *hmp;
	bool holds; /* what is typed is kept, here: */
	struct buf typed;
	struct stream *in, *out; /* the terminal's */
	size_t missed;           /* bytes that the terminal was too slow for */
	struct stream
		*messages; /* standard error, if it can make its writer wait; NULL: it can't, or nobody reads it */
	size_t missed_messages;
	bool sink; /* log lines come to us */
	struct keys keys;
	bool monitor;       /* the terminal speaks with QEMU's monitor */
	struct buf unseen;  /* the end of what the guest said meanwhile */
	size_t unseen_size; /* all of it */

	int listen_fd;
	struct loop_source *listen_source;
	struct viewer *viewers;
	size_t viewers_n;

	struct console_log log;
};

/* A terminal in raw mode wants each line's end in two characters. */
static void put_for_terminal(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_putc(b, '\r');
		buf_putc(b, *text);
	}
}

static void write_log(struct console *c, const char *bytes, size_t len)
{
	struct err *e = console_log_write(&c->log, bytes, len);

	if (!e)
		return;
	console_note(c, "the console's log has gaps from now on: %s", err_message(e));
	err_destroy(e);
}

static void drop_viewer(struct viewer *v)
{
	struct console *c = v->console;

	for (struct viewer **p = &c->viewers; *p; p = &(*p)->next) {
		if (*p == v) {
			*p = v->next;
			c->viewers_n--;
			break;
		}
	}
	stream_destroy(v->stream);
	free(v);
}

static void show_to_viewers(struct console *c, const char *bytes, size_t len)
{
	for (struct viewer *v = c->viewers, *next; v; v = next) {
		next = v->next;
		if (stream_pending(v->stream) > BACKLOG_MAX) {
			log_debug("a connection to the console fell behind and was closed");
			drop_viewer(v);
			continue;
		}
		stream_write(v->stream, bytes, len);
	}
}

static void show_on_terminal(struct console *c, const char *bytes, size_t len)
{
	if (!c->out)
		return;
	if (c->missed || stream_pending(c->out) > BACKLOG_MAX)
		c->missed += len;
	else
		stream_write(c->out, bytes, len);
}

/* The terminal shows the monitor. */
static void keep_unseen(struct console *c, const char *bytes, size_t len)
{
	if (!c->terminal)
		return;
	c->unseen_size += len;
	buf_append(&c->unseen, bytes, len);
	if (c->unseen.len > UNSEEN_MAX)
		buf_consume(&c->unseen, c->unseen.len - UNSEEN_MAX);
}

static void show_unseen(struct console *c)
{
	if (c->unseen_size > UNSEEN_MAX)
		console_note(c, "the guest wrote %zu bytes meanwhile; this is the end of it, all is in %s/console.log",
			     c->unseen_size, rundir_path(c->rundir));
	show_on_terminal(c, buf_str(&c->unseen), c->unseen.len);
	buf_clear(&c->unseen);
	c->unseen_size = 0;
}

void console_show(struct console *c, const char *bytes, size_t len)
{
	write_log(c, bytes, len);
	c->callbacks->output(bytes, len, c->user);
	show_to_viewers(c, bytes, len);
	if (c->monitor)
		keep_unseen(c, bytes, len);
	else
		show_on_terminal(c, bytes, len);
}

static struct err *on_serial(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct console *c = user;

	(void)s;
	if (c->callbacks->line)
		c->callbacks->line(bytes, len, c->user);
	else
		console_show(c, bytes, len);
	return NULL;
}

static struct err *on_hmp(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct console *c = user;

	(void)s;
	if (c->monitor)
		show_on_terminal(c, bytes, len);
	return NULL;
}

/* QEMU's end: its process is watched elsewhere, and what it wrote is fetched by console_detach(). */
static struct err *on_qemu_closed(struct stream *s, void *user)
{
	(void)s;
	(void)user;
	return NULL;
}

static bool is_full(const struct console *c, const struct stream *to)
{
	if (!to)
		return false;
	return stream_pending(to) >= INPUT_MAX || (to == c->serial_in && c->typed.len >= INPUT_MAX);
}

static void hear_all(struct console *c)
{
	if (c->in)
		stream_pause(c->in, false);
	for (struct viewer *v = c->viewers; v; v = v->next)
		stream_pause(v->stream, false);
}

static struct err *on_input_taken(struct stream *s, void *user)
{
	struct console *c = user;

	(void)s;
	hear_all(c);
	return NULL;
}

static const struct stream_callbacks serial_callbacks = { .data = on_serial, .closed = on_qemu_closed };
/* What we write there is not for us to read. */
static const struct stream_callbacks serial_in_callbacks = { .closed = on_qemu_closed, .drained = on_input_taken };
static const struct stream_callbacks hmp_callbacks = { .data = on_hmp,
						       .closed = on_qemu_closed,
						       .drained = on_input_taken };

void console_send(struct console *c, const char *bytes, size_t len)
{
	if (!c->serial_in)
		return;
	stream_write(c->serial_in, bytes, len);
	/* Its answer is waited for. */
	if (c->serial_out)
		stream_gather(c->serial_out, GATHER_MS);
}

/* Nothing that was typed is dropped: who types more than is read is not listened to until it has been. */
static void send_input(struct console *c, struct stream *from, struct stream *to, const char *bytes, size_t len)
{
	if (!to || !len)
		return;
	if (to != c->serial_in)
		stream_write(to, bytes, len);
	else if (c->holds)
		buf_append(&c->typed, bytes, len);
	else
		console_send(c, bytes, len);
	if (!is_full(c, to))
		return;
	stream_pause(from, true);
	/* The keys of Ctrl-a are no longer heard, either. */
	if (from == c->in && terminal_is_interactive(c->terminal))
		console_note(c,
			     "what is typed is not read; input waits until it is (ktb stop, elsewhere, ends the VM)");
}

void console_hold_input(struct console *c, bool hold)
{
	_cleanup_(buf_deinit) struct buf typed = BUF_INIT;

	c->holds = hold;
	if (hold || !c->typed.len)
		return;
	typed = c->typed;
	c->typed = (struct buf)BUF_INIT;
	console_send(c, typed.data, typed.len);
	hear_all(c);
}

static void toggle_monitor(struct console *c)
{
	if (!c->hmp) {
		console_note(c, "there is no QEMU here whose monitor could be had");
		return;
	}
	c->monitor = !c->monitor;
	console_note(c, c->monitor ? "QEMU's monitor; Ctrl-a c goes back to the guest" : "the guest's console");
	/* An empty line brings its prompt. */
	if (c->monitor)
		send_input(c, c->in, c->hmp, "\n", 1);
	else
		show_unseen(c);
}

static struct err *on_input(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct console *c = user;

	(void)s;
	while (len) {
		_cleanup_(buf_deinit) struct buf out = BUF_INIT;
		enum keys_action action;
		size_t n = keys_feed(&c->keys, bytes, len, &out, &action);

		send_input(c, c->in, c->monitor ? c->hmp : c->serial_in, buf_str(&out), out.len);
		bytes += n;
		len -= n;
		if (action == KEYS_MONITOR)
			toggle_monitor(c);
		else if (action == KEYS_HELP)
			console_note(c, "%s", c->callbacks->help ? c->callbacks->help : keys_help(false));
		else if (action != KEYS_NONE)
			return c->callbacks->action(action, c->user);
	}
	return NULL;
}

/* A terminal's end is the end of the VM (SIGHUP comes too); that of a pipe or a file is not. */
static struct err *on_input_closed(struct stream *s, void *user)
{
	struct console *c = user;

	stream_destroy(s);
	c->in = NULL;
	return terminal_is_interactive(c->terminal) ? c->callbacks->action(KEYS_QUIT, c->user) : NULL;
}

static struct err *on_output_drained(struct stream *s, void *user)
{
	struct console *c = user;

	(void)s;
	if (c->missed)
		console_note(c, "%zu bytes of the console came too fast for this terminal; they are in %s/console.log",
			     c->missed, rundir_path(c->rundir));
	c->missed = 0;
	return NULL;
}

static struct err *on_output_closed(struct stream *s, void *user)
{
	struct console *c = user;

	stream_destroy(s);
	c->out = NULL;
	/* Whoever read it is done: ktb vm | head. */
	return c->callbacks->action(KEYS_QUIT, c->user);
}

static const struct stream_callbacks input_callbacks = { .data = on_input, .closed = on_input_closed };
/* Nothing is to be read there; poll(2) is asked for writing only. */
static const struct stream_callbacks output_callbacks = { .closed = on_output_closed, .drained = on_output_drained };

static struct err *on_viewer_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct viewer *v = user;

	send_input(v->console, s, v->console->serial_in, bytes, len);
	return NULL;
}

static struct err *on_viewer_closed(struct stream *s, void *user)
{
	(void)s;
	drop_viewer(user);
	return NULL;
}

static const struct stream_callbacks viewer_callbacks = { .data = on_viewer_data, .closed = on_viewer_closed };

static struct err *on_viewer(struct loop_source *source, int fd, short revents, void *user)
{
	struct console *c = user;
	int viewer_fd = sock_accept(fd, c->viewers_n, VIEWERS_MAX);
	struct viewer *v;

	(void)source;
	(void)revents;
	if (viewer_fd < 0)
		return NULL;
	v = xcalloc(1, sizeof(*v));
	v->console = c;
	v->stream = stream_create(c->loop, viewer_fd, false, &viewer_callbacks, v);
	v->next = c->viewers;
	c->viewers = v;
	c->viewers_n++;
	return NULL;
}

static struct err *on_window_change(struct loop_source *source, int fd, short revents, void *user)
{
	(void)source;
	(void)fd;
	(void)revents;
	console_report_size(user);
	return NULL;
}

/* What we say ourselves goes the way of the guest's text: a terminal that nobody reads holds up nobody. */
static void say_on_terminal(const char *text, void *user)
{
	struct console *c = user;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	/* The guest's cursor may stand anywhere in a line. */
	put_for_terminal(&b, "\n");
	put_for_terminal(&b, text);
	if (c->out && stream_pending(c->out) <= BACKLOG_MAX)
		stream_write(c->out, buf_str(&b), b.len);
}

/* Nor does a pipe. */
static void say_on_stderr(const char *text, void *user)
{
	struct console *c = user;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (!c->messages)
		return;
	if (c->missed_messages || stream_pending(c->messages) > MESSAGES_MAX) {
		c->missed_messages++;
		return;
	}
	if (isatty(stream_fd(c->messages))) {
		buf_putc(&b, '\r');
		put_for_terminal(&b, text);
	} else {
		buf_puts(&b, text);
	}
	stream_write(c->messages, buf_str(&b), b.len);
}

/* Once it is clear that nobody reads them. */
static void say_nothing(const char *text, void *user)
{
	(void)text;
	(void)user;
}

static struct err *on_messages_drained(struct stream *s, void *user)
{
	struct console *c = user;
	size_t missed = c->missed_messages;

	(void)s;
	c->missed_messages = 0;
	if (missed)
		log_warn("%zu messages are missing here, since nobody read them", missed);
	return NULL;
}

static struct err *on_messages_closed(struct stream *s, void *user)
{
	struct console *c = user;

	stream_destroy(s);
	c->messages = NULL;
	return NULL;
}

/* Nothing is to be read there, either. */
static const struct stream_callbacks messages_callbacks = { .closed = on_messages_closed,
							    .drained = on_messages_drained };

static struct err *open_messages(struct console *c)
{
	struct stat st;
	bool own;
	int fd;

	if (c->terminal && terminal_is_interactive(c->terminal) && isatty(STDERR_FILENO)) {
		log_set_sink(say_on_terminal, c);
		c->sink = true;
		return NULL;
	}
	/* A file makes nobody wait. */
	if (fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode))
		return NULL;
	TRY(terminal_reopen(STDERR_FILENO, O_WRONLY, &own, &fd));
	c->messages = stream_create(c->loop, fd, !own, &messages_callbacks, c);
	stream_pause(c->messages, true);
	log_set_sink(say_on_stderr, c);
	c->sink = true;
	return NULL;
}

static struct err *open_terminal(struct console *c)
{
	TRY(terminal_raw(c->terminal));
	c->in = stream_create(c->loop, fcntl(terminal_input(c->terminal), F_DUPFD_CLOEXEC, 3),
			      !terminal_input_is_own(c->terminal), &input_callbacks, c);
	c->out = stream_create(c->loop, fcntl(terminal_output(c->terminal), F_DUPFD_CLOEXEC, 3),
			       !terminal_output_is_own(c->terminal), &output_callbacks, c);
	stream_pause(c->out, true);
	return loop_add_signal(c->loop, SIGWINCH, on_window_change, c);
}

struct err *console_create(struct loop *loop, struct terminal *terminal, const struct rundir *rundir,
			   const struct console_callbacks *callbacks, void *user, struct console **ret)
{
	_cleanup_(console_destroy) struct console *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->terminal = terminal;
	c->rundir = rundir;
	c->callbacks = callbacks;
	c->user = user;
	c->listen_fd = -1;
	c->log = (struct console_log)CONSOLE_LOG_INIT;
	TRY(console_log_open(rundir_fd(c->rundir), LOG_MAX, &c->log));
	TRY(sock_listen_at(rundir_fd(rundir), "serial.sock", &c->listen_fd));
	c->listen_source = loop_add_fd(loop, c->listen_fd, POLLIN, on_viewer, c);
	if (terminal)
		TRY(open_terminal(c));
	TRY(open_messages(c));
	*ret = steal(&c);
	return NULL;
}

void console_attach(struct console *c, int serial_out_fd, int serial_in_fd, int hmp_fd)
{
	if (serial_out_fd >= 0) {
		c->serial_out = stream_create(c->loop, serial_out_fd, false, &serial_callbacks, c);
		/* QEMU writes it byte by byte. */
		stream_gather(c->serial_out, GATHER_MS);
	}
	c->serial_in = stream_create(c->loop, serial_in_fd, false, &serial_in_callbacks, c);
	stream_pause(c->serial_in, true);
	if (hmp_fd >= 0)
		c->hmp = stream_create(c->loop, hmp_fd, false, &hmp_callbacks, c);
	hear_all(c);
}

/* Writes what waits for a stream's reader, for a moment at most. */
static void flush_stream(struct stream *s, uint64_t deadline)
{
	while (s && stream_pending(s) && now_ns() < deadline) {
		struct pollfd pfd = { .fd = stream_fd(s), .events = POLLOUT };
		size_t before = stream_pending(s);

		if (poll(&pfd, 1, (int)((deadline - now_ns()) / NSEC_PER_MSEC) + 1) <= 0)
			return;
		stream_flush(s);
		if (stream_pending(s) == before)
			return;
	}
}

void console_catch_up(struct console *c)
{
	/* A guest that never stops talking must not hold us. */
	if (c->serial_out)
		err_ignore(stream_catch_up(c->serial_out, CATCH_UP_MAX));
}

void console_detach(struct console *c)
{
	uint64_t deadline = now_ns() + FLUSH_MS * NSEC_PER_MSEC;

	/* What is left in the FIFO is all there will ever be. */
	console_catch_up(c);
	stream_destroy(steal(&c->serial_out));
	stream_destroy(steal(&c->serial_in));
	stream_destroy(steal(&c->hmp));
	buf_clear(&c->typed);
	if (c->unseen_size)
		show_unseen(c);
	flush_stream(c->out, deadline);
	for (struct viewer *v = c->viewers; v; v = v->next)
		flush_stream(v->stream, deadline);
	c->monitor = false;
}

static void close_messages(struct console *c)
{
	bool stuck;

	flush_stream(c->messages, now_ns() + FLUSH_MS * NSEC_PER_MSEC);
	stuck = c->messages && stream_pending(c->messages);
	stream_destroy(steal(&c->messages));
	/* Else what is said at the end would be waited for. */
	if (c->sink)
		log_set_sink(stuck ? say_nothing : NULL, NULL);
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	console_detach(c);
	close_messages(c);
	while (c->viewers)
		drop_viewer(c->viewers);
	stream_destroy(c->in);
	stream_destroy(c->out);
	buf_deinit(&c->unseen);
	buf_deinit(&c->typed);
	loop_remove(c->listen_source);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	console_log_deinit(&c->log);
	if (c->terminal)
		terminal_restore(c->terminal);
	free(c);
}

void console_note(const struct console *c, const char *fmt, ...)
{
	_cleanup_(free) char *text = NULL;
	va_list ap;

	(void)c;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_info("%s", text);
}

void console_report_size(const struct console *c)
{
	uint16_t rows, cols;

	if (c->terminal && terminal_size(c->terminal, &rows, &cols))
		c->callbacks->resize(rows, cols, c->user);
}
