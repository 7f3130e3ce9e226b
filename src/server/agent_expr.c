#include "server/agent_expr.h"

#include <endian.h>
#include <inttypes.h>

#include "base/printable.h"
#include "base/util.h"
#include "server/agent_decode.h"
#include "server/agent_printf.h"

static void blame(struct agent_trouble *ret, size_t at, uint64_t what)
{
	if (ret)
		*ret = (struct agent_trouble){ .at = at, .what = what };
}

/* --- Evaluation ---------------------------------------------------------------------------------------------------- */

struct machine {
	const struct agent_env *env;
	struct agent_printer printer;
	uint64_t stack[AGENT_STACK_MAX];
	size_t height;
	size_t pc;     /* of the next bytecode */
	uint64_t what; /* for struct agent_trouble */
};

static inline int64_t as_signed(uint64_t value)
{
	return (int64_t)value;
}

/* The manual names these and doesn't say what they do; GDB never generated one. */
static bool is_float(uint8_t op)
{
	return op == AGENT_float || (op >= AGENT_ref_float && op <= AGENT_d_to_l);
}

static enum agent_result divide(uint8_t op, uint64_t *v)
{
	uint64_t a = v[0], b = v[1];

	if (!b)
		return AGENT_DIVISION_BY_ZERO;
	if (op == AGENT_div_unsigned)
		v[0] = a / b;
	else if (op == AGENT_rem_unsigned)
		v[0] = a % b;
	else if (b == UINT64_MAX) /* by -1: the least number has no opposite, and the CPU raises an exception */
		v[0] = op == AGENT_div_signed ? -a : 0;
	else
		v[0] = (uint64_t)(op == AGENT_div_signed ? as_signed(a) / as_signed(b) : as_signed(a) % as_signed(b));
	return AGENT_OK;
}

static uint64_t sign_extend(uint64_t value, uint64_t bits)
{
	if (bits >= 64)
		return value;
	return bits ? (uint64_t)(as_signed(value << (64 - bits)) >> (64 - bits)) : 0;
}

static enum agent_result fetch(struct machine *m, uint64_t *v, size_t bytes)
{
	uint64_t value = 0;
	uint8_t *to = (uint8_t *)&value + (m->env->big_endian ? sizeof(value) - bytes : 0);

	if (!m->env->read_memory(m->env->user, *v, to, bytes)) {
		m->what = *v;
		return AGENT_FAULT;
	}
	*v = m->env->big_endian ? be64toh(value) : le64toh(value);
	return AGENT_OK;
}

static enum agent_result get_register(struct machine *m, uint64_t *v, uint64_t number)
{
	m->what = number;
	return m->env->read_register(m->env->user, (unsigned int)number, v) ? AGENT_OK : AGENT_BAD_REGISTER;
}

static enum agent_result get_variable(struct machine *m, uint64_t *v, uint64_t number)
{
	int64_t value;

	m->what = number;
	if (!m->env->get_variable || !m->env->get_variable(m->env->user, (unsigned int)number, &value))
		return AGENT_BAD_VARIABLE;
	*v = (uint64_t)value;
	return AGENT_OK;
}

static enum agent_result set_variable(struct machine *m, const uint64_t *v, uint64_t number)
{
	m->what = number;
	if (!m->env->set_variable || !m->env->set_variable(m->env->user, (unsigned int)number, as_signed(*v)))
		return AGENT_BAD_VARIABLE;
	return AGENT_OK;
}

static enum agent_result print(struct machine *m, const struct agent_insn *in, const uint64_t *v)
{
	enum agent_result r = agent_format_check(in->format, in->format_len, in->operand);

	/* Above the arguments are a channel and a function, which only GDB itself has a use for. */
	return r == AGENT_OK ? agent_format_print(&m->printer, in->format, v, in->operand, &m->what) : r;
}

