/*
 * Conditions that the client could not hand over. GDB says nothing of that: it evaluates them itself, and what arrives here is a
 * breakpoint without any. All that can be seen is that the client goes on again by itself, faster than anybody could say
 * so, from the same breakpoint, many times in a row.
 *
 * Ignore counts, commands that end in `continue`, and a dprintf that GDB prints itself look the same. So what is said
 * is what was seen, with the mend for a condition, if there is one; and it is said once.
 */
#include "base/util.h"
#include "server/session_private.h"

enum {
	QUICK_MS = 50, /* GDB takes 2 for a condition that reads little */
	TIMES = 32,
};

void impatience_stopped(struct session *s, const struct breakpoint *bp)
{
	struct impatience *i = &s->impatience;

	/* It steps alone past the breakpoint before it goes on. */
	if (!bp && s->wish.step && !s->wish.others)
		return;
	if (!bp || bp->agent.conditions.n || bp->address != i->address)
		i->times = 0;
	i->since_ns = bp && !bp->agent.conditions.n ? now_ns() : 0;
	i->address = bp ? bp->address : 0;
}

void impatience_goes_on(struct session *s)
{
	struct impatience *i = &s->impatience;
	_cleanup_(free) char *text = NULL;

	if (!i->since_ns || i->told)
		return;
	i->times = now_ns() - i->since_ns < QUICK_MS * NSEC_PER_MSEC ? i->times + 1 : 0;
	if (i->times < TIMES)
		return;
	i->told = true;
	text = xasprintf(
		"ktb: the debugger has gone on from the breakpoint at 0x%llx by itself, %u times in a row. If that "
		"has a condition, the debugger evaluates it, which is slow. GDB hands over none that calls a function, "
		"compares an enum, or has a character constant; a cast or a number mends that: break f if "
		"(int)state == 2 && comm[0] == 115",
		(unsigned long long)i->address, i->times);
	session_say_line(s, text);
}
