/*
 * The registers of an x86-64 CPU, numbered as in DWARF (System V ABI, AMD64 supplement, "DWARF Register Number Mapping").
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum register_number {
	REGISTER_RAX,
	REGISTER_RDX,
	REGISTER_RCX,
	REGISTER_RBX,
	REGISTER_RSI,
	REGISTER_RDI,
	REGISTER_RBP,
	REGISTER_RSP,
	REGISTER_R8,
	REGISTER_R9,
	REGISTER_R10,
	REGISTER_R11,
	REGISTER_R12,
	REGISTER_R13,
	REGISTER_R14,
	REGISTER_R15,
	REGISTER_RIP,
	REGISTERS_N,
};

struct registers {
	uint64_t values[REGISTERS_N];
	uint32_t known; /* bit by register */
};

static inline bool register_get(const struct registers *r, unsigned int number, uint64_t *ret)
{
	if (number >= REGISTERS_N || !(r->known >> number & 1))
		return false;
	*ret = r->values[number];
	return true;
}

static inline void register_set(struct registers *r, enum register_number number, uint64_t value)
{
	r->values[number] = value;
	r->known |= UINT32_C(1) << number;
}

/* What a CPU was doing: its registers, and the few more that say in which mode. */
struct cpu_registers {
	struct registers r;
	uint64_t cs; /* the selector: its lowest two bits are the privilege level, 3 in user mode */
};
