/*
 * Theory of operation. Every stop of the machine is seen here first, and every wish to go on.
 *
 * A stop at a hook (linux_hooks.h) is the client's business if the hook's callback says so, or if the client has a breakpoint
 * there too. Otherwise the machine goes on in silence, past the hook, as the client last wanted it to. A client that
 * wanted a stop meanwhile gets it: the stub has forgotten the wish, for the machine had stopped already.
 *
 * The list of modules and the kernel's place are told in events that GDB answers by going on by itself. If there was something
 * else to tell of at that stop, it is held back, and is what the client's resume leads to, without anything having run.
 *
 * As long as the kernel is not found, the memory of the running machine is looked at now and then. When it appears there the
 * machine is stopped, to look at it through the CPUs' eyes and to plant the hooks, and goes on.
 */
#include <inttypes.h>

#include "base/util.h"
#include "target/linux_hooks.h"
#include "target/linux_library.h"
#include "target/linux_modules.h"
#include "target/linux_oops.h"
#include "target/linux_tasks.h"

enum { GDB_SIGINT = 2, GDB_SIGTRAP = 5 };

enum { LOOK_MS_FIRST = 20, LOOK_MS_MOST = 1000 };

/* --- The client's breakpoints --- */

struct err *linux_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct linux_target *l = linux_target(t);
	struct brk *k;

	/* One in a function that was freed: all that GDB knows of it is that it isn't there now. */
	if (!linux_is_nowhere(address))
		TRY(target_insert(t->beneath, kind, address, size));
	k = breaks_find(&l->client, kind, address, size);
	if (!k)
		k = breaks_add(&l->client, kind, address, size);
	if (k)
		k->wanted = k->planted ? k->wanted + 1 : 1;
	if (k)
		k->planted = true;
	return NULL;
}

struct err *linux_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct linux_target *l = linux_target(t);
	struct brk *k = breaks_find(&l->client, kind, address, size);

	/* Hooks are no client's to remove. */
	if (!k)
		return err_create(ERR_NOT_FOUND, "there is no breakpoint at 0x%" PRIx64, address);
	if (k->planted && !linux_is_nowhere(address))
		TRY(target_remove(t->beneath, kind, address, size));
	if (!--k->wanted)
		breaks_drop(&l->client, k);
	return NULL;
}

void linux_client_loses(struct linux_target *l, uint64_t start, uint64_t size)
{
	for (size_t i = 0; i < l->client.n; i++) {
		struct brk *k = &l->client.v[i];

		if (!k->planted || k->address - start >= size ||
		    (k->kind != TARGET_BREAK_SOFTWARE && k->kind != TARGET_BREAK_HARDWARE))
			continue;
		for (unsigned int n = 0; n < k->wanted && !linux_is_nowhere(k->address); n++)
			err_ignore(target_remove(l->target.beneath, k->kind, k->address, k->size));
		k->planted = false;
	}
}

bool linux_lost(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct linux_target *l = linux_target(t);
	struct brk *k = breaks_find(&l->client, kind, address, size);

	if (!k || k->planted)
		return false;
	breaks_drop(&l->client, k);
	return true;
}

/* --- News of the kernel: what the client must be told of --- */

/* Where it was moved to, other than the client thinks. */
static char *slide_news(struct linux_target *l)
{
	uint64_t slide = l->kernel ? kernel_slide(l->kernel) : l->slide;

	if (slide == l->slide)
		return NULL;
	l->slide = slide;
	return xasprintf("the kernel is 0x%" PRIx64
			 " above where its symbols are (KASLR); have them moved by: symbol-file -o "
			 "0x%" PRIx64 " %s (LLDB: target modules load --file vmlinux --slide 0x%" PRIx64 ")",
			 slide, slide, l->vmlinux ? l->vmlinux : "vmlinux", slide);
}

static void add_message(struct target_event *e, char *message)
{
	char *both = e->message && message ? xasprintf("%s\n%s", e->message, message) : NULL;

	if (both) {
		free(message);
		free(e->message);
		e->message = both;
	} else if (message) {
		e->message = message;
	}
}

static struct target_event take(struct target_event *e)
{
	struct target_event taken = *e;

	*e = (struct target_event)TARGET_EVENT_INIT;
	return taken;
}

static void hold(struct linux_target *l, struct target_event *e)
{
	target_event_deinit(&l->held);
	l->held = take(e);
}

static struct target_event make_event(uint32_t thread, enum target_reason reason, unsigned int signo)
{
	return (struct target_event){ .kind = TARGET_EVENT_STOP, .reason = reason, .thread = thread, .signo = signo };
}

/* --- Going on --- */

