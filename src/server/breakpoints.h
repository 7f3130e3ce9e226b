/*
 * The client's breakpoints and watchpoints, with their conditions and commands. Each is in the target once, however often
 * the client inserts it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "server/agent_expr.h"
#include "target/target.h"

struct session;

enum {
	BREAKPOINTS_MAX = 16384,
	BREAKPOINTS_CODE_MAX = 16 << 20, /* bytes, of all conditions and commands */
};

struct breakpoint {
	uint64_t address;
	uint64_t size;
	enum target_break kind;
	struct agent_breakpoint agent;
	size_t code; /* bytes, of agent */
};

struct breakpoints {
	struct breakpoint *v; /* sorted by address */
	size_t n, cap;
	size_t code;
};

void breakpoints_deinit(struct breakpoints *b);

enum breakpoints_hit {
	HIT_NONE,   /* the client has none there */
	HIT_PASSED, /* all conditions are false, or commands were run: go on */
	HIT_STOP,
};

/*
 * The thread is at pc: evaluates conditions and runs commands of the breakpoints there. *ret, with HIT_STOP, is the one
 * that it stops for; it is valid until the client changes any.
 */
enum breakpoints_hit breakpoints_hit(struct session *s, uint32_t thread, uint64_t pc, const struct breakpoint **ret);
/* Whether the client has a breakpoint there, with a condition or without. */
bool breakpoints_at(const struct breakpoints *b, uint64_t pc);
/* Drops those that the target has lost: the client, too, takes them for removed. */
void breakpoints_drop_lost(struct session *s);
/* Takes all out of the target. The first error; the others are removed all the same. */
struct err *breakpoints_remove_all(struct session *s) err_must_check;
