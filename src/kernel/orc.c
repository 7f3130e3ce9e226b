#include "kernel/orc.h"

#include "base/util.h"
#include "kernel/kernel_private.h"

/* arch/x86/include/asm/orc_types.h */
enum {
	BASE_UNDEFINED,
	BASE_PREV_SP,
	BASE_DX,
	BASE_DI,
	BASE_BP,
	BASE_SP,
	BASE_R10,
	BASE_R13,
	BASE_BP_INDIRECT,
	BASE_SP_INDIRECT,
};

enum type { TYPE_UNDEFINED, TYPE_END_OF_STACK, TYPE_CALL, TYPE_REGS, TYPE_REGS_PARTIAL };

enum { IP_BYTES = 4, ENTRY_MAX = 16, WORD = 8 };

struct entry {
	int64_t sp_offset, bp_offset;
	uint64_t sp_reg, bp_reg;
	enum type type;
};

/* Until fb799447ae29 there was a bit for the end, and the types began with CALL. */
static enum type type_of(uint64_t type, bool has_end, uint64_t is_end, uint64_t sp_reg)
{
	if (!has_end)
		return type <= TYPE_REGS_PARTIAL ? (enum type)type : TYPE_UNDEFINED;
	if (sp_reg == BASE_UNDEFINED)
		return is_end ? TYPE_END_OF_STACK : TYPE_UNDEFINED;
	return type + TYPE_CALL <= TYPE_REGS_PARTIAL ? (enum type)(type + TYPE_CALL) : TYPE_UNDEFINED;
}

static bool read_entry(const struct kernel *k, uint64_t index, struct entry *ret)
{
	uint64_t size = k->facts[FACT_ORC_ENTRY].size, sp_offset, bp_offset, type, is_end = 0;
	uint8_t copy[ENTRY_MAX];

	if (!size || size > sizeof(copy) ||
	    !mem_try_read(k->mem, symbol(k, FACT_ORC_START) + index * size, copy, size) ||
	    !member_of(k, copy, size, FACT_ORC_SP_OFFSET, &sp_offset) ||
	    !member_of(k, copy, size, FACT_ORC_BP_OFFSET, &bp_offset) ||
	    !member_of(k, copy, size, FACT_ORC_SP_REG, &ret->sp_reg) ||
	    !member_of(k, copy, size, FACT_ORC_BP_REG, &ret->bp_reg) || !member_of(k, copy, size, FACT_ORC_TYPE, &type))
		return false;
	member_of(k, copy, size, FACT_ORC_IS_END, &is_end);
	ret->sp_offset = (int16_t)sp_offset;
	ret->bp_offset = (int16_t)bp_offset;
	ret->type = type_of(type, has(k, FACT_ORC_IS_END), is_end, ret->sp_reg);
	return true;
}

/* The table of addresses has, for each entry, how far from itself the code begins that it is about. */
static bool read_ip(const struct kernel *k, uint64_t index, uint64_t *ret)
{
	uint64_t at = symbol(k, FACT_ORC_IP_START) + index * IP_BYTES, distance;

	if (!read_number(k, at, IP_BYTES, &distance))
		return false;
	*ret = at + (uint64_t)(int64_t)(int32_t)distance;
	return true;
}

static bool find_entry(const struct kernel *k, uint64_t pc, struct entry *ret)
{
	uint64_t low = 0, high, ip;

	if (!has(k, FACT_ORC_START) || !has(k, FACT_ORC_IP_START) || !has(k, FACT_ORC_IP_END) ||
	    k->facts[FACT_ORC_IP_END].value < k->facts[FACT_ORC_IP_START].value)
		return false;
	high = (k->facts[FACT_ORC_IP_END].value - k->facts[FACT_ORC_IP_START].value) / IP_BYTES;
	high = MIN(high, LIMIT_ORC);
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (!read_ip(k, middle, &ip))
			return false;
		if (ip <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low && read_entry(k, low - 1, ret);
}

/* What the previous stack pointer is reckoned from, and by which way. */
static bool previous_sp(const struct entry *e, const struct registers *now, cfi_read read, void *user, uint64_t *ret)
{
	static const uint8_t registers[] = {
		[BASE_DX] = REGISTER_RDX,          [BASE_DI] = REGISTER_RDI,         [BASE_BP] = REGISTER_RBP,
		[BASE_SP] = REGISTER_RSP,          [BASE_R10] = REGISTER_R10,        [BASE_R13] = REGISTER_R13,
		[BASE_BP_INDIRECT] = REGISTER_RBP, [BASE_SP_INDIRECT] = REGISTER_RSP
	};
	uint64_t base;

	if (e->sp_reg < BASE_DX || e->sp_reg > BASE_SP_INDIRECT || !register_get(now, registers[e->sp_reg], &base))
		return false;
	switch (e->sp_reg) {
	case BASE_BP:
	case BASE_SP:
		*ret = base + (uint64_t)e->sp_offset;
		return true;
	case BASE_BP_INDIRECT:
		return read(base + (uint64_t)e->sp_offset, ret, user);
	case BASE_SP_INDIRECT:
		if (!read(base, ret, user))
			return false;
		*ret += (uint64_t)e->sp_offset;
		return true;
	default:
		*ret = base;
		return true;
	}
}

static bool previous_bp(const struct entry *e, const struct registers *now, uint64_t sp, cfi_read read, void *user,
			struct registers *ret)
{
	uint64_t bp, value;

	switch (e->bp_reg) {
	case BASE_UNDEFINED:
		if (register_get(now, REGISTER_RBP, &bp))
			register_set(ret, REGISTER_RBP, bp);
		return true;
	case BASE_PREV_SP:
		if (!read(sp + (uint64_t)e->bp_offset, &value, user))
			return false;
		break;
	case BASE_BP:
		if (!register_get(now, REGISTER_RBP, &bp) || !read(bp + (uint64_t)e->bp_offset, &value, user))
			return false;
		break;
	default:
		return false;
	}
	register_set(ret, REGISTER_RBP, value);
	return true;
}

enum orc_result orc_unwind(const struct kernel *k, uint64_t pc, const struct registers *now, cfi_read read, void *user,
			   struct registers *ret, uint64_t *ret_regs)
{
	struct registers caller = { 0 };
	struct entry e;
	uint64_t sp, ip;

	if (!find_entry(k, pc, &e) || e.type == TYPE_UNDEFINED)
		return ORC_NONE;
	if (e.type == TYPE_END_OF_STACK)
		return ORC_END;
	if (!previous_sp(&e, now, read, user, &sp))
		return ORC_FAULT;
	if (e.type == TYPE_REGS || e.type == TYPE_REGS_PARTIAL) {
		*ret_regs = e.type == TYPE_REGS ? sp : sp - offset_of(k, FACT_REGS_IP);
		return e.type == TYPE_REGS ? ORC_REGS : ORC_REGS_PARTIAL;
	}
	if (!read(sp - WORD, &ip, user) || !previous_bp(&e, now, sp, read, user, &caller))
		return ORC_FAULT;
	register_set(&caller, REGISTER_RSP, sp);
	register_set(&caller, REGISTER_RIP, ip);
	*ret = caller;
	return ORC_CALL;
}
