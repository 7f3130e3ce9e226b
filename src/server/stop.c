/*
 * What the machine tells: stops, and what becomes of them.
 *
 * Theory of operation. A stop is the client's only if it asked for it. One at a breakpoint whose conditions are false, or with
 * commands that only print, isn't; nor is one within the range that it steps over. The machine then goes on at once, past the
 * breakpoint. A wish to interrupt must not get lost in that, however often it happens: the stop at hand is then the one.
 *
 * Three traps, all GDB's. A stop for a breakpoint (swbreak, hwbreak) where GDB has none makes it go on without a word, for
 * ever: it takes the breakpoint for one that it has just removed. A stop of another thread than the one that it steps alone
 * trips an assertion. A stop of a thread that isn't in its list leaves it inconsistent.
 */
#include "server/session_private.h"

#include "base/util.h"

/* --- The stop reply --- */

static void put_registers(struct session *s, uint32_t thread, struct buf *b)
{
	size_t n;
	const unsigned int *numbers = target_expedited(s->target, &n);

	for (size_t i = 0; i < n; i++) {
		struct err *e;

		buf_clear(&s->scratch);
		e = target_read_register(s->target, thread, numbers[i], &s->scratch);
		if (!e) {
			buf_printf(b, "%02x:", numbers[i]);
			rsp_put_hex_bytes(b, buf_str(&s->scratch), s->scratch.len);
			buf_putc(b, ';');
		}
		/* The client asks for what it misses, and is told then. */
		err_ignore(e);
	}
}

/* LLDB asks for the list each time that it reads the word; see target_libraries(). */
static void put_lldb_news(struct buf *b)
{
	buf_puts(b, "library:;reason:trap;description:");
	rsp_put_hex_text(b, "modules were loaded or unloaded");
	buf_putc(b, ';');
}

static void put_reason(const struct session *s, const struct stop *stop, struct buf *b)
{
	static const char *const watches[TARGET_BREAKS_N] = {
		[TARGET_WATCH_WRITE] = "watch",
		[TARGET_WATCH_READ] = "rwatch",
		[TARGET_WATCH_ACCESS] = "awatch",
	};

	switch (stop->reason) {
	case STOP_PLAIN:
		break;
	case STOP_BREAKPOINT:
		if (stop->kind == TARGET_BREAK_SOFTWARE && s->knows_swbreak)
			buf_puts(b, "swbreak:;");
		if (stop->kind == TARGET_BREAK_HARDWARE && s->knows_hwbreak)
			buf_puts(b, "hwbreak:;");
		break;
	case STOP_WATCH:
		buf_printf(b, "%s:%llx;", watches[stop->kind], (unsigned long long)stop->address);
		break;
	case STOP_LIBRARIES:
		buf_puts(b, "library:;");
		if (s->is_lldb)
			put_lldb_news(b);
		break;
	}
}

/* GDB asks for all of them at once, when it wants to know. */
static void put_name(struct session *s, uint32_t thread, struct buf *b)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;

	err_ignore(target_threads(s->target, &threads));
	for (size_t i = 0; i < threads.n; i++) {
		if (threads.v[i].id != thread)
			continue;
		buf_puts(b, "hexname:");
		rsp_put_hex_text(b, threads.v[i].name);
		buf_putc(b, ';');
	}
}

void stop_put_reply(struct session *s, const struct stop *stop, struct buf *b)
{
	/* A batch of LLDB's ends at a trap that isn't LLDB's own, as at a crash. */
	unsigned int signo = s->is_lldb && stop->reason == STOP_LIBRARIES ? SIGNAL_STOP : stop->signo;

	buf_printf(b, "T%02xthread:%x;", signo, stop->thread);
	if (s->is_lldb)
		put_name(s, stop->thread, b);
	put_registers(s, stop->thread, b);
	put_reason(s, stop, b);
}

void stop_report(struct session *s)
{
	session_show_pending(s);
	s->waits = s->interrupting = false;
	session_is_to_run(s, false);
	s->thread = s->stop.thread;
	s->resumed_thread = 0;
	buf_clear(&s->packet);
	stop_put_reply(s, &s->stop, &s->packet);
	err_ignore(rsp_conn_send(s->conn, buf_str(&s->packet), s->packet.len));
}

/* --- Events --- */

static uint32_t first_thread(struct session *s)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;

	err_ignore(target_threads(s->target, &threads));
	return threads.n ? threads.v[0].id : 1;
}

/* The one that the client may be told about. */
static uint32_t thread_of(struct session *s, const struct target_event *event)
{
	if (s->wish.step && !s->wish.others)
		return s->wish.step;
	if (s->wish.only)
		return s->wish.only;
	if (target_has_thread(s->target, event->thread))
		return event->thread;
	return target_has_thread(s->target, s->stop.thread) ? s->stop.thread : first_thread(s);
}

