/*
 * The registers that an entry into the kernel, an exception say, has put on the stack (struct pt_regs).
 */
#pragma once

#include "kernel/kernel.h"

enum { ENTRY_REGISTERS_MAX = 20 };

struct entry_register {
	const char *name; /* as GDB's descriptions of x86-64 have it: "rax", "eflags"; static */
	uint64_t value;
};

/* Those at the address, at most ENTRY_REGISTERS_MAX. Returns how many; 0: they can't be read, or "rip" is not among them. */
size_t entry_registers(const struct kernel *k, uint64_t address, struct entry_register ret[ENTRY_REGISTERS_MAX]);
/* The value of the one of that name. False if it is not among the n. */
bool entry_register(const struct entry_register *registers, size_t n, const char *name, uint64_t *ret);