/* Bytecodes that compute v[0] from v[0] and v[1]. */
static void compute(const struct agent_insn *in, uint64_t *v)
{
	const uint64_t a = v[0], b = v[1];

	switch (in->op) {
	case AGENT_add:
		v[0] = a + b;
		break;
	case AGENT_sub:
		v[0] = a - b;
		break;
	case AGENT_mul:
		v[0] = a * b;
		break;
	case AGENT_lsh:
		v[0] = b < 64 ? a << b : 0;
		break;
	case AGENT_rsh_signed:
		v[0] = (uint64_t)(as_signed(a) >> MIN(b, UINT64_C(63)));
		break;
	case AGENT_rsh_unsigned:
		v[0] = b < 64 ? a >> b : 0;
		break;
	case AGENT_bit_and:
		v[0] = a & b;
		break;
	case AGENT_bit_or:
		v[0] = a | b;
		break;
	case AGENT_bit_xor:
		v[0] = a ^ b;
		break;
	case AGENT_equal:
		v[0] = a == b;
		break;
	case AGENT_less_signed:
		v[0] = as_signed(a) < as_signed(b);
		break;
	case AGENT_less_unsigned:
		v[0] = a < b;
		break;
	default:
		break;
	}
}

/* Bytecodes that only move values; v is where those that they take begin. */
static void move(const struct agent_insn *in, uint64_t *v)
{
	const uint64_t first = v[0];

	switch (in->op) {
	case AGENT_dup:
		v[1] = first;
		break;
	case AGENT_swap:
		v[0] = v[1];
		v[1] = first;
		break;
	case AGENT_rot:
		v[0] = v[2];
		v[2] = v[1];
		v[1] = first;
		break;
	case AGENT_pick:
		v[in->takes] = first;
		break;
	default:
		break;
	}
}

/*
 * One bytecode. The stack is known to have what it takes, from v on, and room for what it leaves there. Those that trace take
 * their operands, and that is all.
 */
static enum agent_result step(struct machine *m, const struct agent_insn *in, uint64_t *v)
{
	switch (in->op) {
	case AGENT_const8:
	case AGENT_const16:
	case AGENT_const32:
	case AGENT_const64:
		v[0] = in->operand;
		return AGENT_OK;
	case AGENT_ref8:
		return fetch(m, v, 1);
	case AGENT_ref16:
		return fetch(m, v, 2);
	case AGENT_ref32:
		return fetch(m, v, 4);
	case AGENT_ref64:
		return fetch(m, v, 8);
	case AGENT_reg:
		return get_register(m, v, in->operand);
	case AGENT_getv:
		return get_variable(m, v, in->operand);
	case AGENT_setv:
		return set_variable(m, v, in->operand);
	case AGENT_ext:
		v[0] = sign_extend(v[0], in->operand);
		return AGENT_OK;
	case AGENT_zero_ext:
		v[0] = in->operand < 64 ? v[0] & ((UINT64_C(1) << in->operand) - 1) : v[0];
		return AGENT_OK;
	case AGENT_log_not:
		v[0] = !v[0];
		return AGENT_OK;
	case AGENT_bit_not:
		v[0] = ~v[0];
		return AGENT_OK;
	case AGENT_if_goto:
		m->pc = v[0] ? in->operand : m->pc;
		return AGENT_OK;
	case AGENT_goto:
		m->pc = in->operand;
		return AGENT_OK;
	case AGENT_div_signed:
	case AGENT_div_unsigned:
	case AGENT_rem_signed:
	case AGENT_rem_unsigned:
		return divide(in->op, v);
	case AGENT_dup:
	case AGENT_swap:
	case AGENT_rot:
	case AGENT_pick:
		move(in, v);
		return AGENT_OK;
	case AGENT_printf:
		return print(m, in, v);
	case AGENT_pop:
	case AGENT_trace:
	case AGENT_trace_quick:
	case AGENT_trace16:
	case AGENT_tracenz:
	case AGENT_tracev:
		return AGENT_OK;
	default:
		if (is_float(in->op))
			return AGENT_UNSUPPORTED;
		compute(in, v);
		return AGENT_OK;
	}
}

static inline enum agent_result check_stack(const struct agent_insn *in, size_t height)
{
	if (height < in->takes)
		return AGENT_STACK_UNDERFLOW;
	return height - in->takes + in->leaves > AGENT_STACK_MAX ? AGENT_STACK_OVERFLOW : AGENT_OK;
}

static enum agent_result run(struct machine *m, const uint8_t *code, size_t len, unsigned int max_steps, size_t *at)
{
	struct agent_insn in;
	enum agent_result r;
	unsigned int steps;

