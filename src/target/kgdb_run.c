/*
 * Theory of operation. KGDB has `c` and `s`: either all CPUs run, or the one that stopped executes an instruction and the others
 * stay where they are. There is no way to let one run alone, or to step another one.
 *
 * Breakpoints. A debugger takes its breakpoints out at each stop and puts them in again; here, as with QEMU's stub, they stay
 * planted until they could matter. The kernel itself writes them into its code when it goes on, so one at which the CPU stands
 * is removed for a step and planted again behind it. What has hit one is told with the address behind the breakpoint, as a CPU of
 * x86 leaves it, and is put back here.
 *
 * Watchpoints. The kernel doesn't say which one was hit. It is one whose memory has another value than before, or if there is none,
 * the only one.
 *
 * An exception that the kernel can't go on from is passed on to it (C09) when the debugger continues with its signal; otherwise it
 * would be taken again and again.
 */
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "target/kgdb_private.h"

enum { CONFIRM_MS = 1500, KDB_MS = 2000, LINUX_SIGBUS = 7, GDB_SIGBUS = 10 };

/* --- Breakpoints --- */

static struct err *ask_stub(struct kgdb_target *k, char what, const struct brk *b)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;

	return kgdb_ask(k, ERR_FAULT, &reply, "%c%d,%llx,%llx", what, (int)b->kind, (unsigned long long)b->address,
			(unsigned long long)b->size);
}

static struct err *plant(struct kgdb_target *k, struct brk *b)
{
	TRY(err_wrap(ask_stub(k, 'Z', b), "have KGDB put a breakpoint at 0x%llx", (unsigned long long)b->address));
	b->planted = true;
	return NULL;
}

/* What it can't remove is there no more. */
static struct err *unplant(struct kgdb_target *k, struct brk *b)
{
	struct err *e = ask_stub(k, 'z', b);

	if (e && err_code(e) != ERR_FAULT)
		return e;
	err_ignore(e);
	b->planted = false;
	return NULL;
}

static struct err *plant_first(struct brk *b, void *user)
{
	return plant(user, b);
}

struct err *kgdb_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct kgdb_target *k = kgdb_target(t);

	return breaks_insert(&k->breaks, kind, address, size, plant_first, k);
}

struct err *kgdb_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	return breaks_remove(&kgdb_target(t)->breaks, kind, address, size);
}

/* Plants what is wanted and not planted, and the reverse, but for breakpoints that a step can't come to. */
static struct err *settle_breakpoints(struct kgdb_target *k, bool steps)
{
	for (size_t i = k->breaks.n; i-- > 0;) {
		struct brk *b = &k->breaks.v[i];

		if (steps && b->kind == TARGET_BREAK_SOFTWARE)
			continue;
		if (b->wanted && !b->planted)
			TRY(plant(k, b));
		if (b->wanted)
			continue;
		if (b->planted)
			TRY(unplant(k, b));
		breaks_drop(&k->breaks, b);
	}
	return NULL;
}

static bool is_watch(const struct brk *b)
{
	return b->kind != TARGET_BREAK_SOFTWARE && b->kind != TARGET_BREAK_HARDWARE;
}

/*
 * Whether the CPU that stopped stands at one that it is not to hit: it goes past it, or nobody wants it any more. It is taken out
 * then.
 */
static struct err *step_aside(struct kgdb_target *k, bool past, bool *ret)
{
	TRY(kgdb_program_counter(&k->target, k->stopped, &k->step_pc));
	*ret = false;
	for (size_t i = 0; i < k->breaks.n; i++) {
		struct brk *b = &k->breaks.v[i];

		if (!b->planted || is_watch(b) || b->address != k->step_pc || (b->wanted && !past))
			continue;
		TRY(unplant(k, b));
		*ret = true;
	}
	return NULL;
}

/* --- Watchpoints --- */

static uint64_t watched_value(struct kgdb_target *k, const struct brk *b)
{
	uint64_t value = 0;
	size_t got;

	err_ignore(kgdb_read_memory(&k->target, k->stopped, b->address, &value, MIN(b->size, sizeof(value)), &got));
	return value;
}

static void remember_watched(struct kgdb_target *k)
{
	buf_clear(&k->watched);
	for (size_t i = 0; i < k->breaks.n; i++) {
		const struct brk *b = &k->breaks.v[i];
		uint64_t value = b->planted && is_watch(b) ? watched_value(k, b) : 0;

		buf_append(&k->watched, &value, sizeof(value));
	}
}

