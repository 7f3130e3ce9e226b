/*
 * Theory of operation
 *
 * What is read from standard input is bounded by the credit that the guest gave, what the guest may send by the credit
 * that we give: for what has been written. So nothing piles up, and a slow reader slows down its own command alone.
 *
 * Nothing here waits for ever without a word: cmd/guest_watch.h sees to that.
 */
#include "cmd/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/printable.h"
#include "base/stream.h"
#include "cmd/guest_watch.h"
#include "config/config.h"
#include "guest/frame.h"
#include "supervisor/control.h"
#include "vm/keys.h"

enum {
	SIGNAL_TICKS = 6, /* for the guest to be heard of after a signal */
	SOCKET_BACKLOG_MAX = 256 << 10,
	TEXT_MAX = 64 << 10,
	TOLD_MAX = 256, /* of what could not be done */
	SIGPIPE_STATUS = 128 + SIGPIPE,
};

/* One of the command's two outputs. */
struct output {
	struct session *session;
	enum ktb_stream which;
	struct stream *stream; /* NULL: kept or dropped */
	bool closed;           /* by its reader */
	uint32_t unreturned;   /* bytes that came, for which no new credit was given */
};

struct session {
	const struct guest_command *command;
	struct loop *loop;
	struct stream *agent;
	struct buf in; /* an unfinished frame */
	struct output out, err;
	struct loop_source *input;
	uint32_t in_credit;
	struct keys keys;

	bool ended, left;
	struct guest_watch watch;
	int signals, signal_number;
	unsigned int signal_ticks;
	int status;
	struct err *failure;
};

struct err *guest_find_vm(const struct config *cfg, struct vm_record **ret)
{
	return rundir_find(config_origin(cfg, OPT_VM_NAME) ? config_string(cfg, OPT_VM_NAME) : NULL, ret);
}

static struct err *finish(struct session *s, struct err *e)
{
	if (s->failure)
		err_destroy(e);
	else
		s->failure = e;
	loop_quit(s->loop);
	return NULL;
}

static struct err *leave(struct session *s, int status)
{
	s->left = true;
	s->status = status;
	loop_quit(s->loop);
	return NULL;
}

/* --- Output --- */

static void give_credit(struct output *o)
{
	struct frame_credit credit = { .stream = o->which, .bytes = o->unreturned };
	uint8_t frame[KTB_FRAME_SMALL];

	if (o->unreturned < KTB_AGENT_WINDOW / 4 || (o->stream && stream_pending(o->stream)) || o->session->ended)
		return;
	o->unreturned = 0;
	stream_write(o->session->agent, frame, frame_put_credit(frame, 0, &credit));
}

/* All is told, and written. */
static void end_if_written(const struct session *s)
{
	if (s->ended && (!s->out.stream || !stream_pending(s->out.stream)) &&
	    (!s->err.stream || !stream_pending(s->err.stream)))
		loop_quit(s->loop);
}

static struct err *on_output_drained(struct stream *stream, void *user)
{
	struct output *o = user;

	(void)stream;
	give_credit(o);
	end_if_written(o->session);
	return NULL;
}

/* Whoever read it is done: ktb exec -- yes | head. */
static struct err *on_output_closed(struct stream *stream, void *user)
{
	struct output *o = user;

	stream_destroy(stream);
	o->stream = NULL;
	o->closed = true;
	if (o->which == KTB_STDOUT && !o->session->ended)
		return leave(o->session, SIGPIPE_STATUS);
	end_if_written(o->session);
	return NULL;
}

static const struct stream_callbacks output_callbacks = { .closed = on_output_closed, .drained = on_output_drained };

static void keep_text(const struct session *s, const struct frame *f)
{
	struct buf *text = s->command->text;

	if (text && text->len < TEXT_MAX)
		buf_append(text, f->payload, MIN((size_t)f->length, TEXT_MAX - text->len));
}

static struct err *take_output(struct output *o, const struct frame *f)
{
	if (f->length > KTB_AGENT_WINDOW - o->unreturned)
		return finish(o->session, err_create(ERR_BAD_DATA, "the guest sent more than it was asked for"));
	o->unreturned += f->length;
	if (o->stream)
		stream_write(o->stream, f->payload, f->length);
	else if (!o->closed)
		keep_text(o->session, f);
	give_credit(o);
	return NULL;
}

/*
 * A descriptor of our own for a stream, since one that is shared can't be made non-blocking; a regular file never blocks.
 */
