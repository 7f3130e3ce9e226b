#include "server/agent_decode.h"

#include "base/util.h"

struct shape {
	const char *name;
	uint8_t operand, takes, leaves;
};

static const struct shape shapes[] = {
#define OP(name, number, operand, takes, leaves) [number] = { #name, operand, takes, leaves },
#include "server/agent_ops.def"
#undef OP
};

/* Operands are big-endian, whatever the target is. */
static inline uint64_t operand_at(const uint8_t *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

enum agent_result agent_decode(const uint8_t *code, size_t len, size_t at, struct agent_insn *ret)
{
	const struct shape *shape;

	ret->name = NULL;
	if (at >= len)
		return AGENT_NO_END;
	if (code[at] >= ARRAY_SIZE(shapes) || !shapes[code[at]].name)
		return AGENT_BAD_BYTECODE;
	shape = &shapes[code[at]];
	ret->name = shape->name;
	if (len - at - 1 < shape->operand)
		return AGENT_BAD_BYTECODE;
	ret->op = code[at];
	ret->takes = shape->takes;
	ret->leaves = shape->leaves;
	ret->operand = operand_at(code + at + 1, shape->operand);
	ret->next = at + 1 + shape->operand;
	if (ret->op == AGENT_pick) {
		ret->takes += (unsigned int)ret->operand;
		ret->leaves += (unsigned int)ret->operand;
	} else if (ret->op == AGENT_printf) {
		ret->format = (const char *)code + ret->next;
		ret->format_len = ret->operand & 0xffff;
		ret->operand >>= 16;
		ret->takes += (unsigned int)ret->operand;
		if (len - ret->next < ret->format_len)
			return AGENT_BAD_BYTECODE;
		ret->next += ret->format_len;
	}
	return AGENT_OK;
}
