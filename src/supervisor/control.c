#include "supervisor/control.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sock.h"
#include "base/stream.h"
#include "base/util.h"

enum {
	LINE_MAX_BYTES = 4096,
	CLIENTS_MAX = 32,
	ANSWER_TIMEOUT_S = 5,
	END_TIMEOUT_S = 30,
	HOLD_POLL_US = 500,
	HANDOUT_MAX = 1 << 20, /* what comes through a pipe */
};

static struct err *parse_json(const char *line, size_t len, struct json_object **ret)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object = json_tokener_parse_ex(tokener, line, (int)len);

	json_tokener_free(tokener);
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return err_create(ERR_BAD_DATA, "not a JSON object");
	}
	*ret = object;
	return NULL;
}

/* A member that is a number from min to 65535. */
static struct err *number_member(struct json_object *object, const char *name, int64_t min, uint16_t *ret)
{
	struct json_object *value = NULL;
	int64_t number;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_int))
		return err_create(ERR_BAD_DATA, "no number '%s'", name);
	number = json_object_get_int64(value);
	if (number < min || number > UINT16_MAX)
		return err_create(ERR_BAD_DATA, "'%s' is out of range", name);
	*ret = (uint16_t)number;
	return NULL;
}

static struct err *parse_request(struct json_object *object, struct control_request *ret)
{
	static const char *const ops[] = { "status", "stop",      "resize", "ram",   "agent",
					   "hold",   "registers", "dump",   "dumped" };
	struct control_request r = { 0 };
	struct json_object *value = NULL;
	const char *op;
	size_t i;

	op = json_object_object_get_ex(object, "op", &value) ? json_object_get_string(value) : NULL;
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (op && streq(op, ops[i]))
			break;
	}
	if (i == ARRAY_SIZE(ops))
		return err_create(ERR_BAD_DATA, "no such request");
	r.op = (enum control_op)i;
	if (r.op == CONTROL_STOP && json_object_object_get_ex(object, "force", &value))
		r.force = json_object_get_boolean(value);
	if (r.op == CONTROL_RESIZE) {
		TRY(number_member(object, "rows", 1, &r.rows));
		TRY(number_member(object, "cols", 1, &r.cols));
	}
	if (r.op == CONTROL_REGISTERS)
		TRY(number_member(object, "cpu", 0, &r.cpu));
	*ret = r;
	return NULL;
}

struct err *control_parse(const char *line, size_t len, struct control_request *ret)
{
	struct json_object *object;
	struct err *e;

	TRY(parse_json(line, len, &object));
	e = parse_request(object, ret);
	json_object_put(object);
	return e;
}

struct client {
	struct client *next;
	struct control *control;
	struct stream *stream;
	struct buf in;
	bool holds; /* has asked that the VM stand still */
};

struct control {
	struct loop *loop;
	int listen_fd;
	struct loop_source *listen_source;
	control_handler handler;
	control_released released;
	void *user;
	struct client *clients;
	size_t clients_n;
};

static void drop_client(struct client *c)
{
	for (struct client **p = &c->control->clients; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			c->control->clients_n--;
			break;
		}
	}
	stream_destroy(c->stream);
	buf_deinit(&c->in);
	if (c->holds && c->control->released)
		c->control->released(c->control->user);
	free(c);
}

static char *format_answer(const struct err *e, const struct control_answer *a)
{
	struct json_object *object = json_object_new_object();
	char *text;

	json_object_object_add(object, "ok", json_object_new_boolean(!e));
	if (e) {
		json_object_object_add(object, "error", json_object_new_string(err_message(e)));
		json_object_object_add(object, "code", json_object_new_string(err_code_name(err_code(e))));
	}
	if (!e && a->status)
		json_object_object_add(object, "status", json_object_new_string(a->status));
	if (!e && a->status)
		json_object_object_add(object, "up", json_object_new_boolean(a->up));
	if (!e && a->status)
		json_object_object_add(object, "resets", json_object_new_uint64(a->resets));
	if (!e && a->status && a->own_init)
		json_object_object_add(object, "own_init", json_object_new_boolean(true));
	if (!e && a->size)
		json_object_object_add(object, "size", json_object_new_uint64(a->size));
	text = xasprintf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	return text;
}