/* NULL: it was none, or one of several. A step ends without one, too: then only another value counts. */
static const struct brk *find_watch(struct kgdb_target *k)
{
	const struct brk *only = NULL;
	size_t n = 0;

	for (size_t i = 0; i < k->breaks.n; i++) {
		const struct brk *b = &k->breaks.v[i];
		uint64_t before;

		if (!b->planted || !is_watch(b) || k->watched.len < (i + 1) * sizeof(before))
			continue;
		memcpy(&before, k->watched.data + i * sizeof(before), sizeof(before));
		if (watched_value(k, b) != before)
			return b;
		only = b;
		n++;
	}
	return n == 1 && !k->how.step ? only : NULL;
}

/* --- Running --- */

static struct err *check_how(const struct kgdb_target *k, const struct target_resume *how)
{
	uint32_t cpu = k->numbers[k->stopped - 1];

	if (how->step && how->step != k->stopped)
		return err_create(ERR_UNSUPPORTED, "KGDB steps only the CPU that has stopped: thread %u (CPU %u)",
				  k->stopped, cpu);
	if (how->only && k->cpus > 1)
		return err_create(ERR_UNSUPPORTED, "KGDB can't let one CPU run alone: set scheduler-locking off");
	return NULL;
}

static struct err *send_resume(struct kgdb_target *k, const struct target_resume *how)
{
	const char *request = how->step ? "s" : how->signo && k->fatal ? "C09" : "c";

	k->how = *how;
	k->interrupted = false;
	remember_watched(k);
	kgdb_changed(k);
	TRY(rsp_client_send(k->stub, request, strlen(request)));
	if (!how->step)
		k->params.line.stands(k->params.line.user, false);
	return NULL;
}

struct err *kgdb_resume(struct target *t, const struct target_resume *how)
{
	struct kgdb_target *k = kgdb_target(t);
	bool aside = false;

	TRY(check_how(k, how));
	TRY(settle_breakpoints(k, how->step));
	TRY(step_aside(k, how->over == k->stopped, &aside));
	k->then = *how;
	k->then.over = 0;
	if (aside && !how->step) {
		TRY(send_resume(k, &(struct target_resume){ .step = k->stopped }));
		k->state = KGDB_STEPS_OVER;
		return NULL;
	}
	TRY(send_resume(k, how));
	k->state = KGDB_RUNS;
	return NULL;
}

struct err *kgdb_interrupt(struct target *t)
{
	struct kgdb_target *k = kgdb_target(t);

	if (k->state == KGDB_STANDS || k->interrupted)
		return NULL;
	struct err *e = kgdb_break_in(k);

	/* It still stops at breakpoints, and when it is told to on its console. */
	if (e && err_code(e) == ERR_UNSUPPORTED) {
		log_warn("the kernel was not stopped: %s", err_message(e));
		err_destroy(e);
		return NULL;
	}
	TRY(e);
	k->interrupted = true;
	k->interrupt_ns = now_ns() + KGDB_STOP_MS * NSEC_PER_MSEC;
	return NULL;
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

int kgdb_timeout_ms(struct target *t)
{
	const struct kgdb_target *k = kgdb_target(t);
	uint64_t now = now_ns();
	int overdue = -1;

	if (rsp_client_buffered(k->stub) || k->wire.in.len)
		return 0;
	if (k->interrupted && k->interrupt_ns)
		overdue = k->interrupt_ns > now ? (int)((k->interrupt_ns - now) / NSEC_PER_MSEC) + 1 : 0;
	return sooner(overdue, kgdb_wire_timeout_ms(k));
}

/* It can be asked for again. */
static void look_at_interrupt(struct kgdb_target *k)
{
	if (!k->interrupted || !k->interrupt_ns || now_ns() < k->interrupt_ns)
		return;
	k->interrupted = false;
	k->interrupt_ns = 0;
	log_warn("the kernel has not stopped for BREAK and SysRq-g: it may be hung with interrupts off, or have SysRq "
		 "switched off (/proc/sys/kernel/sysrq)");
}

/* --- Stops --- */

static struct err *understand(const struct buf *reply, struct target_event *ret)
{
	struct rsp_reader r = rsp_reader_on(reply->data, reply->len);
	char kind = reply->len ? reply->data[0] : '\0';
	uint8_t number;