static struct stream *open_output(struct session *s, int fd, struct output *o)
{
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct stream *stream;
	struct stat st;
	int own = -1;
	bool never_blocks;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	never_blocks = S_ISREG(st.st_mode);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		own = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	never_blocks = never_blocks || own >= 0;
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return NULL;
	stream = stream_create(s->loop, own, !never_blocks, &output_callbacks, o);
	stream_pause(stream, true);
	return stream;
}

/* --- Input --- */

static void update_input(struct session *s)
{
	bool may_read = s->watch.begun && !s->ended && s->in_credit && stream_pending(s->agent) < SOCKET_BACKLOG_MAX;

	if (s->input)
		loop_set_events(s->input, may_read ? POLLIN : 0);
}

static void send_data(struct session *s, const char *bytes, size_t len)
{
	uint8_t header[KTB_FRAME_HEADER];

	if (!len)
		return;
	frame_put_header(header, (uint32_t)len, KTB_AGENT_DATA, 0);
	stream_write(s->agent, header, sizeof(header));
	stream_write(s->agent, bytes, len);
	s->in_credit -= (uint32_t)len;
}

static void end_input(struct session *s)
{
	uint8_t frame[KTB_FRAME_SMALL];

	loop_remove(steal(&s->input));
	stream_write(s->agent, frame, frame_put_plain(frame, KTB_AGENT_EOF, 0));
}

/* Keys of a terminal: Ctrl-a and one more is for us. What goes on is never more than what came. */
static struct err *take_keys(struct session *s, const char *bytes, size_t len)
{
	while (len) {
		_cleanup_(buf_deinit) struct buf out = BUF_INIT;
		enum keys_action action;
		size_t n = keys_feed(&s->keys, bytes, len, &out, &action);

		send_data(s, buf_str(&out), out.len);
		bytes += n;
		len -= n;
		if (action == KEYS_QUIT)
			return leave(s, GUEST_SIGNALLED + SIGHUP);
		if (action == KEYS_HELP || action == KEYS_MONITOR)
			log_info("Ctrl-a x leaves, and the command is hung up; Ctrl-a Ctrl-a is Ctrl-a itself");
	}
	return NULL;
}

static struct err *on_input(struct loop_source *source, int fd, short revents, void *user)
{
	char bytes[KTB_AGENT_DATA_MAX];
	struct session *s = user;
	bool keys = s->command->terminal && terminal_is_interactive(s->command->terminal);
	size_t room = MIN(sizeof(bytes), (size_t)s->in_credit);
	ssize_t n;

	(void)source;
	(void)revents;
	/* Ctrl-a that was held back may come out with the next key: one more than was read. */
	if (keys && room > 1)
		room /= 2;
	n = read(fd, bytes, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0)
		end_input(s);
	else if (keys)
		TRY(take_keys(s, bytes, (size_t)n));
	else
		send_data(s, bytes, (size_t)n);
	update_input(s);
	return NULL;
}

static void send_size(const struct session *s)
{
	struct frame_winsize size;
	uint8_t frame[KTB_FRAME_SMALL];

	if (s->command->terminal && terminal_size(s->command->terminal, &size.rows, &size.cols))
		stream_write(s->agent, frame, frame_put_agent_winsize(frame, 0, &size));
}

/* --- Frames --- */

static void explain_failure(struct session *s, const struct frame_end *end)
{
	_cleanup_(free) char *what = printable(end->text, MIN(end->text_len, TOLD_MAX));
	int number = end->value < 4096 ? (int)end->value : EPROTO;

	log_error("in the guest: can't %s: %s", what, strerror(number));
	s->status = number == ENOENT && skip_prefix(what, "run ") ? GUEST_NOT_FOUND
		    : skip_prefix(what, "run ")                   ? GUEST_NOT_RUN
								  : GUEST_FAILED;
}

static struct err *take_end(struct session *s, const struct frame *f)
{
	struct frame_end end;

	if (!frame_get_end(f, &end))
		return finish(s, err_create(ERR_BAD_DATA, "the guest's agent makes no sense"));
	s->ended = true;
	loop_remove(steal(&s->input));
	if (end.how == KTB_END_EXITED)
		s->status = (int)(end.value & 0xff);
	else if (end.how == KTB_END_SIGNALLED)
		s->status = GUEST_SIGNALLED + (int)(end.value & 0x7f);
	else if (end.how == KTB_END_FAILED)
		explain_failure(s, &end);
	else
		return finish(s, err_create(ERR_CLOSED, "the guest's agent gave the command up"));
	end_if_written(s);
	return NULL;
}

