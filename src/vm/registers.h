/*
 * The registers of a vCPU, as QEMU's monitor prints them (`info registers`; target/i386/cpu-dump.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The general registers in the order in which instructions number them. */
enum vm_register {
	VM_RAX,
	VM_RCX,
	VM_RDX,
	VM_RBX,
	VM_RSP,
	VM_RBP,
	VM_RSI,
	VM_RDI,
	VM_R8,
	VM_R9,
	VM_R10,
	VM_R11,
	VM_R12,
	VM_R13,
	VM_R14,
	VM_R15,
	VM_GENERAL_N,
};

struct vm_registers {
	uint64_t general[VM_GENERAL_N]; /* those from r8 on are 0 in a CPU that is not in 64-bit mode */
	uint64_t rip, rflags;
	uint16_t es, cs, ss, ds, fs, gs;
	uint64_t fs_base, gs_base;
	uint64_t cr0, cr2, cr3, cr4;
	bool user; /* it runs at another level than the kernel's: CPL is not 0 */
};

/* Understands what was printed of one CPU. Pure; text needs no NUL. ERR_BAD_DATA if a register is missing. */
struct err *vm_registers_parse(const char *text, size_t len, struct vm_registers *ret) err_must_check;

/* NT_PRSTATUS of a core file: struct elf_prstatus of Linux on x86-64 (include/linux/elfcore.h). */
enum { VM_PRSTATUS_SIZE = 336, VM_PRSTATUS_PID = 32 /* where pr_pid is */ };

/* What the note says of a vCPU. pid is that of the thread that it runs. */
void vm_registers_prstatus(const struct vm_registers *r, uint32_t pid, uint8_t ret[VM_PRSTATUS_SIZE]);
