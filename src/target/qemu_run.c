/*
 * Theory of operation.
 *
 * Breakpoints. A debugger removes its breakpoints at each stop and puts them back before it goes on; between the two lies nothing
 * that they could harm, since memory is read without them. So one that isn't wanted any more stays planted until the machine
 * runs. While one CPU executes one instruction, TCG looks at no breakpoint at all (QEMU, check_for_breakpoints()), so that
 * stepping past them costs no packets. KVM's are instructions in memory, and must not be in the way.
 *
 * KVM's can't be planted before there is memory at their address, as in a kernel that hasn't made its page tables. A hardware
 * breakpoint stands in for each then, of which a CPU has four, and at every stop it is tried to relieve them.
 *
 * Going past a breakpoint. `vCont;c` on one hits it at once, and for ever. So the CPU that is at one is stepped first, alone,
 * and when the stub has told of that the rest follows. An interrupt meanwhile is not lost: either QEMU stops for it, or the
 * step was done before, and then it doesn't go on.
 *
 * A stub whose machine runs takes any byte for the wish to stop (rsp/client.h holds that).
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "target/qemu_private.h"

enum { STEP_MS = 100 };

/* GDB's numbers (include/gdb/signals.def), which the stub uses. SIGQUIT is the guest's reset, and nothing else. */
enum { GDB_SIGINT = 2, GDB_SIGQUIT = 3, GDB_SIGTRAP = 5, GDB_SIGABRT = 6, GDB_SIGNAL_UNKNOWN = 143 };

/* --- Breakpoints --- */

static struct err *ask_stub(struct qemu_target *q, char what, enum target_break kind, const struct brk *k)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	return qemu_ask(q, ERR_FAULT, &reply, "%c%d,%llx,%llx", what, (int)kind, (unsigned long long)k->address,
			(unsigned long long)k->size);
}

static bool is_in_memory(const struct qemu_target *q, const struct brk *k)
{
	return q->params.patches_memory && k->kind == TARGET_BREAK_SOFTWARE;
}

static struct err *plant_as_it_is(struct qemu_target *q, struct brk *k)
{
	struct err *e;
	size_t got;

	if (!k->has_original && is_in_memory(q, k)) {
		e = qemu_read_memory(&q->target, 1, k->address, &k->original, 1, &got);
		k->has_original = !e;
		err_ignore(e);
	}
	return ask_stub(q, 'Z', k->kind, k);
}

static struct err *plant(struct qemu_target *q, struct brk *k)
{
	struct err *e = plant_as_it_is(q, k);

	if (e && err_code(e) == ERR_FAULT && is_in_memory(q, k)) {
		err_destroy(e);
		e = err_wrap(ask_stub(q, 'Z', TARGET_BREAK_HARDWARE, k),
			     "there is no memory at 0x%llx yet; put a hardware breakpoint there until there is",
			     (unsigned long long)k->address);
		k->stood_in_for = !e;
	}
	TRY(e);
	k->planted = true;
	k->missed = false;
	return NULL;
}

/* What the stub can't remove is there no more: the memory has gone. */
static struct err *unplant(struct qemu_target *q, struct brk *k)
{
	struct err *e = ask_stub(q, 'z', k->stood_in_for ? TARGET_BREAK_HARDWARE : k->kind, k);

	if (e && err_code(e) != ERR_FAULT)
		return e;
	err_ignore(e);
	k->planted = k->stood_in_for = false;
	return NULL;
}

/* There may be memory now. */
static struct err *relieve(struct qemu_target *q, struct brk *k)
{
	struct err *e = plant_as_it_is(q, k);

	if (e && err_code(e) != ERR_FAULT)
		return e;
	err_ignore(e);
	if (e)
		return NULL;
	TRY(unplant(q, k));
	k->planted = true;
	return NULL;
}

/* After a reset there may be more of them than can be stood in for. They are tried again whenever it stops. */
static struct err *plant_again(struct qemu_target *q, struct brk *k)
{
	struct err *e = plant(q, k);

	if (!e || err_code(e) != ERR_FAULT || !is_in_memory(q, k))
		return e;
	if (!k->missed)
		log_warn("a breakpoint is not there for now: %s", err_message(e));
	k->missed = true;
	err_ignore(e);
	return NULL;
}

static struct err *plant_first(struct brk *b, void *user)
{
	return plant(user, b);
}

