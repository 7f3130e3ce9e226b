#include "target/kgdb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "target/kgdb_private.h"
#include "target/machine.h"

enum {
	/* Bytes that are asked for at a time: the smallest buffer that a kernel has (BUFMAX) holds them in digits. */
	PIECE = 504,
	WRITE_PIECE = 480,
	PAGE = 4096,
	CPU_THREADS_FROM = 2, /* a CPU's thread is -2 minus its number */
};

/* --- The stub --- */

struct err *kgdb_ask(struct kgdb_target *k, enum err_code code, struct buf *ret, const char *format, ...)
{
	_cleanup_(free) char *request = NULL;
	va_list ap;

	va_start(ap, format);
	request = xvasprintf(format, ap);
	va_end(ap);
	TRY(rsp_client_call(k->stub, request, strlen(request), KGDB_TIMEOUT_MS, ret));
	return rsp_reply_error(ret->data, ret->len, code);
}

static struct err *no_sense(const char *what, const struct buf *reply)
{
	return err_create(ERR_BAD_DATA, "KGDB made no sense when it was asked for %s: '%.*s'", what,
			  (int)MIN(reply->len, (size_t)40), buf_str(reply));
}

int kgdb_active_cpu(const struct kgdb_target *k)
{
	return k->params.active_cpu ? k->params.active_cpu(k->params.user) : KGDB_CPU_UNKNOWN;
}

uint64_t kgdb_variable(const struct kgdb_target *k, enum kgdb_variable which)
{
	return k->params.variable ? k->params.variable(k->params.user, which) : 0;
}

static void memory_changed(struct kgdb_target *k)
{
	if (k->params.changed)
		k->params.changed(k->params.user);
}

/* --- The beginning --- */

/* The threads of CPUs come first. */
static struct err *find_cpus(struct kgdb_target *k)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct rsp_reader r, field;
	uint64_t id;

	TRY(kgdb_ask(k, ERR_BAD_DATA, &reply, "qfThreadInfo"));
	r = rsp_reader_on(reply.data, reply.len);
	k->numbers = xcalloc(TARGET_CPUS_MAX, sizeof(*k->numbers));
	if (!rsp_read_char(&r, 'm'))
		return no_sense("its CPUs", &reply);
	while (rsp_read_field(&r, ',', &field) && rsp_read_hex(&field, &id)) {
		int32_t number = -(int32_t)(uint32_t)id - CPU_THREADS_FROM;

		if ((int32_t)(uint32_t)id >= 0 || number < 0 || k->cpus == TARGET_CPUS_MAX)
			break;
		k->numbers[k->cpus++] = (uint32_t)number;
	}
	return k->cpus ? NULL : no_sense("its CPUs", &reply);
}

static struct err *describe(const char *annex, struct buf *ret, void *user)
{
	(void)user;
	if (!streq(annex, "target.xml"))
		return err_create(ERR_NOT_FOUND, "there is no annex %s", annex);
	kgdb_describe(ret);
	return NULL;
}

static struct err *begin(struct kgdb_target *k)
{
	TRY(description_read(describe, NULL, &k->description));
	k->pc = description_find(&k->description, machine_pc);
	TRY(kgdb_begin(k));
	TRY(find_cpus(k));
	k->contexts = xcalloc(k->cpus, sizeof(*k->contexts));
	return kgdb_find_stopped(k);
}

static void destroy(struct target *t)
{
	struct kgdb_target *k = kgdb_target(t);

	for (uint32_t i = 0; k->contexts && i < k->cpus; i++)
		buf_deinit(&k->contexts[i].registers);
	free(k->contexts);
	free(k->numbers);
	kgdb_wire_deinit(k);
	breaks_deinit(&k->breaks);
	buf_deinit(&k->watched);
	description_deinit(&k->description);
	free(k);
}

/* --- Registers --- */

/* thread 0: the CPU that has stopped, whichever that is. */
static struct err *select_thread(struct kgdb_target *k, uint32_t thread)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	if (thread > k->cpus)
		return err_create(ERR_NOT_FOUND, "there is no thread %u", thread);
	if (thread && k->selected == thread)
		return NULL;
	TRY(kgdb_ask(k, ERR_NOT_FOUND, &reply, "Hg%x",
		     thread ? (uint32_t) - (int32_t)(k->numbers[thread - 1] + CPU_THREADS_FROM) : 0));
	k->selected = thread;
	return NULL;
}

void kgdb_changed(struct kgdb_target *k)
{
	memory_changed(k);
	for (uint32_t i = 0; i < k->cpus; i++)
		k->contexts[i].known = false;
	/* Each stop begins with the CPU that stopped. */
	k->selected = 0;
}

