#include "vm/qmp.h"

#include "base/buf.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"

enum { LINE_MAX_BYTES = 1 << 20, DEPTH_MAX = 32, CATCH_UP_MAX = 4 << 20 };

struct pending {
	struct pending *next;
	uint64_t id;
	qmp_reply_callback on_reply;
	void *user;
};

struct qmp {
	struct stream *stream;
	struct buf in;
	struct buf held; /* commands before the greeting */
	bool greeted;
	uint64_t last_id;
	struct pending *pending;
	qmp_event_callback on_event;
	void *user;
};

void qmp_message_deinit(struct qmp_message *m)
{
	json_object_put(m->object);
	*m = (struct qmp_message){ 0 };
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

static const char *string_member(struct json_object *object, const char *name)
{
	struct json_object *value = member(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static struct err *parse_object(const char *line, size_t len, struct json_object **ret)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;
	enum json_tokener_error error;

	if (!tokener)
		abort();
	object = json_tokener_parse_ex(tokener, line, (int)len);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error != json_tokener_success)
		return err_create(ERR_BAD_DATA, "QMP: not JSON: %s", json_tokener_error_desc(error));
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return err_create(ERR_BAD_DATA, "QMP: not an object");
	}
	*ret = object;
	return NULL;
}

struct err *qmp_parse(const char *line, size_t len, struct qmp_message *ret)
{
	_cleanup_(qmp_message_deinit) struct qmp_message m = { 0 };
	struct json_object *id, *error;

	if (len > LINE_MAX_BYTES)
		return err_create(ERR_BAD_DATA, "QMP: a line of %zu bytes", len);
	TRY(parse_object(line, len, &m.object));
	id = member(m.object, "id");
	if (json_object_is_type(id, json_type_int))
		m.id = json_object_get_uint64(id);
	error = member(m.object, "error");
	if (member(m.object, "QMP")) {
		m.kind = QMP_GREETING;
	} else if (json_object_object_get_ex(m.object, "return", &m.data)) {
		m.kind = QMP_RETURN;
	} else if (json_object_is_type(error, json_type_object)) {
		m.kind = QMP_ERROR;
		m.description = string_member(error, "desc");
		if (!m.description)
			m.description = "unknown error";
	} else {
		m.kind = QMP_EVENT;
		m.event = string_member(m.object, "event");
		m.data = member(m.object, "data");
		if (!m.event)
			return err_create(ERR_BAD_DATA, "QMP: neither greeting, event nor answer");
	}
	*ret = m;
	m.object = NULL;
	return NULL;
}

/* Takes the command that has the id out of the list; NULL if there is none. */
static struct pending *take_pending(struct qmp *q, uint64_t id)
{
	for (struct pending **p = &q->pending; *p; p = &(*p)->next) {
		struct pending *found = *p;

		if (found->id == id) {
			*p = found->next;
			return found;
		}
	}
	return NULL;
}

static struct err *handle_message(struct qmp *q, const struct qmp_message *m)
{
	_cleanup_(free) struct pending *pending = NULL;

	switch (m->kind) {
	case QMP_GREETING:
		if (q->greeted)
			return NULL;
		q->greeted = true;
		stream_write(q->stream, "{\"execute\":\"qmp_capabilities\"}\n", 31);
		stream_write(q->stream, buf_str(&q->held), q->held.len);
		buf_clear(&q->held);
		return NULL;
	case QMP_EVENT:
		return q->on_event ? q->on_event(m->event, m->data, q->user) : NULL;
	case QMP_RETURN:
	case QMP_ERROR:
		pending = m->id ? take_pending(q, m->id) : NULL;
		if (!pending || !pending->on_reply)
			return NULL;
		return pending->on_reply(m->data, m->description, pending->user);
	}
	return NULL;
}

static struct err *on_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct qmp *q = user;
	char *newline;

	(void)s;
	buf_append(&q->in, bytes, len);
	while (q->in.len && (newline = memchr(q->in.data, '\n', q->in.len))) {
		_cleanup_(qmp_message_deinit) struct qmp_message m = { 0 };
		size_t n = (size_t)(newline - q->in.data);
		_cleanup_(free) char *line = xstrndup(q->in.data, n);

		buf_consume(&q->in, n + 1);
		TRY(qmp_parse(line, strlen(line), &m));
		TRY(handle_message(q, &m));
	}
	if (q->in.len > LINE_MAX_BYTES)
		return err_create(ERR_BAD_DATA, "QMP: a line of more than %d bytes", LINE_MAX_BYTES);
	return NULL;
}

static struct err *on_closed(struct stream *s, void *user)
{
	struct qmp *q = user;

	(void)s;
	while (q->pending) {
		_cleanup_(free) struct pending *p = q->pending;

		q->pending = p->next;
		if (p->on_reply)
			TRY(p->on_reply(NULL, "closed", p->user));
	}
	return NULL;
}

static const struct stream_callbacks callbacks = { .data = on_data, .closed = on_closed };

struct qmp *qmp_create(struct loop *loop, int fd, qmp_event_callback on_event, void *user)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->on_event = on_event;
	q->user = user;
	q->stream = stream_create(loop, fd, false, &callbacks, q);
	return q;
}

void qmp_destroy(struct qmp *q)
{
	if (!q)
		return;
	stream_destroy(q->stream);
	while (q->pending) {
		struct pending *p = q->pending;

		q->pending = p->next;
		free(p);
	}
	buf_deinit(&q->in);
	buf_deinit(&q->held);
	free(q);
}

struct err *qmp_catch_up(struct qmp *q)
{
	return stream_catch_up(q->stream, CATCH_UP_MAX);
}

/* The command's line. Its answer is waited for from now on. */
static char *format_command(struct qmp *q, const char *command, struct json_object *arguments,
			    qmp_reply_callback on_reply, void *user)
{
	struct json_object *object = json_object_new_object();
	struct pending *p = xcalloc(1, sizeof(*p));
	char *line;

	p->id = ++q->last_id;
	p->on_reply = on_reply;
	p->user = user;
	p->next = q->pending;
	q->pending = p;
	json_object_object_add(object, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(object, "arguments", arguments);
	json_object_object_add(object, "id", json_object_new_uint64(p->id));
	line = xasprintf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	return line;
}

void qmp_command(struct qmp *q, const char *command, struct json_object *arguments, qmp_reply_callback on_reply,
		 void *user)
{
	_cleanup_(free) char *line = format_command(q, command, arguments, on_reply, user);

	if (q->greeted)
		stream_write(q->stream, line, strlen(line));
	else
		buf_puts(&q->held, line);
}

/* A descriptor goes with the bytes it is sent with: nothing may wait before them. */
struct err *qmp_send_fd(struct qmp *q, const char *name, int fd)
{
	struct json_object *arguments = json_object_new_object();
	_cleanup_(free) char *line = NULL;

	json_object_object_add(arguments, "fdname", json_object_new_string(name));
	line = format_command(q, "getfd", arguments, NULL, NULL);
	if (!q->greeted || stream_pending(q->stream))
		return err_create(ERR_CLOSED, "QEMU doesn't take commands now");
	return sock_send_fd(stream_fd(q->stream), line, strlen(line), fd);
}