struct err *qemu_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct qemu_target *q = qemu_target(t);

	return breaks_insert(&q->breaks, kind, address, size, plant_first, q);
}

struct err *qemu_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	return breaks_remove(&qemu_target(t)->breaks, kind, address, size);
}

static bool is_breakpoint(const struct brk *k)
{
	return k->kind == TARGET_BREAK_SOFTWARE || k->kind == TARGET_BREAK_HARDWARE;
}

struct err *qemu_unplant_within(struct qemu_target *q, uint64_t address, size_t len)
{
	for (size_t i = 0; i < q->breaks.n; i++) {
		struct brk *k = &q->breaks.v[i];

		if (k->kind != TARGET_BREAK_SOFTWARE || k->address - address >= len)
			continue;
		if (k->planted)
			TRY(unplant(q, k));
		/* It is about to be another one. */
		k->has_original = false;
	}
	return NULL;
}

/* Plants what is wanted and not planted, and the reverse where it would matter. */
static struct err *settle_breakpoints(struct qemu_target *q, const struct target_resume *how)
{
	bool ignored = how->step && !how->others && !q->params.patches_memory;

	for (size_t i = q->breaks.n; i-- > 0;) {
		struct brk *k = &q->breaks.v[i];

		if (k->wanted && !k->planted)
			TRY(plant_again(q, k));
		else if (k->wanted && k->stood_in_for)
			TRY(relieve(q, k));
		if (k->wanted || (ignored && is_breakpoint(k)))
			continue;
		if (k->planted)
			TRY(unplant(q, k));
		breaks_drop(&q->breaks, k);
	}
	return NULL;
}

/* --- Running --- */

static struct err *send_resume(struct qemu_target *q, const struct target_resume *how)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT;

	buf_puts(&request, "vCont");
	if (how->step)
		buf_printf(&request, ";s:%x", how->step);
	else if (how->only)
		buf_printf(&request, ";c:%x", how->only);
	if ((!how->step && !how->only) || how->others)
		buf_puts(&request, ";c");
	q->how = *how;
	return rsp_client_send(q->stub, request.data, request.len);
}

/* One step of this CPU, and then on as `then` says. */
static struct err *step_over(struct qemu_target *q, uint32_t thread, const struct target_resume *then)
{
	q->then = *then;
	q->then.over = 0;
	TRY(send_resume(q, &(struct target_resume){ .step = thread }));
	q->state = QEMU_STEPS_OVER;
	return NULL;
}

static struct err *check_cpu(const struct qemu_target *q, uint32_t thread)
{
	if (thread > q->cpus)
		return err_create(ERR_NOT_FOUND, "there is no CPU with the thread number %u", thread);
	return NULL;
}

/*
 * Whether it is at a planted breakpoint. Under KVM that is unplanted: one in memory would be executed, and one of the CPU's is
 * hit before the instruction, in a step as well.
 */
static struct err *is_at_breakpoint(struct qemu_target *q, uint32_t thread, bool *ret)
{
	struct brk *k;
	uint64_t pc;

	TRY(qemu_program_counter(&q->target, thread, &pc));
	k = breaks_planted_at(&q->breaks, pc);
	*ret = k != NULL;
	for (; k && q->params.patches_memory; k = breaks_planted_at(&q->breaks, pc))
		TRY(unplant(q, k));
	return NULL;
}

/* Whether it runs freely then: it is not stepped, nor held by a breakpoint. */
static struct err *runs_freely(struct qemu_target *q, uint32_t thread, const struct target_resume *how, bool *ret)
{
	uint64_t pc;

	*ret = how->step ? how->others && how->step != thread : !how->only || how->only == thread;
	if (!*ret)
		return NULL;
	TRY(qemu_program_counter(&q->target, thread, &pc));
	*ret = !breaks_planted_at(&q->breaks, pc);
	return NULL;
}

/* Waits until it has stopped, at most so long. *ret: whether it has. */
static struct err *await_stop(struct qemu_target *q, unsigned int timeout_ms, bool *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	uint64_t deadline = now_ns() + timeout_ms * NSEC_PER_MSEC;
	bool unused;

	TRY(rsp_client_poll(q->stub, &unused, &reply));
	for (uint64_t now = now_ns(); rsp_client_running(q->stub) && now < deadline; now = now_ns()) {
		struct pollfd p = { .fd = rsp_client_fd(q->stub), .events = rsp_client_poll_events(q->stub) };

		poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1);
		TRY(rsp_client_poll(q->stub, &unused, &reply));
	}
	*ret = !rsp_client_running(q->stub);
	return NULL;
}