	if (!kind || !strchr("TSWX", kind) || !rsp_read_char(&r, kind) || !rsp_read_hex_bytes(&r, &number, 1))
		return err_create(ERR_BAD_DATA, "KGDB made no sense when the kernel stopped: '%.*s'",
				  (int)MIN(reply->len, (size_t)40), buf_str(reply));
	if (kind == 'W' || kind == 'X') {
		ret->kind = TARGET_EVENT_EXITED;
		ret->status = number;
		ret->message = xstrdup("the kernel reboots, or powers off; attach again when it is up");
		return NULL;
	}
	ret->kind = TARGET_EVENT_STOP;
	ret->signo = number == LINUX_SIGBUS ? GDB_SIGBUS : number;
	return NULL;
}

static bool is_thread(const struct buf *reply)
{
	struct rsp_reader r = rsp_reader_on(reply->data, reply->len);
	uint64_t id;

	return rsp_read_char(&r, 'Q') && rsp_read_char(&r, 'C') && rsp_read_hex(&r, &id) && rsp_at_end(&r);
}

/*
 * What only looks like a stop leaves the kernel where it was: running. Then what looks like an answer may be of the same kind; one
 * that stands says nothing but which thread it is.
 */
static struct err *confirm(struct kgdb_target *k, bool *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct err *e;

	*ret = true;
	if (!k->wire.unsure)
		return NULL;
	e = rsp_client_call(k->stub, "qC", 2, CONFIRM_MS, &reply);
	if (e && err_code(e) != ERR_TIMEOUT)
		return e;
	*ret = !e && is_thread(&reply);
	err_ignore(e);
	kgdb_wire_confirm(k, *ret);
	if (*ret)
		return NULL;
	kgdb_wire_type(k, "\x15");
	kgdb_wire_connect(k);
	rsp_client_expect_stop(k->stub);
	rsp_line_set_state(&k->wire.line, RSP_LINE_RUNS);
	return NULL;
}

static const struct brk *software_at(const struct kgdb_target *k, uint64_t address)
{
	for (size_t i = 0; i < k->breaks.n; i++) {
		const struct brk *b = &k->breaks.v[i];

		if (b->planted && b->kind == TARGET_BREAK_SOFTWARE && b->address == address)
			return b;
	}
	return NULL;
}

/*
 * The CPU stands behind a breakpoint's instruction. One that took a step has executed that only if it was there before; it may
 * have come from elsewhere to the address behind it.
 */
static struct err *put_back(struct kgdb_target *k, struct target_event *e)
{
	const struct brk *b;
	uint64_t pc;

	TRY(kgdb_program_counter(&k->target, e->thread, &pc));
	b = software_at(k, pc - 1);
	if (b && (!k->how.step || k->step_pc == pc - 1)) {
		pc--;
		TRY(kgdb_write_register(&k->target, e->thread, KGDB_PC, &pc, sizeof(pc)));
		e->reason = TARGET_REASON_BREAKPOINT;
		return NULL;
	}
	if (!k->how.step && breaks_planted_at(&k->breaks, pc))
		e->reason = TARGET_REASON_BREAKPOINT;
	return NULL;
}

static struct err *find_reason(struct kgdb_target *k, struct target_event *e)
{
	const struct brk *watch;

	k->fatal = e->signo != KGDB_SIGTRAP;
	if (k->fatal)
		return NULL;
	TRY(put_back(k, e));
	watch = e->reason == TARGET_REASON_SIGNAL && !k->interrupted ? find_watch(k) : NULL;
	if (watch) {
		e->reason = TARGET_REASON_WATCH;
		e->watch = watch->kind;
		e->address = watch->address;
	} else if (e->reason == TARGET_REASON_SIGNAL && k->interrupted) {
		e->signo = KGDB_SIGINT;
	}
	return NULL;
}

static struct err *find_thread(struct kgdb_target *k, struct target_event *e)
{
	if (!k->how.step)
		TRY(kgdb_find_stopped(k));
	e->thread = k->stopped;
	return NULL;
}

static struct err *go_on_after_step(struct kgdb_target *k)
{
	struct target_resume then = k->then;

	TRY(settle_breakpoints(k, false));
	TRY(send_resume(k, &then));
	k->state = KGDB_RUNS;
	return NULL;
}

static struct err *take_stop(struct kgdb_target *k, struct target_event *e)
{
	enum kgdb_state was = k->state;
	bool interrupted = k->interrupted;