	for (;;) {
		*at = m->pc;
		r = agent_decode(code, len, m->pc, &in);
		if (r == AGENT_OK)
			r = check_stack(&in, m->height);
		if (r != AGENT_OK || in.op == AGENT_end)
			return r;
		/* Each argument of a printf is a step too: it may read a string. */
		steps = 1 + (in.op == AGENT_printf ? (unsigned int)in.operand : 0);
		if (steps > max_steps)
			return AGENT_TOO_MANY_STEPS;
		max_steps -= steps;
		m->pc = in.next;
		m->height -= in.takes;
		r = step(m, &in, m->stack + m->height);
		if (r != AGENT_OK)
			return r;
		m->height += in.leaves;
	}
}

enum agent_result agent_run(const uint8_t *code, size_t len, const struct agent_env *env, unsigned int max_steps,
			    uint64_t *ret_value, struct agent_trouble *ret_trouble)
{
	struct machine m = { .env = env, .printer = { .env = env } };
	enum agent_result r;
	size_t at = 0;

	r = len > AGENT_CODE_MAX ? AGENT_TOO_LONG : run(&m, code, len, max_steps, &at);
	if (r == AGENT_OK && ret_value && !m.height)
		r = AGENT_STACK_UNDERFLOW;
	if (r == AGENT_OK && ret_value)
		*ret_value = m.stack[m.height - 1];
	if (r != AGENT_OK)
		blame(ret_trouble, at,
		      r == AGENT_FAULT || r == AGENT_BAD_REGISTER || r == AGENT_BAD_VARIABLE ? m.what : 0);
	return r;
}

/* --- The check ----------------------------------------------------------------------------------------------------- */

enum { NO_BYTECODE = 255, NOT_REACHED = 254 };

_Static_assert((int)AGENT_STACK_MAX < (int)NOT_REACHED, "heights fit into a byte");

/* Finds the bytecodes, one behind the other: heights, of len bytes, says where they are. */
static enum agent_result find_bytecodes(const uint8_t *code, size_t len, uint8_t *heights, size_t *at)
{
	struct agent_insn in;
	enum agent_result r;

	memset(heights, NO_BYTECODE, len);
	for (*at = 0; *at < len; *at = in.next) {
		r = agent_decode(code, len, *at, &in);
		if (r == AGENT_OK && in.op == AGENT_printf)
			r = agent_format_check(in.format, in.format_len, in.operand);
		if (r != AGENT_OK)
			return r;
		heights[*at] = NOT_REACHED;
	}
	return len ? AGENT_OK : AGENT_NO_END;
}

struct walk {
	size_t len;
	uint8_t *heights;
	uint16_t *todo; /* bytecodes that are reached, but whose followers aren't */
	size_t n;
};

/* Each bytecode is reached anew but once, so that todo has room for all. */
static enum agent_result reach(struct walk *w, size_t at, size_t height, bool by_jump)
{
	if (at >= w->len)
		return by_jump ? AGENT_BAD_JUMP : AGENT_NO_END;
	if (w->heights[at] == NO_BYTECODE)
		return AGENT_BAD_JUMP;
	if (w->heights[at] != NOT_REACHED)
		return w->heights[at] == height ? AGENT_OK : AGENT_STACK_UNEVEN;
	w->heights[at] = (uint8_t)height;
	w->todo[w->n++] = (uint16_t)at;
	return AGENT_OK;
}

static enum agent_result follow(struct walk *w, const struct agent_insn *in, size_t height, bool want_value)
{
	enum agent_result r = is_float(in->op) ? AGENT_UNSUPPORTED : check_stack(in, height);

	if (r != AGENT_OK)
		return r;
	if (in->op == AGENT_end)
		return want_value && !height ? AGENT_STACK_UNDERFLOW : AGENT_OK;
	height = height - in->takes + in->leaves;
	if (in->op == AGENT_goto || in->op == AGENT_if_goto)
		r = reach(w, in->operand, height, true);
	return r == AGENT_OK && in->op != AGENT_goto ? reach(w, in->next, height, false) : r;
}

enum agent_result agent_check(const uint8_t *code, size_t len, bool want_value, struct agent_trouble *ret)
{
	_cleanup_(free) uint8_t *heights = NULL;
	_cleanup_(free) uint16_t *todo = NULL;
	enum agent_result r = AGENT_TOO_LONG;
	struct agent_insn in;
	size_t at = 0;