static struct err *run(struct linux_target *l, const struct target_resume *how)
{
	linux_tasks_forget(l);
	linux_oops_forget(l);
	TRY(target_resume(l->target.beneath, how));
	l->runs = true;
	return NULL;
}

/* The CPU that is at a hook only, and would hit it for ever; 0: none is. */
static uint32_t find_over(struct linux_target *l, const struct target_resume *how)
{
	uint32_t thread = how->step && !how->others ? how->step : how->only ? how->only : l->thread;
	struct err *e;
	uint64_t pc;

	if (how->over || !l->hooked || !thread || !target_has_thread(l->target.beneath, thread))
		return how->over;
	e = target_program_counter(l->target.beneath, thread, &pc);
	err_ignore(e);
	return !e && linux_hook_at(l, pc) && !linux_client_breaks_at(l, pc) ? thread : 0;
}

/* What there is to be told of before the machine goes on. */
static bool find_news(struct linux_target *l, struct target_event *ret)
{
	char *slide = slide_news(l);

	*ret = make_event(l->thread ? l->thread : 1, TARGET_REASON_SIGNAL, GDB_SIGINT);
	if (linux_modules_news(l, ret))
		ret->signo = GDB_SIGTRAP;
	else if (!slide)
		ret->kind = TARGET_EVENT_NONE;
	add_message(ret, slide);
	return ret->kind != TARGET_EVENT_NONE;
}

/* Whether what is held back is still so. */
static bool still_holds(const struct linux_target *l)
{
	return l->held.kind != TARGET_EVENT_NONE &&
	       (l->held.reason != TARGET_REASON_BREAKPOINT || linux_client_breaks_at(l, l->held.address));
}

struct err *linux_resume(struct target *t, const struct target_resume *how)
{
	struct linux_target *l = linux_target(t);
	struct target_resume mine = *how;

	TRY(linux_view_check_resume(l, how));
	l->resetting = false;
	if (linux_kernel(l) && !l->hooked)
		linux_hooks_plant(l);
	/* A step is a step: what else there is to tell of has time until then. */
	if (how->step || !still_holds(l))
		target_event_deinit(&l->held);
	if (!how->step && !find_news(l, &l->next))
		l->next = take(&l->held);
	if (l->next.kind != TARGET_EVENT_NONE)
		return NULL;
	mine.over = find_over(l, how);
	l->how = *how;
	l->how.over = l->how.signo = 0;
	if (how->step && how->others)
		TRY(target_program_counter(t->beneath, how->step, &l->step_pc));
	l->look_ms = LOOK_MS_FIRST;
	l->look_ns = now_ns() + l->look_ms * NSEC_PER_MSEC;
	return run(l, &mine);
}

struct err *linux_interrupt(struct target *t)
{
	struct linux_target *l = linux_target(t);

	if (!l->runs && l->next.kind == TARGET_EVENT_NONE)
		return NULL;
	l->client_interrupts = true;
	return l->runs && !l->interrupts ? target_interrupt(t->beneath) : NULL;
}

/* In silence, as the client last wanted it. */
static struct err *go_on(struct linux_target *l, uint32_t over)
{
	struct target_resume how = l->how;

	if (l->kernel && !l->hooked)
		linux_hooks_plant(l);
	how.over = over;
	return run(l, &how);
}

/* --- Stops --- */

/*
 * The machine was stopped by a hook that is nothing to the client. *ret: what the client must be told of all the same: that it
 * wanted a stop, or that the CPU that was to take a step has done so meanwhile.
 */
static struct err *pass_by(struct linux_target *l, bool client_interrupts, struct target_event *ret)
{
	uint32_t over = ret->thread;
	uint64_t pc;

	if (client_interrupts) {
		*ret = make_event(over, TARGET_REASON_SIGNAL, GDB_SIGINT);
		return NULL;
	}
	if (l->how.step && l->how.step != over) {
		TRY(target_program_counter(l->target.beneath, l->how.step, &pc));
		if (pc != l->step_pc) {
			*ret = make_event(l->how.step, TARGET_REASON_SIGNAL, GDB_SIGTRAP);
			return NULL;
		}
	}
	target_event_deinit(ret);
	return go_on(l, over);
}

/* At the entry of a function that is watched, and maybe at a breakpoint of the client's. */
static struct err *at_hook(struct linux_target *l, const struct linux_hook *h, uint64_t pc, bool client_interrupts,
			   struct target_event *e)
{
	bool clients = linux_client_breaks_at(l, pc);
	struct target_event before = *e;

