#include "target/qemu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "target/qemu_private.h"

enum {
	REPLY_MAX = 1 << 18,
	XML_MAX = 1 << 20,
	XML_PIECE = 0x7fb, /* older stubs take 4096 bytes at a time */
};

/* --- The stub --- */

struct err *qemu_ask_bytes(struct qemu_target *q, enum err_code code, struct buf *ret, const void *request, size_t len)
{
	TRY(rsp_client_call(q->stub, request, len, QEMU_TIMEOUT_MS, ret));
	return rsp_reply_error(ret->data, ret->len, code);
}

struct err *qemu_ask(struct qemu_target *q, enum err_code code, struct buf *ret, const char *format, ...)
{
	_cleanup_(free) char *request = NULL;
	va_list ap;

	va_start(ap, format);
	request = xvasprintf(format, ap);
	va_end(ap);
	return qemu_ask_bytes(q, code, ret, request, strlen(request));
}

static struct err *no_sense(const char *what, const struct buf *reply)
{
	return err_create(ERR_BAD_DATA, "QEMU's stub made no sense when it was asked for %s: '%.*s'", what,
			  (int)MIN(reply->len, (size_t)40), reply->len ? reply->data : "");
}

static struct err *fetch_xml(const char *annex, struct buf *ret, void *user)
{
	_cleanup_(buf_deinit) struct buf piece = BUF_INIT;
	struct qemu_target *q = user;
	char kind;

	do {
		TRY(qemu_ask(q, ERR_NOT_FOUND, &piece, "qXfer:features:read:%s:%zx,%x", annex, ret->len, XML_PIECE));
		kind = piece.data[0];
		if ((kind != 'l' && kind != 'm') || ret->len + piece.len > XML_MAX || (kind == 'm' && piece.len == 1))
			return no_sense("its registers", &piece);
		buf_append(ret, piece.data + 1, piece.len - 1);
	} while (kind == 'm');
	return NULL;
}

/* Threads are CPUs, and must be 1, 2, ...: who is told of them counts on that. */
static struct err *count_cpus(struct qemu_target *q)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "qfThreadInfo"));
	while (reply.data[0] == 'm') {
		struct rsp_reader r = rsp_reader_on(reply.data + 1, reply.len - 1), field;

		while (rsp_read_field(&r, ',', &field)) {
			struct rsp_thread thread;

			if (!rsp_read_thread(&field, &thread) || thread.tid != q->cpus + 1 ||
			    q->cpus == TARGET_CPUS_MAX)
				return no_sense("its CPUs", &reply);
			q->cpus++;
		}
		TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "qsThreadInfo"));
	}
	return q->cpus ? NULL : no_sense("its CPUs", &reply);
}

/*
 * Has the stub drop all breakpoints and watchpoints: it does when it is asked why it stopped, but under TCG those of the CPU
 * that Hc has chosen only (gdb_breakpoint_remove_all() in its gdbstub).
 */
static struct err *drop_breakpoints(struct qemu_target *q)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	for (uint32_t thread = q->cpus; thread; thread--) {
		TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "Hc%x", thread));
		TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "?"));
	}
	return NULL;
}

/* What an earlier session has left behind goes. */
static struct err *begin(struct qemu_target *q)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "qSupported:xmlRegisters=%s", machine_xml_registers));
	TRY(description_read(fetch_xml, q, &q->description));
	q->pc = description_find(&q->description, machine_pc);
	machine_control_find(&q->description, &q->control);
	if (!q->pc)
		return err_create(ERR_UNSUPPORTED, "QEMU's stub has no register %s: only %s can be debugged here",
				  machine_pc, machine_name);
	TRY(count_cpus(q));
	TRY(drop_breakpoints(q));
	/* Stubs that don't know of it have nothing to say. */
	TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "Qqemu.PhyMemMode:0"));
	q->contexts = xcalloc(q->cpus, sizeof(*q->contexts));
	for (uint32_t i = 0; i < q->cpus; i++)
		q->contexts[i].steps = q->params.may_have_steps;
	return NULL;
}