/* Who holds twice is released once. */
static struct err *answer_request(struct client *c, const struct control_request *request,
				  struct control_answer *answer)
{
	if (request->op == CONTROL_HOLD && c->holds)
		return NULL;
	TRY(c->control->handler(request, answer, c->control->user));
	c->holds = c->holds || request->op == CONTROL_HOLD;
	return NULL;
}

/* A descriptor goes with the bytes of its own answer: nothing may wait before it, and none of them later. Closes fd. */
static bool send_with_fd(struct client *c, const char *text, int fd)
{
	struct err *e;

	if (stream_pending(c->stream))
		e = err_create(ERR_CLOSED, "it does not read the answers before this one");
	else
		e = sock_send_fd(stream_fd(c->stream), text, strlen(text), fd);
	close(fd);
	if (!e)
		return true;
	log_warn("a client of the control socket is dropped: its answer and descriptor could not be sent: %s",
		 err_message(e));
	err_destroy(e);
	return false;
}

/* False: the answer could not be sent as it has to be, and the client must go. */
static bool answer_line(struct client *c, const char *line, size_t len)
{
	struct control_answer answer = { .fd = -1 };
	struct control_request request;
	_cleanup_(err_destroy) struct err *e = control_parse(line, len, &request);
	_cleanup_(free) char *text = NULL;

	if (!e)
		e = answer_request(c, &request, &answer);
	text = format_answer(e, &answer);
	if (!e && answer.fd >= 0)
		return send_with_fd(c, text, answer.fd);
	stream_write(c->stream, text, strlen(text));
	return true;
}

static struct err *on_client_data(struct stream *s, const char *bytes, size_t len, void *user)
{
	struct client *c = user;
	char *newline;

	(void)s;
	buf_append(&c->in, bytes, len);
	while (c->in.len && (newline = memchr(c->in.data, '\n', c->in.len))) {
		size_t n = (size_t)(newline - c->in.data);
		_cleanup_(free) char *line = xstrndup(c->in.data, n);

		buf_consume(&c->in, n + 1);
		if (!answer_line(c, line, strlen(line))) {
			drop_client(c);
			return NULL;
		}
	}
	if (c->in.len > LINE_MAX_BYTES || stream_pending(c->stream) > 16 * LINE_MAX_BYTES)
		drop_client(c);
	return NULL;
}

static struct err *on_client_closed(struct stream *s, void *user)
{
	(void)s;
	drop_client(user);
	return NULL;
}

static const struct stream_callbacks client_callbacks = { .data = on_client_data, .closed = on_client_closed };

static struct err *on_connection(struct loop_source *source, int fd, short revents, void *user)
{
	struct control *control = user;
	int client_fd = sock_accept(fd, control->clients_n, CLIENTS_MAX);
	struct client *c;

