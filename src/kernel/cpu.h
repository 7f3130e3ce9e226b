/*
 * CPUs, as the kernel counts them: what runs on one, and which stacks it has.
 */
#pragma once

#include "kernel/kernel.h"

/* How many there may be; 1 for a kernel that knows only one. */
uint32_t cpu_count(const struct kernel *k);

/* The task_struct of what a CPU runs. False if that can't be read, as for a CPU that isn't there. */
bool cpu_current(const struct kernel *k, uint32_t cpu, uint64_t *ret);

/* A stretch of virtual memory that is a stack: [start, end). */
struct stack_range {
	const char *name; /* "task", "IRQ", "NMI", ...; static */
	uint64_t start, end;
};

enum { CPU_STACKS_MAX = 8 };

/* The stacks of a CPU's own: for interrupts, and for the exceptions that have one. Returns how many. */
size_t cpu_stacks(const struct kernel *k, uint32_t cpu, struct stack_range ret[CPU_STACKS_MAX]);

/* The stack of a task. False if it has none (any more). */
bool task_stack(const struct kernel *k, uint64_t task, struct stack_range *ret);

/* Whether a stack pointer is in the stack of what the CPU runs, or in one of its own. */
bool cpu_has_stack(const struct kernel *k, uint32_t cpu, uint64_t sp);