static struct err *fetch_registers(struct kgdb_target *k, uint32_t thread, struct buf *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct rsp_reader r;

	TRY(select_thread(k, thread));
	TRY(kgdb_ask(k, ERR_BAD_DATA, &reply, "g"));
	buf_clear(ret);
	r = rsp_reader_on(reply.data, reply.len);
	if (!rsp_read_hex_data(&r, TARGET_REGISTERS_MAX, ret) || !rsp_at_end(&r) || ret->len < KGDB_SENT_BYTES)
		return no_sense("registers", &reply);
	return NULL;
}

struct err *kgdb_registers(struct kgdb_target *k, uint32_t thread, const struct buf **ret)
{
	struct kgdb_context *c;

	if (!thread || thread > k->cpus)
		return err_create(ERR_NOT_FOUND, "there is no thread %u", thread);
	c = &k->contexts[thread - 1];
	if (!c->known)
		TRY(fetch_registers(k, thread, &c->registers));
	c->known = true;
	*ret = &c->registers;
	return NULL;
}

struct err *kgdb_cpu_registers(struct target *t, uint32_t cpu, struct cpu_registers *ret)
{
	struct kgdb_target *k = kgdb_target(t);
	const struct buf *registers;

	for (uint32_t thread = 1; thread <= k->cpus; thread++) {
		if (k->numbers[thread - 1] != cpu)
			continue;
		TRY(kgdb_registers(k, thread, &registers));
		kgdb_take_registers(registers->data, ret);
		return NULL;
	}
	return err_create(ERR_NOT_FOUND, "there is no CPU %u", cpu);
}

static bool same_stack(const struct kgdb_target *k, const struct buf *a, const struct buf *b)
{
	const struct description_register *sp = description_at(&k->description, KGDB_SP);
	uint64_t of_a, of_b;

	return description_value(sp, a->data, a->len, &of_a) && description_value(sp, b->data, b->len, &of_b) &&
	       of_a == of_b;
}

/* The CPU that is in the debugger: as it is seen, or as the kernel has it. */
static int find_active_cpu(struct kgdb_target *k)
{
	int cpu = kgdb_active_cpu(k);
	uint64_t address = cpu == KGDB_CPU_UNKNOWN ? kgdb_variable(k, KGDB_VARIABLE_ACTIVE) : 0;
	int32_t number;
	struct err *e;

	if (!address)
		return cpu;
	e = kgdb_read_line(&k->target, address, &number, sizeof(number));
	cpu = e || number < 0 ? KGDB_CPU_UNKNOWN : number;
	err_ignore(e);
	return cpu;
}

/* Where memory doesn't tell, it is the CPU on whose stack the stub's own is: no two are on one. */
struct err *kgdb_find_stopped(struct kgdb_target *k)
{
	_cleanup_(buf_deinit) struct buf own = BUF_INIT;
	int cpu = find_active_cpu(k);

	k->stopped = 1;
	for (uint32_t i = 0; i < k->cpus && cpu >= 0; i++) {
		if (k->numbers[i] == (uint32_t)cpu) {
			k->stopped = i + 1;
			return NULL;
		}
	}
	if (k->cpus == 1)
		return NULL;
	TRY(fetch_registers(k, 0, &own));
	for (uint32_t thread = 1; thread <= k->cpus; thread++) {
		const struct buf *registers;

		TRY(kgdb_registers(k, thread, &registers));
		if (same_stack(k, &own, registers)) {
			k->stopped = thread;
			break;
		}
	}
	return NULL;
}

static void append_bytes(struct buf *b, char byte, size_t n)
{
	memset(buf_reserve(b, n), byte, n);
	buf_commit(b, n);
}

static struct err *read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	const struct buf *registers;

	TRY(kgdb_registers(kgdb_target(t), thread, &registers));
	buf_append(ret, registers->data, KGDB_SENT_BYTES);
	append_bytes(ret, 0, kgdb_target(t)->description.size - KGDB_SENT_BYTES);
	return NULL;
}

/* GDB takes what it gets first for all that there ever is; so what the kernel doesn't send has its place. */
static struct err *known_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	(void)thread;
	append_bytes(ret, 1, KGDB_SENT_BYTES);
	append_bytes(ret, 0, kgdb_target(t)->description.size - KGDB_SENT_BYTES);
	return NULL;
}

static struct err *read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
{
	struct kgdb_target *k = kgdb_target(t);
	const struct description_register *r = description_at(&k->description, number);
	const struct buf *registers;

