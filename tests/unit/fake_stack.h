/*
 * What fake_kernel.h lacks for stacks: where things are in a task that was switched from, in the registers that an entry
 * puts on the stack, and in a CPU's variables.
 */
#pragma once

#include "tests/unit/fake_kernel.h"

enum {
	FAKE_STACK_SIZE = 0x1000,
	FAKE_INACTIVE_SIZE = 0x38,
	FAKE_INACTIVE_RBX = 0x20,
	FAKE_INACTIVE_RBP = 0x28,
	FAKE_INACTIVE_RIP = 0x30,
	FAKE_REGS_SIZE = 168,
	FAKE_REGS_RBP = 0x20,
	FAKE_REGS_ORIG_RAX = 0x78,
	FAKE_REGS_RIP = 0x80,
	FAKE_REGS_CS = 0x88,
	FAKE_REGS_RSP = 0x98,
	FAKE_TASK_ON_CPU = 0x250,
	FAKE_TASK_NVCSW = 0x258,
	FAKE_CPU_CURRENT = 0x800, /* in a CPU's variables */
	FAKE_CPU_IRQ_STACK = 0x808,
	FAKE_IRQ_STACK = 0xc00,
	FAKE_IRQ_STACK_SIZE = 0x400,
};

static inline void fake_facts_of_stacks(struct fake_kernel *f)
{
	static const enum kernel_fact inactive[] = { FACT_INACTIVE_FRAME_R15,   FACT_INACTIVE_FRAME_R14,
						     FACT_INACTIVE_FRAME_R13,   FACT_INACTIVE_FRAME_R12,
						     FACT_INACTIVE_FRAME_BX,    FACT_INACTIVE_FRAME_BP,
						     FACT_INACTIVE_FRAME_RETURN };
	static const enum kernel_fact regs[] = {
		FACT_REGS_R15,   FACT_REGS_R14, FACT_REGS_R13, FACT_REGS_R12,     FACT_REGS_BP, FACT_REGS_BX,
		FACT_REGS_R11,   FACT_REGS_R10, FACT_REGS_R9,  FACT_REGS_R8,      FACT_REGS_AX, FACT_REGS_CX,
		FACT_REGS_DX,    FACT_REGS_SI,  FACT_REGS_DI,  FACT_REGS_ORIG_AX, FACT_REGS_IP, FACT_REGS_CS,
		FACT_REGS_FLAGS, FACT_REGS_SP,  FACT_REGS_SS,
	};

	fake_type(f, FACT_INACTIVE_FRAME, FAKE_INACTIVE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(inactive); i++)
		fake_member(f, inactive[i], 8 * i, 8);
	fake_type(f, FACT_REGS, FAKE_REGS_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		fake_member(f, regs[i], 8 * i, 8);
	fake_symbol(f, FACT_INIT_STACK_START, 0, 0);
	fake_symbol(f, FACT_INIT_STACK_END, FAKE_STACK_SIZE, 0);
	fake_member(f, FACT_TASK_ON_CPU, FAKE_TASK_ON_CPU, 4);
	fake_member(f, FACT_TASK_NVCSW, FAKE_TASK_NVCSW, 8);
	fake_number(f, FACT_CURRENT_TASK, FAKE_CPU_CURRENT);
	fake_number(f, FACT_IRQ_STACK_PTR, FAKE_CPU_IRQ_STACK);
	fake_type(f, FACT_IRQ_STACK, FAKE_IRQ_STACK_SIZE);
}

/* The task gets the one stack that there is, and the first CPU runs it and has a stack for interrupts. */
static inline void fake_stacks(struct fake_kernel *f, size_t task)
{
	fake_facts_of_stacks(f);
	fake_put64(f, task + FAKE_TASK_STACK, fake_direct(f, FAKE_STACK));
	fake_put64(f, FAKE_PER_CPU + FAKE_CPU_CURRENT, fake_direct(f, task));
	fake_put64(f, FAKE_PER_CPU + FAKE_CPU_IRQ_STACK,
		   fake_direct(f, FAKE_PER_CPU + FAKE_IRQ_STACK + FAKE_IRQ_STACK_SIZE - 8));
}