/*
 * One step, alone. A halted CPU takes none until something wakes it, which may be never: it is stopped then. A stop ends the
 * single-step mode of the CPU that is stopped, and of an interrupt that is the one that Hc has named.
 */
static struct err *take_step(struct qemu_target *q, uint32_t thread)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT, reply = BUF_INIT;
	bool stopped;

	TRY(qemu_ask(q, ERR_BAD_DATA, &reply, "Hc%x", thread));
	buf_printf(&request, "vCont;s:%x", thread);
	TRY(rsp_client_send(q->stub, request.data, request.len));
	TRY(await_stop(q, STEP_MS, &stopped));
	if (stopped)
		return NULL;
	TRY(rsp_client_interrupt(q->stub));
	TRY(await_stop(q, QEMU_TIMEOUT_MS, &stopped));
	return stopped ? NULL : err_create(ERR_TIMEOUT, "QEMU's stub didn't stop the CPU of thread %u", thread);
}

/*
 * When one CPU stops the machine while another one is to take a step, QEMU (gdbstub.c) ends the step of the one that
 * stopped. The other one's would stop the machine as soon as it goes on, maybe with nobody there any more to hear of it.
 */
struct err *qemu_take_steps(struct qemu_target *q, const struct target_resume *how)
{
	for (uint32_t thread = 1; thread <= q->cpus; thread++) {
		bool takes = true;

		if (!q->contexts[thread - 1].steps)
			continue;
		if (how)
			TRY(runs_freely(q, thread, how, &takes));
		if (!takes)
			continue;
		q->contexts[thread - 1].steps = false;
		TRY(take_step(q, thread));
	}
	return NULL;
}

static void note_steps(struct qemu_target *q, const struct target_event *e)
{
	if (e->kind != TARGET_EVENT_STOP)
		return;
	if (q->how.step)
		q->contexts[q->how.step - 1].steps = true;
	q->contexts[e->thread - 1].steps = false;
}

struct err *qemu_resume(struct target *t, const struct target_resume *how)
{
	struct qemu_target *q = qemu_target(t);
	bool over = false;

	TRY(check_cpu(q, how->step));
	TRY(check_cpu(q, how->only));
	TRY(check_cpu(q, how->over));
	TRY(settle_breakpoints(q, how));
	TRY(qemu_take_steps(q, how));
	/* A step is past it by itself, but for those in memory. */
	if (how->over && (how->over != how->step || q->params.patches_memory))
		TRY(is_at_breakpoint(q, how->over, &over));
	qemu_forget_registers(q);
	q->interrupted = false;
	if (over && how->over != how->step)
		return step_over(q, how->over, how);
	TRY(send_resume(q, how));
	q->state = QEMU_RUNS;
	return NULL;
}

struct err *qemu_interrupt(struct target *t)
{
	struct qemu_target *q = qemu_target(t);

	if (q->state == QEMU_STANDS || q->interrupted)
		return NULL;
	q->interrupted = true;
	return rsp_client_interrupt(q->stub);
}

/* --- Stops --- */

/* What a T packet says behind its signal: key:value; pairs. */
static struct err *read_pairs(struct rsp_reader *r, struct target_event *ret)
{
	static const struct {
		const char *key;
		enum target_break watch;
	} watches[] = {
		{ "watch", TARGET_WATCH_WRITE },
		{ "rwatch", TARGET_WATCH_READ },
		{ "awatch", TARGET_WATCH_ACCESS },
	};
	struct rsp_reader pair;

	while (rsp_read_field(r, ';', &pair)) {
		struct rsp_reader key;
		struct rsp_thread thread;

		if (!rsp_read_field(&pair, ':', &key))
			continue;
		if (rsp_rest_is(&key, "thread") && rsp_read_thread(&pair, &thread) && thread.tid > 0 &&
		    thread.tid <= TARGET_CPUS_MAX)
			ret->thread = (uint32_t)thread.tid;
		for (size_t i = 0; i < ARRAY_SIZE(watches); i++) {
			if (rsp_rest_is(&key, watches[i].key) && rsp_read_hex(&pair, &ret->address)) {
				ret->reason = TARGET_REASON_WATCH;
				ret->watch = watches[i].watch;
			}
		}
	}
	return NULL;
}