	TRY(kgdb_registers(k, thread, &registers));
	if (!r)
		return err_create(ERR_NOT_FOUND, "there is no register %u", number);
	if (r->offset + r->size <= KGDB_SENT_BYTES)
		buf_append(ret, registers->data + r->offset, r->size);
	return NULL;
}

static struct err *check_writable(const struct kgdb_target *k, uint32_t thread)
{
	if (thread == k->stopped)
		return NULL;
	return err_create(ERR_UNSUPPORTED,
			  "KGDB writes registers of the CPU that has stopped only; that is thread %u (CPU %u)",
			  k->stopped, k->numbers[k->stopped - 1]);
}

static struct err *write_hex(struct kgdb_target *k, uint32_t thread, struct buf *request, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	TRY(check_writable(k, thread));
	TRY(select_thread(k, thread));
	rsp_put_hex_bytes(request, bytes, len);
	k->contexts[thread - 1].known = false;
	return kgdb_ask(k, ERR_BAD_DATA, &reply, "%.*s", (int)request->len, request->data);
}

static struct err *write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT;

	if (len < KGDB_SENT_BYTES)
		return err_create(ERR_BAD_DATA, "%zu bytes are not all registers", len);
	buf_putc(&request, 'G');
	return write_hex(kgdb_target(t), thread, &request, bytes, KGDB_SENT_BYTES);
}

struct err *kgdb_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes, size_t len)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT;
	struct kgdb_target *k = kgdb_target(t);
	const struct description_register *r = description_at(&k->description, number);

	if (!r || len != r->size || number >= KGDB_WRITABLE)
		return err_create(ERR_NOT_FOUND, "KGDB has no register %u of %zu bytes to be written", number, len);
	buf_printf(&request, "P%x=", number);
	return write_hex(k, thread, &request, bytes, len);
}

struct err *kgdb_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	struct kgdb_target *k = kgdb_target(t);
	const struct buf *registers;

	TRY(kgdb_registers(k, thread, &registers));
	if (!description_value(k->pc, registers->data, registers->len, ret))
		return err_create(ERR_BAD_DATA, "KGDB gave too few registers");
	return NULL;
}

static const unsigned int *expedited(struct target *t, size_t *ret_n)
{
	(void)t;
	return machine_expedited(ret_n);
}

static struct err *description(struct target *t, const char *annex, struct buf *ret)
{
	return describe(annex, ret, t);
}

/* --- Memory --- */

struct err *kgdb_read_line(struct target *t, uint64_t address, void *ret, size_t len)
{
	struct kgdb_target *k = kgdb_target(t);

	for (size_t done = 0; done < len;) {
		_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
		size_t n = MIN(len - done, (size_t)PIECE);
		struct rsp_reader r;

		TRY(kgdb_ask(k, ERR_FAULT, &reply, "m%llx,%zx", (unsigned long long)(address + done), n));
		r = rsp_reader_on(reply.data, reply.len);
		if (!rsp_read_hex_bytes(&r, (uint8_t *)ret + done, n))
			return no_sense("memory", &reply);
		done += n;
	}
	return NULL;
}

static struct err *read_piece(struct kgdb_target *k, uint64_t address, void *ret, size_t len)
{
	if (k->params.read_ram && k->params.read_ram(k->params.user, address, ret, len))
		return NULL;
	return kgdb_read_line(&k->target, address, ret, len);
}

/* The kernel takes its breakpoints out while it stands. */
struct err *kgdb_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			     size_t *ret_len)
{
	struct kgdb_target *k = kgdb_target(t);
	size_t done = 0;

	(void)thread;
	while (done < len) {
		uint64_t at = address + done;
		size_t n = MIN(len - done, (size_t)(PAGE - at % PAGE));
		struct err *e = read_piece(k, at, (uint8_t *)ret + done, n);

		if (e && (err_code(e) != ERR_FAULT || !done))
			return e;
		err_ignore(e);
		if (e)
			break;
		done += n;
	}
	*ret_len = done;
	return NULL;
}

static struct err *write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
{
	struct kgdb_target *k = kgdb_target(t);

	(void)thread;
	memory_changed(k);
	for (size_t done = 0; done < len;) {
		_cleanup_(buf_deinit) struct buf digits = BUF_INIT, reply = BUF_INIT;
		size_t n = MIN(len - done, (size_t)WRITE_PIECE);

		rsp_put_hex_bytes(&digits, (const uint8_t *)bytes + done, n);
		TRY(kgdb_ask(k, ERR_FAULT, &reply, "M%llx,%zx:%s", (unsigned long long)(address + done), n,
			     buf_str(&digits)));
		done += n;
	}
	return NULL;
}

