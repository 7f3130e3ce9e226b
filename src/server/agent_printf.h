/*
 * The printf of agent expressions. Formats are as the user typed them in GDB, with their backslashes; what they may have in
 * them is what GDB lets through (gdbsupport/format.cc): %[-+ #0][width][.precision][h|l|ll|z] and one of d i u o x X c p s.
 */
#pragma once

#include "server/agent_expr.h"

/* Where it goes: gathers what env->output gets, and counts it. */
struct agent_printer {
	const struct agent_env *env;
	size_t total; /* of the whole evaluation: at most AGENT_OUTPUT_MAX */
	size_t n;
	char pending[256];
};

/* AGENT_BAD_FORMAT unless the format is sound and terminated (len counts that), and wants n arguments. */
enum agent_result agent_format_check(const char *format, size_t len, size_t n);

/*
 * Prints; the format is known to be good. The first argument is the last of args, as the stack has it. AGENT_FAULT: *ret_what
 * is the address of the string that can't be read; what comes before it was printed.
 */
enum agent_result agent_format_print(struct agent_printer *p, const char *format, const uint64_t *args, size_t n,
				     uint64_t *ret_what);