static struct err *understand(struct qemu_target *q, const struct buf *reply, struct target_event *ret)
{
	struct rsp_reader r = rsp_reader_on(reply->data, reply->len);
	char kind = reply->len ? reply->data[0] : '\0';
	uint8_t number;

	if (!kind || !strchr("TSWX", kind) || !rsp_read_char(&r, kind) || !rsp_read_hex_bytes(&r, &number, 1))
		return err_create(ERR_BAD_DATA, "QEMU's stub made no sense when the machine stopped: '%.*s'",
				  (int)MIN(reply->len, (size_t)40), buf_str(reply));
	if (kind == 'W' || kind == 'X') {
		ret->kind = TARGET_EVENT_EXITED;
		ret->status = number;
		return NULL;
	}
	ret->kind = TARGET_EVENT_STOP;
	ret->signo = number;
	ret->thread = q->how.step ? q->how.step : q->how.only ? q->how.only : 1;
	TRY(read_pairs(&r, ret));
	TRY(check_cpu(q, ret->thread));
	/* The stub's word for states that it has no other for; of these a guest that runs comes into one only. */
	if (ret->signo == GDB_SIGNAL_UNKNOWN) {
		ret->signo = GDB_SIGABRT;
		ret->message = xstrdup("the guest has panicked, and QEMU has stopped it");
	}
	return NULL;
}

/* The step past a breakpoint is done, and nothing else has happened. */
static bool has_stepped_over(const struct qemu_target *q, const struct target_event *e)
{
	return q->state == QEMU_STEPS_OVER && e->kind == TARGET_EVENT_STOP && e->signo == GDB_SIGTRAP &&
	       e->reason == TARGET_REASON_SIGNAL && e->thread == q->how.step;
}

static struct err *find_reason(struct qemu_target *q, struct target_event *e)
{
	uint64_t pc;

	if (e->kind != TARGET_EVENT_STOP || e->reason != TARGET_REASON_SIGNAL)
		return NULL;
	if (e->signo == GDB_SIGQUIT) {
		e->reason = TARGET_REASON_RESET;
	} else if (e->signo == GDB_SIGTRAP && e->thread != q->how.step) {
		TRY(qemu_program_counter(&q->target, e->thread, &pc));
		if (breaks_planted_at(&q->breaks, pc))
			e->reason = TARGET_REASON_BREAKPOINT;
	}
	return NULL;
}

void qemu_forget_patches(struct qemu_target *q)
{
	for (size_t i = 0; q->params.patches_memory && i < q->breaks.n; i++) {
		struct brk *k = &q->breaks.v[i];
		if (k->kind != TARGET_BREAK_SOFTWARE)
			continue;
		if (k->planted)
			err_ignore(unplant(q, k));
		k->planted = k->stood_in_for = k->has_original = false;
	}
}

static struct err *go_on_after_step(struct qemu_target *q)
{
	struct target_resume then = q->then;

	/* Under KVM the breakpoint has to be planted again. */
	if (q->params.patches_memory)
		TRY(settle_breakpoints(q, &then));
	TRY(send_resume(q, &then));
	q->state = QEMU_RUNS;
	return NULL;
}

struct err *qemu_next_event(struct target *t, struct target_event *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;
	struct qemu_target *q = qemu_target(t);
	bool got;

	for (;;) {
		TRY(rsp_client_poll(q->stub, &got, &reply));
		if (!got) {
			*ret = (struct target_event)TARGET_EVENT_INIT;
			return NULL;
		}
		/* It stands still, and says so again: somebody else stopped it, or wanted to. */
		if (q->state == QEMU_STANDS || rsp_is_output(reply.data, reply.len))
			continue;
		TRY(understand(q, &reply, &e));
		note_steps(q, &e);
		if (!has_stepped_over(q, &e))
			break;
		if (q->interrupted) {
			e.signo = GDB_SIGINT;
			break;
		}
		TRY(go_on_after_step(q));
		target_event_deinit(&e);
	}
	q->state = QEMU_STANDS;
	qemu_forget_registers(q);
	TRY(find_reason(q, &e));
	if (e.reason == TARGET_REASON_RESET)
		qemu_forget_patches(q);
	*ret = e;
	e = (struct target_event)TARGET_EVENT_INIT;
	return NULL;
}
