/*
 * The packets that let the machine go on, and those that end the session.
 *
 * A target steps one CPU at most, and lets the others run meanwhile or not; that is what GDB asks for. vCont can say more;
 * what it says and the target can't do is an error, rather than something else that is done.
 */
#include "server/session_private.h"

#include "base/util.h"

struct err *run_go(struct session *s, unsigned int signo, uint32_t over)
{
	const struct target_resume how = {
		.step = s->wish.step,
		.others = s->wish.others,
		.only = s->wish.only,
		.signo = signo,
		.over = over,
	};

	if (s->held)
		return NULL;
	if (how.step && how.others)
		s->wish.has_from = had(target_program_counter(s->target, how.step, &s->wish.from));
	TRY(target_resume(s->target, &how));
	s->runs = true;
	return NULL;
}

/* The CPU that goes past its breakpoint now, with all others; 0: none. One that is let go on alone is past it by itself. */
static uint32_t take_passed(struct session *s)
{
	const struct wish *w = &s->wish;
	bool all = !w->only && (!w->step || w->others);
	uint32_t over = all && w->step != s->passed ? s->passed : 0;

	if (all || w->step == s->passed || w->only == s->passed)
		s->passed = 0;
	return over;
}

static struct err *begin(struct session *s, const struct wish *wish, unsigned int signo)
{
	if (!wish->step)
		impatience_goes_on(s);
	s->wish = *wish;
	s->interrupting = false;
	TRY(run_go(s, signo, take_passed(s)));
	s->waits = s->quiet = true;
	session_is_to_run(s, true);
	session_show_pending(s);
	return NULL;
}

/* --- vCont --- */

enum action_kind { ACTION_NONE, ACTION_CONTINUE, ACTION_STEP };

struct action {
	enum action_kind kind;
	unsigned int signo;
	bool range;
	uint64_t start, end;
	uint32_t thread; /* 0: all that no action before it is for */
};

static struct err *parse_action(struct session *s, struct rsp_reader text, struct action *ret)
{
	struct action action = { 0 };
	struct rsp_thread id;
	uint64_t signo = 0;

	if (rsp_read_char(&text, 'c') || (rsp_read_char(&text, 'C') && rsp_read_hex(&text, &signo))) {
		action.kind = ACTION_CONTINUE;
	} else if (rsp_read_char(&text, 's') || (rsp_read_char(&text, 'S') && rsp_read_hex(&text, &signo))) {
		action.kind = ACTION_STEP;
	} else if (rsp_read_char(&text, 'r') && rsp_read_range(&text, &action.start, &action.end)) {
		action.kind = ACTION_STEP;
		action.range = true;
	} else {
		return packet_malformed();
	}
	if (signo > UINT8_MAX)
		return packet_malformed();
	action.signo = (unsigned int)signo;
	if (rsp_read_char(&text, ':')) {
		if (!rsp_read_thread(&text, &id))
			return packet_malformed();
		if (id.tid != RSP_ALL)
			TRY(packet_thread(s, id, &action.thread));
	}
	if (!rsp_at_end(&text))
		return packet_malformed();
	*ret = action;
	return NULL;
}

/* What all actions of a packet come to. Of those that are for the same threads the first counts. */
struct plan {
	struct action step;     /* of one thread */
	struct action rest;     /* for all that nothing else was said of */
	unsigned int continued; /* threads that are to go on, by name */
	uint32_t only;          /* one of them */
	unsigned int signo;
};

static struct err *add_action(struct plan *plan, const struct action *action)
{
	if (!action->thread) {
		if (plan->rest.kind == ACTION_NONE)
			plan->rest = *action;
		return NULL;
	}
	if (plan->rest.kind != ACTION_NONE)
		return NULL;
	if (action->kind == ACTION_CONTINUE) {
		plan->continued++;
		plan->only = action->thread;
		plan->signo = plan->signo ? plan->signo : action->signo;
		return NULL;
	}
	if (plan->step.kind != ACTION_NONE)
		return plan->step.thread == action->thread
			       ? NULL
			       : err_create(ERR_UNSUPPORTED, "only one CPU can be stepped at a time");
	plan->step = *action;
	return NULL;
}

static struct err *count_cpus(struct session *s, unsigned int *ret)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	unsigned int n = 0;

	TRY(target_threads(s->target, &threads));
	for (size_t i = 0; i < threads.n; i++)
		n += threads.v[i].id <= TARGET_CPUS_MAX;
	*ret = n;
	return NULL;
}

static struct err *carry_out(struct session *s, const struct plan *plan)
{
	struct action step = plan->step;
	struct wish wish = { 0 };
	bool others = plan->rest.kind == ACTION_CONTINUE;
	unsigned int cpus;