/* It could not go on: that is a stop, and the client's to know why. */
static void go_on(struct session *s, uint32_t over)
{
	struct err *e = run_go(s, 0, over);

	if (!e)
		return;
	if (err_code(e) == ERR_CLOSED) {
		session_target_gone(s, e);
		return;
	}
	session_say_line(s, err_message(e));
	err_destroy(e);
	stop_report(s);
}

/* False: that can't be told; it is then no breakpoint, and in no range. */
static bool read_pc(struct session *s, uint64_t *ret)
{
	return had(target_program_counter(s->target, s->stop.thread, ret));
}

/* True: it goes on. */
static bool passes_breakpoint(struct session *s)
{
	const struct breakpoint *bp;
	uint64_t pc;

	if (!read_pc(s, &pc))
		return false;
	switch (breakpoints_hit(s, s->stop.thread, pc, &bp)) {
	case HIT_NONE:
		return false;
	case HIT_STOP:
		s->stop.reason = STOP_BREAKPOINT;
		s->stop.kind = bp->kind;
		impatience_stopped(s, bp);
		return false;
	case HIT_PASSED:
		break;
	}
	return true;
}

/* A step within the range that the client steps over isn't worth a word; a breakpoint in it is. */
static bool stays_in_range(struct session *s)
{
	uint64_t pc;

	if (!s->wish.range || s->stop.thread != s->wish.step || s->stop.signo != SIGNAL_TRAP)
		return false;
	if (!read_pc(s, &pc) || pc < s->wish.start || pc >= s->wish.end)
		return false;
	return !breakpoints_at(&s->breakpoints, pc) || passes_breakpoint(s);
}

/*
 * Another CPU has stopped the machine, for nothing, while one takes a step. If that has been taken, it is what there is to be told:
 * going on would make two of it. The other one is not to go through its breakpoint again.
 */
static bool has_stepped(struct session *s)
{
	uint32_t thread = s->wish.step;
	uint64_t pc;

	if (!thread || !s->wish.others || s->stop.thread == thread || !s->wish.has_from)
		return false;
	if (!had(target_program_counter(s->target, thread, &pc)) || pc == s->wish.from)
		return false;
	s->passed = s->stop.thread;
	s->stop = (struct stop){ .thread = thread, .signo = SIGNAL_TRAP };
	return true;
}

static void take_stop(struct session *s, const struct target_event *event)
{
	uint32_t over = 0;
	bool goes_on = false;

	s->stop = (struct stop){ .thread = thread_of(s, event), .signo = event->signo ? event->signo : SIGNAL_TRAP };
	if (event->message)
		session_say_line(s, event->message);
	switch (event->reason) {
	case TARGET_REASON_SIGNAL:
		goes_on = stays_in_range(s);
		break;
	case TARGET_REASON_BREAKPOINT:
		goes_on = passes_breakpoint(s);
		/* A CPU that is stepped isn't held by the breakpoint that it is at. */
		over = s->stop.thread == s->wish.step ? 0 : s->stop.thread;
		if (goes_on && has_stepped(s))
			goes_on = stays_in_range(s);
		break;
	case TARGET_REASON_WATCH:
		if (event->watch < TARGET_WATCH_WRITE || event->watch > TARGET_WATCH_ACCESS)
			break;
		s->stop.reason = STOP_WATCH;
		s->stop.kind = event->watch;
		s->stop.address = event->address;
		break;
	case TARGET_REASON_LIBRARIES:
		s->stop.reason = STOP_LIBRARIES;
		breakpoints_drop_lost(s);
		break;
	case TARGET_REASON_RESET:
		s->held = s->word_fd >= 0;
		break;
	}
	if (goes_on && !s->interrupting) {
		session_show_pending(s);
		go_on(s, over);
		return;
	}
	if (s->stop.reason != STOP_BREAKPOINT)
		impatience_stopped(s, NULL);
	if (s->interrupting && s->stop.reason == STOP_PLAIN && event->reason != TARGET_REASON_RESET)
		s->stop.signo = SIGNAL_INT;
	stop_report(s);
}

void stop_take_event(struct session *s, const struct target_event *event)
{
	switch (event->kind) {
	case TARGET_EVENT_NONE:
		break;
	case TARGET_EVENT_STOP:
		s->runs = false;
		take_stop(s, event);
		break;
	case TARGET_EVENT_EXITED:
		s->runs = false;
		session_is_to_run(s, false);
		if (event->message)
			session_say_line(s, event->message);
		s->over = s->let_go = true;
		if (!s->waits)
			break;
		session_show_pending(s);
		s->waits = false;
		buf_clear(&s->packet);
		buf_printf(&s->packet, "W%02x", event->status & 0xff);
		err_ignore(rsp_conn_send(s->conn, buf_str(&s->packet), s->packet.len));
		break;
	}
}