	before.message = NULL;
	before.address = pc;
	if (!h->entered(l, e)) {
		if (!clients)
			return pass_by(l, client_interrupts, e);
	} else if (e->reason == TARGET_REASON_LIBRARIES) {
		if (client_interrupts)
			before = make_event(e->thread, TARGET_REASON_SIGNAL, GDB_SIGINT);
		if (clients || client_interrupts)
			hold(l, &before);
	} else if (e->reason == TARGET_REASON_BREAKPOINT && clients) {
		e->signo = GDB_SIGTRAP;
	} else if (e->reason == TARGET_REASON_BREAKPOINT) {
		e->reason = TARGET_REASON_SIGNAL;
	}
	return NULL;
}

/* A stop that the client will be told of: not without what else is new. */
static void add_news(struct linux_target *l, struct target_event *e)
{
	struct target_event first = make_event(e->thread, TARGET_REASON_LIBRARIES, GDB_SIGTRAP);

	add_message(e, slide_news(l));
	add_message(e, steal(&l->note));
	/* A step is not to end in another event, after which GDB would take one more. */
	if (!l->how.step && linux_modules_news(l, &first)) {
		hold(l, e);
		*e = first;
	}
}

void linux_see_reset(struct linux_target *l)
{
	linux_forget(l);
	l->was_reset = l->resetting = true;
}

static struct err *see_stop(struct linux_target *l, struct target_event *e)
{
	bool client = l->client_interrupts;
	bool asked = l->interrupts && e->reason == TARGET_REASON_SIGNAL && e->signo == GDB_SIGINT;
	const struct linux_hook *hook = NULL;
	uint64_t pc = 0;

	l->runs = l->interrupts = l->client_interrupts = false;
	l->thread = e->thread;
	if (e->reason == TARGET_REASON_RESET) {
		linux_see_reset(l);
		return NULL;
	}
	linux_modules_stopped(l);
	linux_kernel(l);
	if (asked && !client) {
		target_event_deinit(e);
		return find_news(l, e) ? NULL : go_on(l, 0);
	}
	if (e->reason == TARGET_REASON_BREAKPOINT || e->signo == GDB_SIGTRAP) {
		TRY(target_program_counter(l->target.beneath, e->thread, &pc));
		hook = linux_hook_at(l, pc);
	}
	if (hook && e->reason == TARGET_REASON_BREAKPOINT)
		return at_hook(l, hook, pc, client, e);
	if (hook && hook->reached)
		hook->reached(l, e->thread);
	e->address = e->reason == TARGET_REASON_BREAKPOINT ? pc : e->address;
	add_news(l, e);
	return NULL;
}

/* --- While it runs --- */

static bool is_looking(const struct linux_target *l)
{
	return l->runs && !l->kernel && !l->no_facts && !l->interrupts && !l->how.step &&
	       !mem_is_distant(l->params.mem);
}

int linux_timeout_ms(struct target *t)
{
	const struct linux_target *l = linux_target(t);
	int beneath = target_timeout_ms(t->beneath), mine;
	uint64_t now = now_ns();

	if (l->next.kind != TARGET_EVENT_NONE)
		return 0;
	if (!is_looking(l))
		return beneath;
	mine = l->look_ns > now ? (int)((l->look_ns - now) / NSEC_PER_MSEC) + 1 : 0;
	return beneath >= 0 ? MIN(beneath, mine) : mine;
}

static struct err *look(struct linux_target *l)
{
	if (!is_looking(l) || now_ns() < l->look_ns)
		return NULL;
	l->look_ms = MIN(l->look_ms + l->look_ms / 4, (unsigned int)LOOK_MS_MOST);
	l->look_ns = now_ns() + l->look_ms * NSEC_PER_MSEC;
	if (!linux_kernel_appears(l))
		return NULL;
	TRY(target_interrupt(l->target.beneath));
	l->interrupts = !l->client_interrupts;
	return NULL;
}

struct err *linux_next_event(struct target *t, struct target_event *ret)
{
	_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;
	struct linux_target *l = linux_target(t);

	if (l->next.kind != TARGET_EVENT_NONE) {
		e = take(&l->next);
		/* It is answered by going on, and what the client wanted would be lost. */
		if (l->client_interrupts && e.reason == TARGET_REASON_LIBRARIES && !still_holds(l))
			l->held = make_event(e.thread, TARGET_REASON_SIGNAL, GDB_SIGINT);
		l->client_interrupts = false;
	} else {
		TRY(target_next_event(t->beneath, &e));
		if (e.kind == TARGET_EVENT_NONE)
			TRY(look(l));
		else if (e.kind == TARGET_EVENT_STOP)
			TRY(see_stop(l, &e));
	}
	*ret = take(&e);
	return NULL;
}