static void destroy(struct target *t)
{
	struct qemu_target *q = qemu_target(t);

	for (uint32_t i = 0; q->contexts && i < q->cpus; i++)
		buf_deinit(&q->contexts[i].registers);
	free(q->contexts);
	breaks_deinit(&q->breaks);
	description_deinit(&q->description);
	mem_destroy(q->params.mem);
	rsp_client_destroy(q->stub);
	free(q);
}

/* --- Registers --- */

struct err *qemu_select(struct qemu_target *q, uint32_t thread)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	if (!thread || thread > q->cpus)
		return err_create(ERR_NOT_FOUND, "there is no thread %u", thread);
	if (q->selected == thread)
		return NULL;
	TRY(qemu_ask(q, ERR_NOT_FOUND, &reply, "Hg%x", thread));
	q->selected = thread;
	return NULL;
}

void qemu_forget_registers(struct qemu_target *q)
{
	for (uint32_t i = 0; i < q->cpus; i++)
		q->contexts[i].known = false;
}

struct err *qemu_registers(struct qemu_target *q, uint32_t thread, const struct buf **ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct qemu_context *c;
	struct rsp_reader r;

	TRY(qemu_select(q, thread));
	c = &q->contexts[thread - 1];
	if (!c->known) {
		TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "g"));
		buf_clear(&c->registers);
		r = rsp_reader_on(reply.data, reply.len);
		if (!rsp_read_hex_data(&r, TARGET_REGISTERS_MAX, &c->registers) || !rsp_at_end(&r))
			return no_sense("registers", &reply);
		c->known = true;
	}
	*ret = &c->registers;
	return NULL;
}

static struct err *read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	const struct buf *registers;

	TRY(qemu_registers(qemu_target(t), thread, &registers));
	buf_append(ret, registers->data, registers->len);
	return NULL;
}

static struct err *read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
{
	struct qemu_target *q = qemu_target(t);
	const struct description_register *r = description_at(&q->description, number);
	const struct buf *registers;

	TRY(qemu_registers(q, thread, &registers));
	if (!r || r->offset + r->size > registers->len)
		return err_create(ERR_NOT_FOUND, "there is no register %u", number);
	buf_append(ret, registers->data + r->offset, r->size);
	return NULL;
}

static struct err *write_hex(struct qemu_target *q, uint32_t thread, struct buf *request, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	TRY(qemu_select(q, thread));
	rsp_put_hex_bytes(request, bytes, len);
	q->contexts[thread - 1].known = false;
	return qemu_ask_bytes(q, ERR_BAD_DATA, &reply, request->data, request->len);
}

static struct err *write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT;

	buf_putc(&request, 'G');
	return write_hex(qemu_target(t), thread, &request, bytes, len);
}

static struct err *write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT;
	struct qemu_target *q = qemu_target(t);
	const struct description_register *r = description_at(&q->description, number);

	if (!r || len != r->size)
		return err_create(ERR_NOT_FOUND, "there is no register %u of %zu bytes", number, len);
	buf_printf(&request, "P%x=", number);
	return write_hex(q, thread, &request, bytes, len);
}

struct err *qemu_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	struct qemu_target *q = qemu_target(t);
	const struct buf *registers;

	TRY(qemu_registers(q, thread, &registers));
	if (!description_value(q->pc, registers->data, registers->len, ret))
		return err_create(ERR_BAD_DATA, "QEMU's stub gave too few registers");
	return NULL;
}

static const unsigned int *expedited(struct target *t, size_t *ret_n)
{
	(void)t;
	return machine_expedited(ret_n);
}

static struct err *description(struct target *t, const char *annex, struct buf *ret)
{
	return fetch_xml(annex, ret, qemu_target(t));
}

/* --- Threads --- */

static struct err *threads(struct target *t, struct target_threads *ret)
{
	struct qemu_target *q = qemu_target(t);

	for (uint32_t i = 0; i < q->cpus; i++) {
		struct target_thread thread = { .id = i + 1, .core = i };

		snprintf(thread.name, sizeof(thread.name), "CPU %u", i);
		target_threads_add(ret, &thread);
	}
	return NULL;
}

static bool has_thread(struct target *t, uint32_t thread)
{
	return thread && thread <= qemu_target(t)->cpus;
}