static struct err *take_frame(struct session *s, const struct frame *f)
{
	struct frame_credit credit;
	uint32_t number;

	switch (f->type) {
	case KTB_AGENT_OPENED:
		if (frame_get_number(f, &number) && !s->watch.begun) {
			s->watch.begun = true;
			s->in_credit = MIN(number, (uint32_t)KTB_AGENT_WINDOW);
			/* It may have changed since. */
			send_size(s);
		}
		break;
	case KTB_AGENT_CREDIT:
		if (frame_get_credit(f, &credit))
			s->in_credit = MIN(credit.bytes, KTB_AGENT_WINDOW - s->in_credit) + s->in_credit;
		break;
	case KTB_AGENT_DATA:
		return take_output(&s->out, f);
	case KTB_AGENT_ERROR_DATA:
		return take_output(&s->err, f);
	case KTB_AGENT_END:
		return take_end(s, f);
	default:
		break;
	}
	return NULL;
}

static struct err *on_agent_data(struct stream *stream, const char *bytes, size_t len, void *user)
{
	enum frame_status status = FRAME_PARTIAL;
	struct session *s = user;
	size_t used = 0;
	struct frame f;

	(void)stream;
	guest_watch_heard(&s->watch);
	buf_append(&s->in, bytes, len);
	while (!s->failure && !s->left && !s->ended && s->in.len &&
	       (status = frame_parse((const uint8_t *)s->in.data + used, s->in.len - used, &f)) == FRAME_COMPLETE) {
		TRY(take_frame(s, &f));
		used += frame_size(&f);
	}
	buf_consume(&s->in, used);
	if (status == FRAME_TOO_LONG)
		return finish(s, err_create(ERR_BAD_DATA, "the guest's agent makes no sense"));
	update_input(s);
	return NULL;
}

static struct err *on_agent_drained(struct stream *stream, void *user)
{
	(void)stream;
	update_input(user);
	return NULL;
}

/* Without an END: the VM has gone, or the agent alone. */
static struct err *on_agent_closed(struct stream *stream, void *user)
{
	struct session *s = user;

	(void)stream;
	if (s->ended || s->left) {
		end_if_written(s);
		return NULL;
	}
	return finish(s, guest_watch_broken(&s->watch));
}

static const struct stream_callbacks agent_callbacks = {
	.data = on_agent_data,
	.closed = on_agent_closed,
	.drained = on_agent_drained,
};

/* timeout(1) sends one signal and no second. */
static bool signal_is_lost(const struct session *s)
{
	return s->signals && s->watch.heard_ticks <= s->signal_ticks &&
	       s->watch.ticks >= s->signal_ticks + SIGNAL_TICKS;
}

static struct err *on_tick(struct loop_source *source, int fd, short revents, void *user)
{
	struct session *s = user;
	uint8_t frame[KTB_FRAME_SMALL];

	(void)source;
	(void)fd;
	(void)revents;
	if (!s->ended) {
		struct err *e;
		bool ping;

		if (signal_is_lost(s))
			return leave(s, GUEST_SIGNALLED + s->signal_number);
		e = guest_watch_tick(&s->watch, &ping);
		if (e)
			return finish(s, e);
		if (ping)
			stream_write(s->agent, frame, frame_put_plain(frame, KTB_AGENT_PING, 0));
	}
	loop_add_timer(s->loop, now_ns() + GUEST_WATCH_TICK_MS * NSEC_PER_MSEC, on_tick, s);
	return NULL;
}

/* --- Signals --- */

/* The command gets the first one; who sends a second wants to be gone. */
static struct err *on_signal(struct loop_source *source, int number, short revents, void *user)
{
	struct session *s = user;
	uint8_t frame[KTB_FRAME_SMALL];

	(void)source;
	(void)revents;
	if (++s->signals > 1 || !s->watch.begun || s->command->terminal || s->command->builtin || number == SIGHUP)
		return leave(s, GUEST_SIGNALLED + number);
	s->signal_number = number;
	s->signal_ticks = s->watch.ticks;
	stream_write(s->agent, frame, frame_put_number(frame, KTB_AGENT_SIGNAL, 0, (uint32_t)number));
	stream_write(s->agent, frame, frame_put_plain(frame, KTB_AGENT_PING, 0));
	return NULL;
}

