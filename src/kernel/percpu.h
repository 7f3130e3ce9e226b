/*
 * The CPUs that a kernel knows, and where each has its own data.
 */
#pragma once

#include "base/err.h"
#include "kernel/kernel.h"
#include "kernel/limits.h"

struct cpu_set {
	uint64_t bits[LIMIT_CPUS / 64];
};

static inline bool cpu_set_has(const struct cpu_set *s, uint64_t cpu)
{
	return cpu < LIMIT_CPUS && s->bits[cpu / 64] >> (cpu % 64) & 1;
}

/* Those that can ever run, and those that do. Where the kernel doesn't say: CPU 0. */
void percpu_possible(const struct kernel *k, struct cpu_set *ret);
void percpu_online(const struct kernel *k, struct cpu_set *ret);

/* Whether the address, as linked, is that of a per-CPU variable. Kernels for one CPU have none. */
bool percpu_is_variable(const struct kernel *k, uint64_t linked);

/*
 * How far a CPU's own data is from what per-CPU pointers hold. ERR_NOT_FOUND if there is no such CPU, ERR_FAULT if it can't
 * be read.
 */
struct err *percpu_offset(const struct kernel *k, uint64_t cpu, uint64_t *ret) err_must_check;

/* The address that a CPU's own copy of the variable at `linked` has in the guest. Errors as above. */
struct err *percpu_address(const struct kernel *k, uint64_t linked, uint64_t cpu, uint64_t *ret) err_must_check;

/*
 * The same without a message, for hot paths and guesses, and for every CPU below cpu_count(), possible or not. In a kernel
 * for one CPU it is the variable itself.
 */
bool percpu_try_address(const struct kernel *k, uint64_t linked, uint32_t cpu, uint64_t *ret) err_must_check;