	if (step.kind == ACTION_NONE && plan->rest.kind == ACTION_STEP) {
		step = plan->rest;
		step.thread = s->resumed_thread ? s->resumed_thread : s->thread;
	}
	/* Some go on and some do not: that can't be, unless it is one, or all. */
	if (plan->continued && !others && (plan->continued > 1 || step.kind == ACTION_STEP)) {
		TRY(count_cpus(s, &cpus));
		if (plan->continued + (step.kind == ACTION_STEP) < cpus)
			return err_create(ERR_UNSUPPORTED, "either all CPUs go on, or one");
		others = true;
	}
	if (step.kind == ACTION_STEP) {
		wish = (struct wish){
			.step = step.thread, .others = others, .range = step.range, .start = step.start, .end = step.end
		};
		return begin(s, &wish, step.signo);
	}
	if (!others && !plan->continued)
		return packet_malformed();
	wish.only = others ? 0 : plan->only;
	return begin(s, &wish, plan->rest.signo ? plan->rest.signo : plan->signo);
}

static struct err *on_vcont(struct session *s, struct rsp_reader args)
{
	struct plan plan = { 0 };
	struct rsp_reader text;

	while (rsp_read_field(&args, ';', &text)) {
		struct action action = { 0 };

		TRY(parse_action(s, text, &action));
		TRY(add_action(&plan, &action));
	}
	return carry_out(s, &plan);
}

static struct err *on_vcont_known(struct session *s, struct rsp_reader args)
{
	(void)args;
	buf_puts(&s->reply, "vCont;c;C;s;S;r");
	return NULL;
}

/* --- The older ones --- */

static struct err *go_on(struct session *s, bool step, bool with_signal, struct rsp_reader args)
{
	struct wish wish = { 0 };
	uint64_t signo = 0;

	if (with_signal && (!rsp_read_hex(&args, &signo) || signo > UINT8_MAX))
		return packet_malformed();
	/* What could follow is an address to go on at; a client that wants that can write the register. */
	if (!rsp_at_end(&args))
		return err_create(ERR_UNSUPPORTED, "it can't go on elsewhere; write the program counter first");
	if (step)
		wish.step = s->resumed_thread ? s->resumed_thread : s->thread;
	return begin(s, &wish, (unsigned int)signo);
}

static struct err *on_continue(struct session *s, struct rsp_reader args)
{
	return go_on(s, false, false, args);
}

static struct err *on_continue_signal(struct session *s, struct rsp_reader args)
{
	return go_on(s, false, true, args);
}

static struct err *on_step(struct session *s, struct rsp_reader args)
{
	return go_on(s, true, false, args);
}

static struct err *on_step_signal(struct session *s, struct rsp_reader args)
{
	return go_on(s, true, true, args);
}

/* --- The end --- */

static struct err *on_detach(struct session *s, struct rsp_reader args)
{
	(void)args;
	/* It would be lost, as a wish to go on would. */
	if (s->held) {
		s->parts = s->waits = s->quiet = true;
		session_is_to_run(s, true);
		return NULL;
	}
	TRY(session_detach(s));
	return packet_ok(s);
}

static struct err *kill_it(struct session *s)
{
	TRY(target_kill(s->target));
	s->let_go = s->over = true;
	return NULL;
}

static struct err *on_kill(struct session *s, struct rsp_reader args)
{
	(void)args;
	/*
	 * LLDB takes a process that it has connected to for one that it has started, and says so when it quits, whatever it is
	 * told by qAttached. A machine doesn't go with who looked at it. It waits for being told that it has.
	 */
	if (s->is_lldb) {
		s->over = true;
		buf_printf(&s->reply, "X%02x", SIGNAL_KILL);
		return NULL;
	}
	TRY(kill_it(s));
	s->quiet = true;
	return NULL;
}

static struct err *on_vkill(struct session *s, struct rsp_reader args)
{
	(void)args;
	TRY(kill_it(s));
	return packet_ok(s);
}

/* --- The beginning --- */

static struct err *on_why(struct session *s, struct rsp_reader args)
{
	(void)args;
	stop_put_reply(s, &s->stop, &s->reply);
	/* LLDB asks what is loaded when it is told of news, and not of itself. */
	if (s->is_lldb && s->stop.reason != STOP_LIBRARIES)
		buf_puts(&s->reply, "library:;");
	return NULL;
}

static struct err *on_extended(struct session *s, struct rsp_reader args)
{
	(void)args;
	return packet_ok(s);
}

static struct err *on_restart(struct session *s, struct rsp_reader args)
{
	(void)s;
	(void)args;
	return err_create(ERR_UNSUPPORTED,
			  "the machine is not started from here; `monitor system_reset` has it begin anew");
}

const struct packet_type packets_of_running[] = {
	{ "vCont;", on_vcont, PACKET_TEXT },
	{ "vCont?", on_vcont_known, PACKET_WHOLE },
	{ "c", on_continue, PACKET_TEXT },
	{ "C", on_continue_signal, PACKET_TEXT },
	{ "s", on_step, PACKET_TEXT },
	{ "S", on_step_signal, PACKET_TEXT },
	{ "?", on_why, PACKET_WHOLE },
	{ "!", on_extended, PACKET_WHOLE },
	{ "vAttach;", on_why, 0 },
	{ "vKill;", on_vkill, PACKET_TEXT },
	{ "k", on_kill, PACKET_WHOLE },
	{ "D", on_detach, PACKET_TEXT },
	{ "vRun;", on_restart, PACKET_TEXT },
	{ "R", on_restart, PACKET_TEXT },
	{ NULL, NULL, 0 },
};
