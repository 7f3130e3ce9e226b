/*
 * A bytecode of an agent expression, taken apart; what agent_check(), agent_run() and agent_disassemble() share.
 */
#pragma once

#include "server/agent_expr.h"

enum agent_op {
#define OP(name, number, operand, takes, leaves) AGENT_##name = (number),
#include "server/agent_ops.def"
#undef OP
};

struct agent_insn {
	const char *name;
	uint8_t op;          /* enum agent_op */
	unsigned int takes;  /* values off the stack */
	unsigned int leaves; /* values on it, in their place */
	uint64_t operand;    /* 0 without one; of printf the number of arguments */
	size_t next;         /* offset of the bytecode behind it */
	const char *format;  /* of printf only; not necessarily terminated */
	size_t format_len;   /* with its terminator */
};

/*
 * AGENT_NO_END if there is nothing at `at`; AGENT_BAD_BYTECODE if it is none, or is cut off: then only name is set, to NULL
 * where the byte is none.
 */
enum agent_result agent_decode(const uint8_t *code, size_t len, size_t at, struct agent_insn *ret);