/* --- The rest --- */

/* Only its own: what else there is, is asked for by operations. What it reads memory by from then on counts here, too. */
static struct err *query(struct target *t, const char *packet, size_t len, struct buf *ret)
{
	struct rsp_reader r = rsp_reader_on(packet, len);
	struct qemu_target *q = qemu_target(t);
	bool sets = rsp_read_text(&r, "Qqemu.");
	uint64_t mode;

	if (!sets && !rsp_read_text(&r, "qqemu."))
		return err_create(ERR_UNSUPPORTED, "QEMU's stub is not asked that");
	TRY(rsp_client_call(q->stub, packet, len, QEMU_TIMEOUT_MS, ret));
	if (sets && streq(buf_str(ret), "OK") && rsp_read_text(&r, "PhyMemMode:") && rsp_read_hex(&r, &mode))
		q->physical = mode;
	return NULL;
}

static struct err *detach(struct target *t)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct err *e;

	TRY(qemu_take_steps(qemu_target(t), NULL));
	e = qemu_ask(qemu_target(t), ERR_BAD_DATA, &reply, "D");
	if (!e || err_code(e) != ERR_BAD_DATA)
		return e;
	/* Once a client has said multiprocess+, QEMU's stub wants to hear of whom, from all that come after it. */
	err_destroy(e);
	return qemu_ask(qemu_target(t), ERR_BAD_DATA, &reply, "D;1");
}

/* The stub keeps breakpoints when it is hung up on. */
static struct err *leave(struct target *t)
{
	TRY(qemu_take_steps(qemu_target(t), NULL));
	return drop_breakpoints(qemu_target(t));
}

static struct err *kill_machine(struct target *t)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct err *e = rsp_client_call(qemu_target(t)->stub, "k", 1, QEMU_TIMEOUT_MS, &reply);

	/* It goes without a word. */
	if (e && err_code(e) == ERR_CLOSED) {
		err_destroy(e);
		return NULL;
	}
	return e;
}

static int stub_fd(struct target *t)
{
	return qemu_target(t)->params.stub_fd;
}

static int timeout_ms(struct target *t)
{
	return rsp_client_buffered(qemu_target(t)->stub) ? 0 : -1;
}

static bool is_resetting(struct target *t)
{
	return qemu_target(t)->resetting;
}

static void reset_done(struct target *t)
{
	struct qemu_target *q = qemu_target(t);

	q->resetting = false;
	/* The word may come before the stub's. */
	if (q->state != QEMU_STANDS)
		return;
	/* What was looked at since it stopped is of the time before. */
	qemu_forget_registers(q);
	qemu_forget_patches(q);
}

static const struct target_ops qemu_ops = {
	.destroy = destroy,
	.description = description,
	.threads = threads,
	.has_thread = has_thread,
	.read_registers = read_registers,
	.write_registers = write_registers,
	.read_register = read_register,
	.write_register = write_register,
	.program_counter = qemu_program_counter,
	.expedited = expedited,
	.read_memory = qemu_read_memory,
	.write_memory = qemu_write_memory,
	.insert = qemu_insert,
	.remove = qemu_remove,
	.resume = qemu_resume,
	.interrupt = qemu_interrupt,
	.fd = stub_fd,
	.timeout_ms = timeout_ms,
	.next_event = qemu_next_event,
	.monitor = qemu_monitor,
	.query = query,
	.detach = detach,
	.leave = leave,
	.kill = kill_machine,
	.is_resetting = is_resetting,
	.reset_done = reset_done,
};

struct err *qemu_target_create(const struct qemu_params *params, struct target **ret)
{
	struct qemu_target *q = xcalloc(1, sizeof(*q));
	struct err *e;

	q->target.ops = &qemu_ops;
	q->params = *params;
	q->stub = rsp_client_create(params->stub_fd, REPLY_MAX);
	if (params->tap)
		rsp_conn_set_tap(rsp_client_conn(q->stub), params->tap, params->tap_user);
	e = begin(q);
	if (e) {
		destroy(&q->target);
		return err_wrap(e, "begin a session with QEMU's stub");
	}
	*ret = &q->target;
	return NULL;
}