	k->state = KGDB_STANDS;
	if (e->kind == TARGET_EVENT_STOP)
		k->params.line.stands(k->params.line.user, true);
	kgdb_changed(k);
	if (e->kind != TARGET_EVENT_STOP)
		return NULL;
	TRY(find_thread(k, e));
	TRY(find_reason(k, e));
	k->interrupted = false;
	if (was != KGDB_STEPS_OVER || e->signo != KGDB_SIGTRAP || e->reason != TARGET_REASON_SIGNAL || interrupted)
		return NULL;
	target_event_deinit(e);
	*e = (struct target_event)TARGET_EVENT_INIT;
	return go_on_after_step(k);
}

struct err *kgdb_next_event(struct target *t, struct target_event *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;
	struct kgdb_target *k = kgdb_target(t);
	bool got, stopped;

	for (;;) {
		struct err *failure = rsp_client_poll(k->stub, &got, &reply);

		/* Another kernel begins, or none does: what was planted is gone, and nobody stands there. */
		if (failure && err_code(failure) == ERR_CLOSED && k->state != KGDB_STANDS) {
			err_destroy(failure);
			e.kind = TARGET_EVENT_EXITED;
			e.message = xstrdup("the kernel is gone: the machine was reset, or ended; attach again");
			break;
		}
		TRY(failure);
		if (!got) {
			look_at_interrupt(k);
			*ret = (struct target_event)TARGET_EVENT_INIT;
			return NULL;
		}
		if (k->state == KGDB_STANDS || rsp_is_output(reply.data, reply.len))
			continue;
		TRY(understand(&reply, &e));
		TRY(confirm(k, &stopped));
		if (stopped)
			TRY(take_stop(k, &e));
		if (stopped && e.kind != TARGET_EVENT_NONE)
			break;
		target_event_deinit(&e);
		e = (struct target_event)TARGET_EVENT_INIT;
	}
	*ret = e;
	e = (struct target_event)TARGET_EVENT_INIT;
	return NULL;
}

/* --- The end --- */

/*
 * From now on SysRq-g shall lead to kdb again, as it did before a debugger came. *ret is false if it can't be had by a variable of
 * the kernel's.
 */
static struct err *set_kdb_mode(struct kgdb_target *k, bool *ret)
{
	static const char on[] = "01000000";
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	uint64_t address = kgdb_variable(k, KGDB_VARIABLE_KDB_MODE);
	struct err *e;

	*ret = false;
	if (!address)
		return NULL;
	e = kgdb_ask(k, ERR_FAULT, &reply, "M%llx,4:%s", (unsigned long long)address, on);
	if (e && err_code(e) != ERR_FAULT)
		return e;
	*ret = !e;
	err_ignore(e);
	return NULL;
}

/* Back to kdb. *ret is false if the kernel has none: then it stands in KGDB still. */
static struct err *switch_to_kdb(struct kgdb_target *k, bool *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	uint64_t end = now_ns() + KDB_MS * NSEC_PER_MSEC;
	bool got = false;

	TRY(rsp_client_send(k->stub, "3", 1));
	rsp_line_set_reply_due(&k->wire.line);
	buf_clear(&k->wire.heard);
	while (!got && !k->wire.heard.len && now_ns() < end) {
		kgdb_wire_wait(k, KGDB_QUIET_MS);
		TRY(rsp_client_poll(k->stub, &got, &reply));
	}
	while (!got && now_ns() - k->wire.heard_ns < KGDB_QUIET_MS * NSEC_PER_MSEC && now_ns() < end)
		kgdb_wire_wait(k, KGDB_QUIET_MS);
	*ret = !got;
	if (!got)
		rsp_line_set_state(&k->wire.line, RSP_LINE_ALONE);
	return NULL;
}

struct err *kgdb_detach(struct target *t)
{
	static const char again[] = "second time";
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct kgdb_target *k = kgdb_target(t);
	bool in_kdb = false, set;

	/* The kernel removes all its breakpoints, in any of the ways. */
	TRY(set_kdb_mode(k, &set));
	if (!set)
		TRY(switch_to_kdb(k, &in_kdb));
	if (in_kdb) {
		buf_clear(&k->wire.heard);
		kgdb_wire_type(k, "go\r");
		kgdb_wire_wait(k, KGDB_QUIET_MS);
		kgdb_wire_wait(k, KGDB_QUIET_MS);
		/* After an oops it wants to hear it twice. */
		if (strstr(buf_str(&k->wire.heard), again))
			kgdb_wire_type(k, "go\r");
	} else {
		TRY(kgdb_ask(k, ERR_BAD_DATA, &reply, "D"));
		/* It waits for the acknowledgment. */
		rsp_conn_flush(rsp_client_conn(k->stub));
		rsp_line_set_state(&k->wire.line, RSP_LINE_ALONE);
	}
	k->params.line.stands(k->params.line.user, false);
	return NULL;
}

/* For whoever comes next, on the console. */
struct err *kgdb_leave(struct target *t)
{
	struct kgdb_target *k = kgdb_target(t);
	bool in_kdb;

	return switch_to_kdb(k, &in_kdb);
}
