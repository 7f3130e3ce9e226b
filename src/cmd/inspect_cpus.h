/*
 * What the CPUs of a guest that stands still are at.
 */
#pragma once

#include "base/registers.h"
#include "cmd/inspect.h"

/* By the kernel's number of a CPU. */
struct inspect_cpu {
	bool known; /* else it moves, or nothing says what it is at */
	struct cpu_registers registers;
};

struct inspect_cpus {
	struct inspect_cpu *cpus;
	size_t n;
};

#define INSPECT_CPUS_INIT                                                                                              \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

void inspect_cpus_deinit(struct inspect_cpus *c);
DEFINE_CLEANUP_STORAGE(struct inspect_cpus, inspect_cpus_deinit);

/*
 * Reads the registers of all CPUs: of a VM that stands still from QEMU, of a core file from its notes. Of a VM that runs none
 * are known.
 */
struct err *inspect_cpus_read(const struct inspect *in, struct inspect_cpus *ret) err_must_check;
