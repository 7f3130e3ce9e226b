/*
 * Kernel stacks, followed from the innermost function to where the kernel was entered.
 */
#pragma once

#include "base/registers.h"
#include "kernel/kernel.h"
#include "kernel/symbolize.h"
#include "kernel/task.h"

struct stack_frame {
	uint64_t pc; /* where it goes on */
	uint64_t sp; /* the stack pointer then */
	/* The pc is where a call returns to; else where the CPU was, or was interrupted. */
	bool is_return;
	/* False: guessed, from what looks like a return address. */
	bool reliable;
	/*
	 * Where the registers (pt_regs) of this frame's code were put when it was interrupted by what is in the frame before;
	 * 0: it wasn't, but made a call.
	 */
	uint64_t regs;
	const char *on; /* the stack that it is on: "task", "IRQ", "NMI", "#DF", ...; static */
};

enum stack_end {
	STACK_END_USER,    /* the kernel was entered from user mode */
	STACK_END_START,   /* the stack begins there: a kernel thread's, or a CPU's */
	STACK_END_LOST,    /* it can't be followed further: `why` */
	STACK_END_RUNNING, /* the task is on a CPU, whose registers are not known: no frames */
	STACK_END_CHANGED, /* the task ran whenever its stack was read: no frames */
	STACK_END_GONE,    /* the task has ended, and has no stack any more: no frames */
};

struct stack {
	struct stack_frame *frames;
	size_t n;
	enum stack_end end;
	const char *why; /* static */
	/* With STACK_END_USER: */
	uint64_t user_pc, user_sp;
	uint64_t user_regs; /* where its registers are; 0: in the CPU */
	int64_t syscall;    /* the number of the system call; negative: it came by an interrupt or exception */
};

#define STACK_INIT                                                                                                     \
	{                                                                                                              \
		.n = 0                                                                                                 \
	}

void stack_deinit(struct stack *s);
DEFINE_CLEANUP_STORAGE(struct stack, stack_deinit);

/*
 * The stack of a task, as it left it when it was switched from. One that is on a CPU has no such place:
 * STACK_END_RUNNING. ERR_UNSUPPORTED if the kernel lacks what must be known.
 */
struct err *stack_read(const struct kernel *k, struct symbolizer *s, const struct task *t, struct stack *ret)
	err_must_check;

/* The stack that a CPU is on. The guest must stand still. Errors as above. */
struct err *stack_read_cpu(const struct kernel *k, struct symbolizer *s, uint32_t cpu, const struct cpu_registers *regs,
			   struct stack *ret) err_must_check;

/*
 * The registers that a task, its task_struct at the address, will go on with: those that functions keep for their callers, and
 * where it returns to in the scheduler. The guest must stand still. False if it is on a CPU, or ended, or they can't be read.
 */
bool stack_saved_registers(const struct kernel *k, uint64_t task, struct registers *ret);

/* What tells whether a task has run between two looks at it: then these differ. */
struct stack_moment {
	uint64_t on_cpu, sp, stack, switches[2];
};

/* False if the task_struct at the address can't be read. */
bool stack_look_at(const struct kernel *k, uint64_t task, struct stack_moment *ret);