/* --- The rest --- */

static struct err *threads(struct target *t, struct target_threads *ret)
{
	struct kgdb_target *k = kgdb_target(t);

	for (uint32_t i = 0; i < k->cpus; i++) {
		struct target_thread thread = { .id = i + 1, .core = k->numbers[i] };

		snprintf(thread.name, sizeof(thread.name), "CPU %u", k->numbers[i]);
		target_threads_add(ret, &thread);
	}
	return NULL;
}

static bool has_thread(struct target *t, uint32_t thread)
{
	return thread && thread <= kgdb_target(t)->cpus;
}

static uint32_t stopped_thread(struct target *t)
{
	return kgdb_target(t)->stopped;
}

struct output {
	target_output put;
	void *user;
	bool any;
};

static void pass_output(const char *text, size_t len, void *user)
{
	struct output *o = user;

	o->any = o->any || len;
	o->put(text, len, o->user);
}

/* kdb says nothing of a command that it doesn't know. */
static struct err *ask_kdb(struct kgdb_target *k, const char *command, target_output put, void *user)
{
	static const char nothing[] = "(kdb said nothing; `monitor kdb help` lists what it knows)\n";
	_cleanup_(buf_deinit) struct buf request = BUF_INIT, reply = BUF_INIT;
	struct output output = { put, user, false };
	struct err *e;

	buf_puts(&request, "qRcmd,");
	rsp_put_hex_text(&request, command);
	TRY(rsp_client_call_output(k->stub, request.data, request.len, KGDB_TIMEOUT_MS, pass_output, &output, &reply));
	e = rsp_reply_error(reply.data, reply.len, ERR_BAD_DATA);
	if (e && err_code(e) == ERR_UNSUPPORTED) {
		err_destroy(e);
		return err_create(ERR_UNSUPPORTED, "this kernel has no kdb (CONFIG_KGDB_KDB) to ask");
	}
	if (!e && !output.any)
		put(nothing, strlen(nothing), user);
	return e;
}

/* kdb's commands. Where somebody else knows one of the same name, `kdb NAME` is kdb's. */
static struct err *monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
{
	/* The kernel's GDB scripts ask for it, and take whoever answers for one whose thread N is CPU N - 1, as it is here. */
	static const char scripts_question[] = "info version", answer[] = "KGDB\n";
	struct kgdb_target *k = kgdb_target(t);
	const char *command = line + strspn(line, " \t");

	(void)thread;
	if (streq(command, scripts_question)) {
		output(answer, strlen(answer), user);
		return NULL;
	}
	if (strncmp(command, "kdb ", 4) == 0)
		command += 4;
	if (strlen(command) > WRITE_PIECE)
		return err_create(ERR_USAGE, "KGDB takes no command of more than %d characters", WRITE_PIECE);
	kgdb_changed(k);
	return ask_kdb(k, command, output, user);
}

static int line_fd(struct target *t)
{
	return kgdb_target(t)->params.line.fd;
}

static const struct target_ops kgdb_ops = {
	.destroy = destroy,
	.description = description,
	.threads = threads,
	.has_thread = has_thread,
	.stopped_thread = stopped_thread,
	.read_registers = read_registers,
	.known_registers = known_registers,
	.write_registers = write_registers,
	.read_register = read_register,
	.write_register = kgdb_write_register,
	.program_counter = kgdb_program_counter,
	.expedited = expedited,
	.read_memory = kgdb_read_memory,
	.write_memory = write_memory,
	.insert = kgdb_insert,
	.remove = kgdb_remove,
	.resume = kgdb_resume,
	.interrupt = kgdb_interrupt,
	.fd = line_fd,
	.timeout_ms = kgdb_timeout_ms,
	.next_event = kgdb_next_event,
	.monitor = monitor,
	.detach = kgdb_detach,
	.leave = kgdb_leave,
	/* A kernel that is debugged can't be ended by its own stub, which takes it for a detach, too. */
	.kill = kgdb_detach,
};

struct err *kgdb_target_create(const struct kgdb_params *params, struct target **ret)
{
	struct kgdb_target *k = xcalloc(1, sizeof(*k));
	struct err *e;

	k->target.ops = &kgdb_ops;
	k->params = *params;
	kgdb_wire_init(k);
	e = begin(k);
	if (e) {
		/* What was stopped for nothing goes on. */
		if (k->stands)
			err_ignore(kgdb_detach(&k->target));
		destroy(&k->target);
		return err_wrap(e, "begin a session with KGDB");
	}
	*ret = &k->target;
	return NULL;
}