	(void)source;
	(void)revents;
	if (client_fd < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->control = control;
	c->stream = stream_create(control->loop, client_fd, false, &client_callbacks, c);
	c->next = control->clients;
	control->clients = c;
	control->clients_n++;
	return NULL;
}

struct control *control_create(struct loop *loop, int listen_fd, control_handler handler, control_released released,
			       void *user)
{
	struct control *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->listen_fd = listen_fd;
	c->handler = handler;
	c->released = released;
	c->user = user;
	c->listen_source = loop_add_fd(loop, listen_fd, POLLIN, on_connection, c);
	return c;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	c->released = NULL;
	while (c->clients)
		drop_client(c->clients);
	loop_remove(c->listen_source);
	close(c->listen_fd);
	free(c);
}

/* --- The other side --- */

static void set_timeout(int sock, unsigned int seconds)
{
	const struct timeval time = { .tv_sec = seconds };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

/* What a socket's timeout is called. */
static struct err *no_answer(struct err *e)
{
	if (!e || (err_errno(e) != EAGAIN && err_errno(e) != EWOULDBLOCK))
		return e;
	err_destroy(e);
	return err_create(ERR_TIMEOUT, "the VM's supervisor doesn't answer");
}

/* Sends a line and receives one. *ret_fd may be NULL. The caller gives the answer back. */
static struct err *call(int sock, const char *request, struct json_object **ret, int *ret_fd)
{
	_cleanup_(close) int received = -1;
	struct json_object *value = NULL, *object;
	char line[LINE_MAX_BYTES];
	size_t len = 0;

	set_timeout(sock, ANSWER_TIMEOUT_S);
	TRY(no_answer(sock_send_fd(sock, request, strlen(request), -1)));
	while (!len || line[len - 1] != '\n') {
		size_t n;
		int fd;

		if (len == sizeof(line))
			return err_create(ERR_BAD_DATA, "the VM's supervisor gave an answer that is too long");
		TRY(no_answer(sock_receive_fd(sock, line + len, sizeof(line) - len, &n, &fd)));
		if (!n)
			return err_create(ERR_CLOSED, "the VM's supervisor closed the connection");
		len += n;
		if (fd >= 0) {
			if (received >= 0)
				close(received);
			received = fd;
		}
	}
	TRY(parse_json(line, len, &object));
	if (!json_object_object_get_ex(object, "ok", &value) || !json_object_get_boolean(value)) {
		struct err *e = err_create(ERR_OS, "the VM's supervisor: %s",
					   json_object_object_get_ex(object, "error", &value)
						   ? json_object_get_string(value)
						   : "no reason given");

		json_object_put(object);
		return e;
	}
	if (ret_fd)
		*ret_fd = steal_fd(&received);
	*ret = object;
	return NULL;
}

struct err *control_status(int sock, char **ret)
{
	struct control_guest guest;

	return control_guest_status(sock, ret, &guest);
}

static bool is_true(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, name, &value) && json_object_get_boolean(value);
}

struct err *control_guest_status(int sock, char **ret, struct control_guest *ret_guest)
{
	struct json_object *answer, *value = NULL;
	const char *status;

	TRY(call(sock, "{\"op\":\"status\"}\n", &answer, NULL));
	status = json_object_object_get_ex(answer, "status", &value) ? json_object_get_string(value) : NULL;
	*ret = xstrdup(status ? status : "unknown");
	*ret_guest = (struct control_guest){
		.up = is_true(answer, "up"),
		.own_init = is_true(answer, "own_init"),
		.resets = json_object_object_get_ex(answer, "resets", &value) ? json_object_get_uint64(value)
									      : UINT64_MAX,
	};
	json_object_put(answer);
	return NULL;
}

/* The connection's end is the VM's. */
static struct err *wait_for_end(int sock, void (*waiting)(unsigned int seconds, void *user), void *user)
{
	set_timeout(sock, 1);
	for (unsigned int seconds = 0; seconds < END_TIMEOUT_S;) {
		char byte;
		ssize_t n = read(sock, &byte, 1);

		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return NULL;
		if (n < 0 && errno != EINTR && ++seconds < END_TIMEOUT_S && waiting)
			waiting(seconds, user);
	}
	return err_create(ERR_TIMEOUT, "the VM has not ended after %d seconds; try again with --force", END_TIMEOUT_S);
}

struct err *control_stop(int sock, bool force, void (*waiting)(unsigned int seconds, void *user), void *user)
{
	struct json_object *answer;

	TRY(call(sock, force ? "{\"op\":\"stop\",\"force\":true}\n" : "{\"op\":\"stop\",\"force\":false}\n", &answer,
		 NULL));
	json_object_put(answer);
	return wait_for_end(sock, waiting, user);
}

struct err *control_resize(int sock, uint16_t rows, uint16_t cols)
{
	_cleanup_(free) char *request = xasprintf("{\"op\":\"resize\",\"rows\":%u,\"cols\":%u}\n", rows, cols);
	struct json_object *answer;

	TRY(call(sock, request, &answer, NULL));
	json_object_put(answer);
	return NULL;
}

struct err *control_agent(int sock, int *ret_fd)
{
	struct json_object *answer;
	int fd = -1;

	TRY(call(sock, "{\"op\":\"agent\"}\n", &answer, &fd));
	json_object_put(answer);
	if (fd < 0)
		return err_create(ERR_BAD_DATA, "the VM's supervisor sent no connection to the guest");
	*ret_fd = fd;
	return NULL;
}

struct err *control_ram(int sock, int *ret_fd, uint64_t *ret_size)
{
	struct json_object *answer, *value = NULL;
	int fd = -1;