	if (len <= AGENT_CODE_MAX) {
		heights = xmalloc(len + 1);
		todo = xreallocarray(NULL, len + 1, sizeof(*todo));
		r = find_bytecodes(code, len, heights, &at);
	}
	if (r == AGENT_OK) {
		struct walk w = { .len = len, .heights = heights, .todo = todo };

		r = reach(&w, 0, 0, false);
		while (r == AGENT_OK && w.n) {
			at = todo[--w.n];
			r = agent_decode(code, len, at, &in);
			if (r == AGENT_OK)
				r = follow(&w, &in, heights[at], want_value);
		}
	}
	if (r != AGENT_OK)
		blame(ret, at, 0);
	return r;
}

/* --- Text ---------------------------------------------------------------------------------------------------------- */

const char *agent_result_text(enum agent_result result)
{
	static const char *const texts[] = {
		[AGENT_OK] = "no error",
		[AGENT_BAD_BYTECODE] = "an unknown bytecode, or one that is cut off",
		[AGENT_BAD_JUMP] = "a jump to a place that is no bytecode",
		[AGENT_NO_END] = "bytecode without an end",
		[AGENT_STACK_OVERFLOW] = "too many values on the stack",
		[AGENT_STACK_UNDERFLOW] = "too few values on the stack",
		[AGENT_STACK_UNEVEN] = "a jump between stacks of different heights",
		[AGENT_TOO_LONG] = "bytecode of more than 64 KiB",
		[AGENT_TOO_MANY_STEPS] = "too many steps",
		[AGENT_DIVISION_BY_ZERO] = "division by zero",
		[AGENT_FAULT] = "memory that can't be read",
		[AGENT_BAD_REGISTER] = "a register that can't be read",
		[AGENT_BAD_VARIABLE] = "an unknown trace state variable",
		[AGENT_BAD_FORMAT] = "a printf format that isn't understood, or wants another number of arguments",
		[AGENT_TOO_MUCH_OUTPUT] = "too much output",
		[AGENT_UNSUPPORTED] = "floating point, which isn't supported",
	};

	return texts[result];
}

void agent_describe(enum agent_result result, const struct agent_trouble *trouble, const uint8_t *code, size_t len,
		    struct buf *out)
{
	struct agent_insn in;

	buf_puts(out, agent_result_text(result));
	if (result == AGENT_FAULT)
		buf_printf(out, ", at 0x%" PRIx64, trouble->what);
	else if (result == AGENT_BAD_REGISTER || result == AGENT_BAD_VARIABLE)
		buf_printf(out, ", number %" PRIu64, trouble->what);
	agent_decode(code, len, trouble->at, &in);
	buf_printf(out, " (%s%sbyte %zu)", in.name ? in.name : "", in.name ? ", " : "", trouble->at);
}

static void disassemble_operand(const struct agent_insn *in, struct buf *out)
{
	switch (in->op) {
	case AGENT_const8:
	case AGENT_const16:
	case AGENT_const32:
	case AGENT_const64:
		buf_printf(out, " 0x%" PRIx64, in->operand);
		break;
	case AGENT_printf:
		buf_printf(out, " %" PRIu64 " \"", in->operand);
		printable_append(out, in->format, strnlen(in->format, in->format_len));
		buf_putc(out, '"');
		break;
	case AGENT_trace_quick:
	case AGENT_ext:
	case AGENT_if_goto:
	case AGENT_goto:
	case AGENT_reg:
	case AGENT_zero_ext:
	case AGENT_getv:
	case AGENT_setv:
	case AGENT_tracev:
	case AGENT_trace16:
	case AGENT_pick:
		buf_printf(out, " %" PRIu64, in->operand);
		break;
	default:
		break;
	}
}

void agent_disassemble(const uint8_t *code, size_t len, struct buf *out)
{
	struct agent_insn in;

	for (size_t at = 0; at < len; at = in.next) {
		buf_printf(out, "%5zu ", at);
		if (agent_decode(code, len, at, &in) == AGENT_OK) {
			buf_puts(out, in.name);
			disassemble_operand(&in, out);
		} else {
			buf_printf(out, "0x%02x?", code[at]);
			in.next = at + 1;
		}
		buf_putc(out, '\n');
	}
}
