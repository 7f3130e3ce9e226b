/*
 * Theory of operation. A kernel that is to be debugged runs, stands at kdb's prompt, or waits in its stub for a debugger; and where
 * its memory can't be seen nothing tells which. So it is stopped by BREAK and SysRq-g, unless it is seen to stand, and then asked
 * `?`, by which kdb switches to KGDB, which answers. What is typed meanwhile may be read by whoever reads the console of a kernel
 * that runs: as little as can be, and what is of no use is taken back.
 */
#include <string.h>

#include "base/util.h"
#include "target/kgdb_private.h"
#include "target/machine.h"

enum {
	TRIES = 4, /* of the first question: kdb has to switch, and a stub in the midst of a packet to come to its end */
	TRIES_WITHOUT_BREAK = 2,
	TRY_MS = 1500,
	AGAIN_MS = 1000, /* between one BREAK and the next */
	LISTEN_MAX_MS = 10000,
};

static struct err *closed(void)
{
	return err_create(ERR_CLOSED, "the serial line was closed");
}

/* Whether the kernel has told of its stop, as it does for a debugger that it takes to be there still. */
static struct err *look_for_stop(struct kgdb_target *k, bool *ret)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	bool got;

	TRY(rsp_client_poll(k->stub, &got, &reply));
	*ret = got && !rsp_is_output(reply.data, reply.len);
	return NULL;
}

/* Waits until the kernel is silent. */
static struct err *listen(struct kgdb_target *k, bool *ret_stopped)
{
	uint64_t end = now_ns() + LISTEN_MAX_MS * NSEC_PER_MSEC;

	*ret_stopped = false;
	do {
		bool stopped;

		kgdb_wire_wait(k, KGDB_QUIET_MS);
		TRY(look_for_stop(k, &stopped));
		*ret_stopped = *ret_stopped || stopped;
	} while (!k->wire.ended && now_ns() < end && now_ns() - k->wire.heard_ns < KGDB_QUIET_MS * NSEC_PER_MSEC);
	return k->wire.ended ? closed() : NULL;
}

static bool said(const struct kgdb_target *k, const char *text)
{
	return strstr(buf_str(&k->wire.heard), text);
}

static struct err *does_not_stop(const struct kgdb_target *k)
{
	/* A kernel's KGDB hears of SysRq-g once it has a line. */
	const char *why =
		said(k, "sysrq: HELP") || said(k, "No KGDB I/O module")
			? "it has no KGDB (CONFIG_KGDB, CONFIG_KGDB_SERIAL_CONSOLE), or that has no line "
			  "(kgdboc=ttyS0,115200)"
		: said(k, "sysrq: This sysrq operation is disabled")
			? "SysRq is switched off there: echo 1 >/proc/sys/kernel/sysrq"
			: "it may be hung with interrupts off, have no KGDB, none on this line (kgdboc=), or no SysRq "
			  "(CONFIG_MAGIC_SYSRQ_SERIAL); or nobody is at the other end";

	return err_create(ERR_TIMEOUT, "the kernel did not stop for BREAK and SysRq-g: %s", why);
}

struct err *kgdb_break_in(struct kgdb_target *k)
{
	return k->params.line.send_break(k->params.line.user, "g", 1);
}

/*
 * kdb takes it for the word to switch to KGDB, which answers it. As long as nobody has answered, what looks like something of a
 * stub's may be the text of a kernel that runs.
 */
static struct err *question(struct kgdb_target *k, bool *ret_answered)
{
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct err *e;

	kgdb_wire_connect(k);
	rsp_line_set_state(&k->wire.line, RSP_LINE_STANDS);
	k->wire.unsure = true;
	e = rsp_client_call(k->stub, "?", 1, TRY_MS, &reply);
	*ret_answered = !e && reply.len && strchr("ST", reply.data[0]);
	kgdb_wire_confirm(k, *ret_answered);
	err_ignore(e);
	return k->wire.ended ? closed() : NULL;
}

/* What was typed, the g behind BREAKs included, is of no use to whoever reads there. */
static void take_back_question(struct kgdb_target *k)
{
	kgdb_wire_type(k, "\x15");
	rsp_line_set_state(&k->wire.line, RSP_LINE_ALONE);
}

static struct err *ask_at_once(struct kgdb_target *k, int tries, bool *ret_answered)
{
	*ret_answered = false;
	for (int i = 0; i < tries && !*ret_answered; i++)
		TRY(question(k, ret_answered));
	if (!*ret_answered)
		take_back_question(k);
	return NULL;
}

/* Nothing stops it; so it stands, or it doesn't. */
static struct err *find_standing(struct kgdb_target *k, struct err *no_break)
{
	bool answered;
	struct err *e = ask_at_once(k, TRIES_WITHOUT_BREAK, &answered);

	if (answered || e) {
		err_ignore(no_break);
		return e;
	}
	return err_wrap(no_break, "the kernel doesn't stand in kdb or KGDB, or nobody is at the other end");
}

/*
 * Has it come to kdb or to KGDB, if it isn't there. Early in boot nobody hears a BREAK; so it is sent again. Where it can't be seen
 * whether the kernel stands, that is asked, once it has said something to the BREAK: what was asked in the same breath would be
 * read by whoever reads the console. At a prompt of kdb the g is what was typed; it is taken back.
 */
static struct err *stop_kernel(struct kgdb_target *k, bool *ret_answered)
{
	uint64_t end = now_ns() + KGDB_STOP_MS * NSEC_PER_MSEC, sent = 0;
	bool stopped = false;
	int cpu = kgdb_active_cpu(k);

	*ret_answered = false;
	while (!stopped && cpu < 0 && !*ret_answered) {
		uint64_t now = now_ns();

		if (now > sent + AGAIN_MS * NSEC_PER_MSEC) {
			struct err *e;

			if (now > end)
				break;
			e = kgdb_break_in(k);

			if (e && err_code(e) == ERR_UNSUPPORTED && cpu == KGDB_CPU_UNKNOWN) {
				TRY(find_standing(k, e));
				*ret_answered = true;
				return NULL;
			}
			TRY(e);
			sent = now;
			rsp_line_set_state(&k->wire.line, RSP_LINE_RUNS);
			rsp_client_expect_stop(k->stub);
		}
		TRY(listen(k, &stopped));
		cpu = kgdb_active_cpu(k);
		if (cpu != KGDB_CPU_UNKNOWN || stopped)
			continue;
		if (k->wire.heard_ns < sent && now_ns() < sent + AGAIN_MS * NSEC_PER_MSEC)
			continue;
		kgdb_wire_type(k, "\b");
		TRY(ask_at_once(k, 1, ret_answered));
		/* QEMU's UART takes a BREAK for the first byte that was not read yet, whatever that is. */
		if (!*ret_answered)
			TRY(listen(k, &stopped));
	}
	if (stopped || cpu >= 0 || *ret_answered)
		return NULL;
	take_back_question(k);
	return does_not_stop(k);
}

static struct err *first_question(struct kgdb_target *k)
{
	bool answered;

	TRY(ask_at_once(k, TRIES, &answered));
	return answered ? NULL : does_not_stop(k);
}

struct err *kgdb_begin(struct kgdb_target *k)
{
	bool answered;

	kgdb_wire_connect(k);
	TRY(stop_kernel(k, &answered));
	if (!answered)
		TRY(first_question(k));
	k->stands = true;
	k->params.line.stands(k->params.line.user, true);
	return NULL;
}
