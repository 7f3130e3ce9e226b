/*
 * GDB's agent expressions: the bytecode in which a client hands over the conditions and the commands of a breakpoint,
 * so that they are evaluated here, where a false condition costs no round trip.
 *
 * Sources: GDB's manual, appendix "The GDB Agent Expression Mechanism" and node Packets ("Z0"); gdbsupport/ax.def for
 * what is in no manual. Where the manual is silent, gdbserver's answers hold.
 *
 * All of this is pure but for the callbacks. Bytecode comes from outside: it is bounded in length, steps, stack and output,
 * and nothing in it leads beyond these. All values are of 64 bits, and arithmetic wraps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	AGENT_CODE_MAX = 1 << 16,   /* bytes of an expression: jumps have 16 bits */
	AGENT_STACK_MAX = 100,      /* values, as in gdbserver */
	AGENT_STEPS_MAX = 10000,    /* bytecodes of one evaluation; GDB's own code has no loops */
	AGENT_WIDTH_MAX = 512,      /* the largest width and precision of a printf conversion */
	AGENT_STRING_MAX = 4096,    /* bytes of memory that a %s shows */
	AGENT_OUTPUT_MAX = 1 << 16, /* bytes that one evaluation prints */
};

/* Why an evaluation ended, or a program was refused. */
enum agent_result {
	AGENT_OK,
	AGENT_BAD_BYTECODE,    /* no such bytecode, or one that is cut off */
	AGENT_BAD_JUMP,        /* to a place that is no bytecode of the program */
	AGENT_NO_END,          /* runs off its end, or is empty */
	AGENT_STACK_OVERFLOW,  /* more than AGENT_STACK_MAX values */
	AGENT_STACK_UNDERFLOW, /* takes more than there is, or leaves no value where one is wanted */
	AGENT_STACK_UNEVEN,    /* only agent_check(): a bytecode is reached with stacks of several heights */
	AGENT_TOO_LONG,        /* more than AGENT_CODE_MAX bytes */
	AGENT_TOO_MANY_STEPS,  /* more than the caller allows */
	AGENT_DIVISION_BY_ZERO,
	AGENT_FAULT,           /* memory that can't be read: agent_trouble.what is the address */
	AGENT_BAD_REGISTER,    /* agent_trouble.what is its number */
	AGENT_BAD_VARIABLE,    /* agent_trouble.what is its number */
	AGENT_BAD_FORMAT,      /* of printf */
	AGENT_TOO_MUCH_OUTPUT, /* more than AGENT_OUTPUT_MAX */
	AGENT_UNSUPPORTED,     /* floating point; GDB generates none */
};

/* Where it went wrong. */
struct agent_trouble {
	size_t at;     /* the offset of the bytecode in the program */
	uint64_t what; /* an address or a number, where enum agent_result says so, else 0 */
};

/*
 * What an expression sees of the target. A callback returns false for what can't be had; the evaluation ends then. One that
 * needs to say more keeps it in `user`. All but read_memory and read_register may be NULL: then there are no variables, and
 * what is printed goes nowhere.
 */
struct agent_env {
	bool (*read_memory)(void *user, uint64_t address, void *ret, size_t len);
	/* By the number that packet p has for it; zero-extended. A register with more than 64 bits can't be had. */
	bool (*read_register)(void *user, unsigned int number, uint64_t *ret);
	/* Trace state variables, by the number that the client gave them. */
	bool (*get_variable)(void *user, unsigned int number, int64_t *ret);
	bool (*set_variable)(void *user, unsigned int number, int64_t value);
	/* What printf says, in pieces as they come; not terminated. */
	void (*output)(void *user, const char *text, size_t len);
	void *user;
	bool big_endian; /* memory is; bytecode always is */
};

/*
 * Looks through a program once, when it arrives: its bytecodes are known and whole, jumps lead to bytecodes, no way through
 * it runs off its end, over- or underflows the stack, or reaches a bytecode with several heights of stack; printf has a
 * sound format and its number of arguments. want_value: at the end a value must be left, as for a condition.
 * A program that passes can fail in agent_run() only by division, what callbacks say, steps, and output. ret may be NULL.
 */
enum agent_result agent_check(const uint8_t *code, size_t len, bool want_value, struct agent_trouble *ret);

/*
 * Evaluates a program, also one that wasn't checked. max_steps: see AGENT_STEPS_MAX. ret_value may be NULL for a command,
 * whose value nobody wants; ret_trouble may be NULL. Neither allocates nor blocks, but for the callbacks.
 *
 * The bytecodes that record something for a tracepoint (trace, tracev and their like) take their operands and do nothing:
 * there is no trace buffer. Shifting by 64 bits or more shifts all out.
 */
enum agent_result agent_run(const uint8_t *code, size_t len, const struct agent_env *env, unsigned int max_steps,
			    uint64_t *ret_value, struct agent_trouble *ret_trouble);

/* A result for people, without subject: "division by zero". Static. */
const char *agent_result_text(enum agent_result result);

/* The same with its place: "division by zero (div_signed at byte 12)", "memory at 0x1234 can't be read (ref32 at byte 9)". */
void agent_describe(enum agent_result result, const struct agent_trouble *trouble, const uint8_t *code, size_t len,
		    struct buf *out);

/* Appends the program as text, a line for each bytecode: "  12 const8 42". Bytes that are no bytecode are shown as such. */
void agent_disassemble(const uint8_t *code, size_t len, struct buf *out);

struct agent_expr {
	uint8_t *code;
	size_t len;
};

struct agent_list {
	struct agent_expr *v;
	size_t n;
};

#define AGENT_LIST_INIT                                                                                                \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

void agent_list_deinit(struct agent_list *list);
DEFINE_CLEANUP_STORAGE(struct agent_list, agent_list_deinit);

/* What a breakpoint came with. */
struct agent_breakpoint {
	struct agent_list
		conditions; /* none: it always stops; else it stops if one of them is true, or can't be evaluated */
	struct agent_list commands; /* run where it would stop; with commands it doesn't stop (GDB's dprintf) */
	bool persist;               /* the commands stay when the client has gone */
};

void agent_breakpoint_deinit(struct agent_breakpoint *b);
DEFINE_CLEANUP_STORAGE(struct agent_breakpoint, agent_breakpoint_deinit);

/*
 * Parses what follows the kind in Z0 and Z1: "" or ";X3,220127;cmds:0,X...". Every program in it is checked. Unknown
 * options are passed over, as gdbserver does. What it allocates is at most half of len, and a few bytes for each program.
 * ERR_BAD_DATA says what is wrong with it.
 */
struct err *agent_parse_breakpoint(const char *text, size_t len, struct agent_breakpoint *ret) err_must_check;
