/*
 * ORC: the tables by which kernels without frame pointers unwind their own stacks. objtool made them from the
 * instructions themselves, so they also know assembler, and code that switches stacks. Format: arch/x86/include/asm/orc_types.h.
 */
#pragma once

#include "base/registers.h"
#include "debuginfo/cfi.h"
#include "kernel/kernel.h"

enum orc_result {
	ORC_NONE,         /* no tables, or nothing in them about this address */
	ORC_CALL,         /* *ret has the caller's registers */
	ORC_REGS,         /* *ret_regs is where the registers of interrupted code are */
	ORC_REGS_PARTIAL, /* the same, but only those that the CPU itself has put there are valid */
	ORC_END,          /* a stack begins here */
	ORC_FAULT,        /* memory or registers that it needs are not known */
};

/* As cfi_unwind(); pc is an address of the guest. */
enum orc_result orc_unwind(const struct kernel *k, uint64_t pc, const struct registers *now, cfi_read read, void *user,
			   struct registers *ret, uint64_t *ret_regs);
