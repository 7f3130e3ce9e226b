/*
 * KGDB: the kernel's own stub, at the other end of a serial line. The line is the console's, which the two then share, or one of
 * its own; BREAK, by which the kernel is stopped, works on the console's only.
 */
#include <json-c/json.h>

#include "supervisor/state.h"

static bool has_own_line(const struct supervisor *s)
{
	return s->vm.kgdb_line;
}

/* On a line of its own nobody reads what is no packet. */
static void on_text(const char *bytes, size_t len, void *user)
{
	struct supervisor *s = user;

	if (!has_own_line(s))
		console_show(s->console, bytes, len);
}

static void on_write(const char *bytes, size_t len, bool behind_break, void *user)
{
	struct supervisor *s = user;

	if (!has_own_line(s) || behind_break)
		console_send(s->console, bytes, len);
	else if (s->kgdb_in)
		stream_write(s->kgdb_in, bytes, len);
}

static struct err *on_break_sent(struct json_object *value, const char *error, void *user)
{
	struct supervisor *s = user;

	(void)value;
	if (error)
		console_note(s->console, "no BREAK could be sent on the serial line: %s", error);
	line_break_done(s->line);
	return NULL;
}

static void send_break(void *user)
{
	struct supervisor *s = user;
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "id", json_object_new_string(VM_SERIAL));
	qmp_command(s->qmp, "chardev-send-break", arguments, on_break_sent, s);
}

static void on_stands(bool stands, void *user)
{
	struct supervisor *s = user;

	/* The kernel's stub would take what is typed for the wish to hear its last packet again. */
	if (!has_own_line(s))
		console_hold_input(s->console, stands);
}

static void on_broken(void *user)
{
	struct supervisor *s = user;

	if (s->debugport)
		debugport_end_server(s->debugport);
}

static const struct line_callbacks line_callbacks = {
	.text = on_text,
	.write = on_write,
	.send_break = send_break,
	.stands = on_stands,
	.broken = on_broken,
};

void kgdbline_create(struct supervisor *s)
{
	s->line = line_create(s->loop, &line_callbacks, s);
}

void kgdbline_feed(struct supervisor *s, const char *bytes, size_t len)
{
	if (s->line && !has_own_line(s))
		line_feed(s->line, bytes, len);
	else
		console_show(s->console, bytes, len);
}

static struct err *on_own_line(struct stream *stream, const char *bytes, size_t len, void *user)
{
	struct supervisor *s = user;

	(void)stream;
	line_feed(s->line, bytes, len);
	return NULL;
}

static struct err *on_end_of_line(struct stream *stream, void *user)
{
	(void)stream;
	(void)user;
	return NULL;
}

static const struct stream_callbacks own_line_callbacks = { .data = on_own_line, .closed = on_end_of_line };
static const struct stream_callbacks own_in_callbacks = { .closed = on_end_of_line };

void kgdbline_attach(struct supervisor *s)
{
	if (!has_own_line(s))
		return;
	s->kgdb_out = stream_create(s->loop, steal_fd(&s->qemu.kgdb_out_fd), false, &own_line_callbacks, s);
	s->kgdb_in = stream_create(s->loop, steal_fd(&s->qemu.kgdb_in_fd), false, &own_in_callbacks, s);
	stream_pause(s->kgdb_in, true);
}

void kgdbline_detach(struct supervisor *s)
{
	stream_destroy(steal(&s->kgdb_out));
	stream_destroy(steal(&s->kgdb_in));
	if (s->line)
		line_unshare(s->line);
}

int kgdbline_share(void *user)
{
	struct supervisor *s = user;
	int fd = -1;
	struct err *e = line_share(s->line, &fd);

	if (e)
		console_note(s->console, "%s", err_message(e));
	err_ignore(e);
	return fd;
}
