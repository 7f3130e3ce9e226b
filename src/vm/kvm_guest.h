/*
 * The program that the KVM probe runs in its VM: a page or two of memory with page tables, a few instructions that
 * broken KVMs stumble over, operands, and what the instructions must make of them. Pure: no system call.
 *
 * Source: Intel SDM volume 3, 4.5 (paging), 9.8.5 (IA-32e mode); AMD64 APM volume 2, 14.6.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Guest physical addresses; virtual ones are the same. */
	GUEST_PML4 = 0x1000,
	GUEST_PDPT = 0x2000,
	GUEST_PD = 0x3000,
	GUEST_CODE = 0x4000,
	GUEST_OPERANDS = 0x5000,
	GUEST_STACK_END = 0x7000,
	GUEST_MEMORY_SIZE = 0x8000,

	/* The guest writes the number of each check to this port before it begins it, and their count at the end. */
	GUEST_PORT = 0xe9,
};

/*
 * What CPUID says inside of the guest. That need not be what KVM offers: where the CPU answers by itself, the guest's
 * kernel sees the host's features, and uses them.
 */
struct guest_features {
	uint32_t leaf1_ecx;
	uint32_t leaf7_ebx;
};

/* All of them take GUEST_MEMORY_SIZE bytes of memory. The guest begins at GUEST_CODE, with RDI = GUEST_OPERANDS. */

/* First program, in zeroed memory: page tables, and a question to CPUID. It ends with hlt. */
void guest_prepare_question(void *memory);
struct guest_features guest_answer(const void *memory);

/* Second program: the checks of those instructions that the CPU has. It ends with hlt. */
void guest_prepare_checks(const struct guest_features *features, void *memory);

/* True if the checks need CR4.OSXSAVE, and the AVX state in XCR0. */
bool guest_needs_avx(const struct guest_features *features);

/* Number of checks, and what one is called in a message: "lock cmpxchg16b". */
size_t guest_checks(const struct guest_features *features);
const char *guest_check_name(const struct guest_features *features, size_t i);

/* True if check i, which has been run, left what it should. */
bool guest_check_passed(const struct guest_features *features, const void *memory, size_t i);