static struct err *on_window_change(struct loop_source *source, int number, short revents, void *user)
{
	(void)source;
	(void)number;
	(void)revents;
	send_size(user);
	return NULL;
}

/* One that whoever started us ignores (nohup) stays ignored. */
static struct err *watch_signals(struct session *s)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			TRY(loop_add_signal(s->loop, signals[i], on_signal, s));
	}
	if (s->command->terminal)
		TRY(loop_add_signal(s->loop, SIGWINCH, on_window_change, s));
	return NULL;
}

/* --- Putting it together --- */

static void add_string(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s) + 1);
}

static struct err *send_open(struct session *s)
{
	const struct guest_command *c = s->command;
	_cleanup_(buf_deinit) struct buf strings = BUF_INIT;
	size_t env_n = c->env ? c->env->n : 0;
	struct frame_open open = {
		.flags = (c->terminal ? KTB_OPEN_TTY : 0) | (c->builtin ? KTB_OPEN_BUILTIN : 0),
		.out_credit = KTB_AGENT_WINDOW,
		.err_credit = KTB_AGENT_WINDOW,
		.args_n = (uint16_t)c->args->n,
		.env_n = (uint16_t)env_n,
	};
	uint8_t head[KTB_OPEN_HEAD];

	add_string(&strings, c->folder ? c->folder : "");
	for (size_t i = 0; i < c->args->n; i++)
		add_string(&strings, c->args->v[i]);
	for (size_t i = 0; i < env_n; i++)
		add_string(&strings, c->env->v[i]);
	if (KTB_OPEN_HEAD - KTB_FRAME_HEADER + strings.len > KTB_FRAME_PAYLOAD_MAX)
		return err_create(ERR_USAGE, "the command and its environment are too long: %zu bytes of at most %d",
				  strings.len, KTB_FRAME_PAYLOAD_MAX - KTB_OPEN_HEAD + KTB_FRAME_HEADER);
	if (c->terminal)
		(void)terminal_size(c->terminal, &open.rows, &open.cols);
	frame_put_open(head, &open, (uint32_t)strings.len);
	stream_write(s->agent, head, sizeof(head));
	stream_write(s->agent, buf_str(&strings), strings.len);
	return NULL;
}

static struct err *connect_agent(struct session *s)
{
	_cleanup_(close) int sock = -1;
	int fd;

	TRY(rundir_connect(s->command->vm, "control.sock", &sock));
	TRY(control_agent(sock, &fd));
	s->agent = stream_create(s->loop, fd, false, &agent_callbacks, s);
	return NULL;
}

static struct err *run(struct session *s)
{
	const struct guest_command *c = s->command;

	TRY(guest_watch_begin(&s->watch));
	TRY(connect_agent(s));
	TRY(send_open(s));
	TRY(watch_signals(s));
	if (c->terminal)
		TRY(terminal_raw(c->terminal));
	s->out.stream = open_output(s, c->out, &s->out);
	s->err.stream = open_output(s, c->err, &s->err);
	if (c->in >= 0)
		s->input = loop_add_fd(s->loop, c->in, 0, on_input, s);
	loop_add_timer(s->loop, now_ns() + GUEST_WATCH_TICK_MS * NSEC_PER_MSEC, on_tick, s);
	return loop_run(s->loop);
}

struct err *guest_run(const struct guest_command *command, int *ret_status)
{
	_cleanup_(loop_destroy) struct loop *loop = loop_create();
	struct session s = {
		.command = command,
		.loop = loop,
		.watch = { .vm = command->vm, .give_up = command->terminal ? "Ctrl-a x" : "Ctrl-C, twice" },
	};
	struct err *e;

	s.out = (struct output){ .session = &s, .which = KTB_STDOUT };
	s.err = (struct output){ .session = &s, .which = KTB_STDERR };
	e = run(&s);
	stream_destroy(s.agent);
	stream_destroy(s.out.stream);
	stream_destroy(s.err.stream);
	buf_deinit(&s.in);
	if (command->terminal) {
		terminal_restore(command->terminal);
		/* The cursor may stand anywhere. */
		if ((s.left || s.failure) && terminal_is_interactive(command->terminal))
			fputs("\n", stderr);
	}
	if (e || s.failure) {
		if (e)
			err_destroy(s.failure);
		return e ? e : s.failure;
	}
	*ret_status = s.status;
	return NULL;
}
