/*
 * libdw finds the row of the table for an address, and hands out each rule in it as a DWARF expression. Those of compilers
 * need few operations; what needs others is not followed. Rows are kept by address: stacks of a kernel share most of them.
 */
#include "debuginfo/cfi.h"

#include <dwarf.h>

#include "base/util.h"

enum { SLOTS = 4096, DEPTH_MAX = 16, OPERATIONS_MAX = 64 };

struct row {
	uint64_t pc;
	bool used;
	Dwarf_Frame *frame; /* NULL: there is none */
};

struct cfi {
	Dwarf_CFI *debug_frame; /* NULL: there is none; belongs to the file */
	Dwarf_CFI *eh_frame;
	struct row rows[SLOTS];
};

struct cfi *cfi_create(const struct dwarf_file *f)
{
	struct cfi *c = xcalloc(1, sizeof(*c));

	c->debug_frame = dwarf_getcfi(f->dwarf);
	if (!c->debug_frame)
		c->eh_frame = dwarf_getcfi_elf(dwarf_getelf(f->dwarf));
	return c;
}

void cfi_destroy(struct cfi *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(c->rows[i].frame);
	if (c->eh_frame)
		dwarf_cfi_end(c->eh_frame);
	free(c);
}

static Dwarf_Frame *get_frame(struct cfi *c, uint64_t pc)
{
	Dwarf_CFI *from = c->debug_frame ? c->debug_frame : c->eh_frame;
	struct row *row = &c->rows[pc * UINT64_C(0x9e3779b97f4a7c15) >> 52];

	if (row->used && row->pc == pc)
		return row->frame;
	free(row->frame);
	*row = (struct row){ .pc = pc, .used = true };
	if (!from || dwarf_cfi_addrframe(from, pc, &row->frame) != 0)
		row->frame = NULL;
	return row->frame;
}

/* --- Expressions --- */

struct machine {
	const struct registers *now;
	cfi_read read;
	void *user;
	uint64_t cfa;
	bool has_cfa;
	bool is_value; /* the result is the value itself, not where it is */
	uint64_t stack[DEPTH_MAX];
	size_t n;
};

static bool push(struct machine *m, uint64_t value)
{
	if (m->n == DEPTH_MAX)
		return false;
	m->stack[m->n++] = value;
	return true;
}

static bool push_register(struct machine *m, uint64_t number, uint64_t offset)
{
	uint64_t value;

	return number < REGISTERS_N && register_get(m->now, (unsigned int)number, &value) && push(m, value + offset);
}

/* An operation on the two topmost. */
static bool calculate(struct machine *m, uint8_t operation)
{
	uint64_t a, b;

	if (m->n < 2)
		return false;
	b = m->stack[--m->n];
	a = m->stack[m->n - 1];
	switch (operation) {
	case DW_OP_plus:
		a += b;
		break;
	case DW_OP_minus:
		a -= b;
		break;
	case DW_OP_and:
		a &= b;
		break;
	case DW_OP_or:
		a |= b;
		break;
	case DW_OP_mul:
		a *= b;
		break;
	case DW_OP_shl:
		a = b < 64 ? a << b : 0;
		break;
	case DW_OP_shr:
		a = b < 64 ? a >> b : 0;
		break;
	case DW_OP_ge:
		a = (int64_t)a >= (int64_t)b;
		break;
	default:
		return false;
	}
	m->stack[m->n - 1] = a;
	return true;
}

static bool is_constant(uint8_t operation)
{
	return operation == DW_OP_addr || (operation >= DW_OP_const1u && operation <= DW_OP_consts);
}

static bool execute(struct machine *m, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(m, op->atom - DW_OP_breg0, op->number);
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, op->atom - DW_OP_lit0);
	if (is_constant(op->atom))
		return push(m, op->number);
	switch (op->atom) {
	case DW_OP_bregx:
		return push_register(m, op->number, op->number2);
	case DW_OP_regx:
		m->is_value = true;
		return push_register(m, op->number, 0);
	case DW_OP_call_frame_cfa:
		return m->has_cfa && push(m, m->cfa);
	case DW_OP_plus_uconst:
		return m->n && (m->stack[m->n - 1] += op->number, true);
	case DW_OP_deref:
		return m->n && m->read(m->stack[m->n - 1], &m->stack[m->n - 1], m->user);
	case DW_OP_dup:
		return m->n && push(m, m->stack[m->n - 1]);
	case DW_OP_nop:
		return true;
	case DW_OP_stack_value:
		m->is_value = true;
		return true;
	default:
		if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
			m->is_value = true;
			return push_register(m, op->atom - DW_OP_reg0, 0);
		}
		return calculate(m, op->atom);
	}
}

static bool evaluate(struct machine *m, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
	m->n = 0;
	m->is_value = false;
	for (size_t i = 0; i < n; i++) {
		if (n > OPERATIONS_MAX || !execute(m, &ops[i]))
			return false;
	}
	if (!m->n)
		return false;
	*ret = m->stack[m->n - 1];
	return true;
}

/* --- Registers --- */

/* False if the rule can't be followed. A register that is lost is no failure. */
static bool restore(struct machine *m, Dwarf_Frame *frame, enum register_number number, struct registers *ret)
{
	Dwarf_Op memory[3], *ops;
	uint64_t value;
	size_t n;

	if (dwarf_frame_register(frame, (int)number, memory, &ops, &n) != 0)
		return false;
	if (!n && !ops && register_get(m->now, number, &value))
		register_set(ret, number, value);
	if (!n)
		return true;
	if (!evaluate(m, ops, n, &value) || (!m->is_value && !m->read(value, &value, m->user)))
		return false;
	register_set(ret, number, value);
	return true;
}

enum cfi_result cfi_unwind(struct cfi *c, uint64_t pc, const struct registers *now, cfi_read read, void *user,
			   struct registers *ret)
{
	/* What a call preserves. */
	static const enum register_number preserved[] = { REGISTER_RBX, REGISTER_RBP, REGISTER_R12,
							  REGISTER_R13, REGISTER_R14, REGISTER_R15 };
	struct machine m = { .now = now, .read = read, .user = user };
	Dwarf_Frame *frame = get_frame(c, pc);
	struct registers caller = { 0 };
	Dwarf_Op *ops;
	uint64_t at;
	size_t n;

	if (!frame)
		return CFI_NONE;
	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || !evaluate(&m, ops, n, &m.cfa))
		return CFI_FAULT;
	m.has_cfa = true;
	register_set(&caller, REGISTER_RSP, m.cfa);
	for (size_t i = 0; i < ARRAY_SIZE(preserved); i++) {
		if (!restore(&m, frame, preserved[i], &caller))
			return CFI_FAULT;
	}
	if (!restore(&m, frame, REGISTER_RIP, &caller) || !register_get(&caller, REGISTER_RIP, &at))
		return CFI_FAULT;
	*ret = caller;
	return CFI_FOUND;
}