	TRY(call(sock, "{\"op\":\"ram\"}\n", &answer, &fd));
	if (json_object_object_get_ex(answer, "size", &value))
		*ret_size = json_object_get_uint64(value);
	json_object_put(answer);
	if (fd < 0)
		return err_create(ERR_BAD_DATA, "the VM's supervisor sent no descriptor of the RAM");
	*ret_fd = fd;
	return NULL;
}

struct err *control_hold(int sock)
{
	uint64_t deadline = now_ns() + ANSWER_TIMEOUT_S * NSEC_PER_SEC;
	struct json_object *answer;

	TRY(call(sock, "{\"op\":\"hold\"}\n", &answer, NULL));
	json_object_put(answer);
	for (;;) {
		_cleanup_(free) char *status = NULL;

		TRY(control_status(sock, &status));
		if (!streq(status, "running"))
			return NULL;
		if (now_ns() > deadline)
			return err_create(ERR_TIMEOUT, "QEMU doesn't stop the VM");
		usleep(HOLD_POLL_US);
	}
}

/* All that comes through a pipe; it is closed here. ERR_TIMEOUT if it takes longer than an answer may. */
static struct err *read_handout(int fd, struct buf *ret)
{
	uint64_t deadline = now_ns() + ANSWER_TIMEOUT_S * NSEC_PER_SEC, now;
	_cleanup_(close) int pipe_fd = fd;
	size_t start = ret->len;

	while ((now = now_ns()) < deadline) {
		struct pollfd p = { .fd = pipe_fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) <= 0)
			continue;
		n = read(pipe_fd, buf_reserve(ret, LINE_MAX_BYTES), LINE_MAX_BYTES);
		if (n < 0 && errno != EINTR)
			return err_os(errno, "read what QEMU says");
		if (n == 0)
			return NULL;
		buf_commit(ret, n > 0 ? (size_t)n : 0);
		if (ret->len - start > HANDOUT_MAX)
			return err_create(ERR_BAD_DATA, "QEMU says more than %d bytes", HANDOUT_MAX);
	}
	return err_create(ERR_TIMEOUT, "QEMU doesn't answer");
}

/* A request that is answered with a descriptor. */
static struct err *call_for_fd(int sock, const char *request, int *ret)
{
	struct json_object *answer;
	int fd = -1;

	TRY(call(sock, request, &answer, &fd));
	json_object_put(answer);
	if (fd < 0)
		return err_create(ERR_BAD_DATA, "the VM's supervisor sent no descriptor along");
	*ret = fd;
	return NULL;
}

struct err *control_registers(int sock, unsigned int cpu, struct buf *ret)
{
	_cleanup_(free) char *request = xasprintf("{\"op\":\"registers\",\"cpu\":%u}\n", cpu);
	size_t start = ret->len;
	int fd;

	TRY(call_for_fd(sock, request, &fd));
	TRY(err_wrap(read_handout(fd, ret), "get the registers of vCPU %u", cpu));
	if (ret->len == start)
		return err_create(ERR_OS, "get the registers of vCPU %u: QEMU doesn't say them", cpu);
	return NULL;
}

struct err *control_dump(int sock, int *ret)
{
	return call_for_fd(sock, "{\"op\":\"dump\"}\n", ret);
}

static uint64_t u64_member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, name, &value) ? json_object_get_uint64(value) : 0;
}

struct err *control_dump_state(int sock, bool *ret_active, uint64_t *ret_done, uint64_t *ret_total)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct json_object *object, *value = NULL;
	int fd;

	TRY(call_for_fd(sock, "{\"op\":\"dumped\"}\n", &fd));
	TRY(err_wrap(read_handout(fd, &text), "ask how far the dump is"));
	TRY(err_wrap(parse_json(buf_str(&text), text.len, &object), "ask how far the dump is"));
	*ret_active = json_object_object_get_ex(object, "status", &value) &&
		      streq(json_object_get_string(value) ? json_object_get_string(value) : "", "active");
	*ret_done = u64_member(object, "completed");
	*ret_total = u64_member(object, "total");
	json_object_put(object);
	return NULL;
}
