/*
 * All that the targets take for granted of the machine's architecture, which is x86-64; what its page tables are like is in
 * mem/mmu_x86_64.h. Registers have the names and numbers of GDB's descriptions (gdb/features/i386/64bit-core.xml, 64bit-sys.xml in
 * gdb-xml/ of QEMU). Pure.
 */
#pragma once

#include "base/registers.h"
#include "mem/mem.h"
#include "target/description.h"

/* Of the architecture, for messages, and as a stub is told which descriptions are understood (GDB manual, qSupported). */
extern const char machine_name[], machine_xml_registers[];

/* Names: of the program counter, and of the stack pointer. */
extern const char machine_pc[], machine_sp[];

/* The size of a software breakpoint, as clients have it in Z packets (GDB manual, node Architecture-Specific Protocol Details). */
enum { MACHINE_BREAK_SIZE = 1 };

/* The number of the register that at a function's entry has the address where that finds where it returns to. */
extern const unsigned int machine_return_at;

/* Numbers of the registers that a backtrace begins with, and of those that GDB shows at a stop. *ret_n of them; static. */
const unsigned int *machine_expedited(size_t *ret_n);

/* The number of the register that has argument n of a function, from 0 on, at its entry. False: it is in none. */
bool machine_argument(unsigned int n, unsigned int *ret);

/* The name of one that is kept for a task; static. */
const char *machine_register_name(enum register_number number);

/* Whether the instruction is the one that BUG() is compiled to. */
enum { MACHINE_BUG_SIZE = 2 };
bool machine_is_bug(const uint8_t code[MACHINE_BUG_SIZE]);

/* Where the data of a CPU's own may begin, by the bytes of a g packet. Returns how many places there are. */
enum { MACHINE_BASES_MAX = 2 };
size_t machine_cpu_bases(const struct description *d, const void *bytes, size_t len, uint64_t ret[MACHINE_BASES_MAX]);

/* The registers that say how a CPU addresses memory; NULL: the description doesn't have it. */
struct machine_control {
	const struct description_register *cr0, *cr3, *cr4, *efer;
};

enum machine_addressing {
	MACHINE_ADDRESSES_PHYSICAL,
	MACHINE_ADDRESSES_VIRTUAL, /* by the page tables that are told */
	MACHINE_ADDRESSES_OTHERS,  /* 32-bit modes, or not known */
};

/* Valid as long as the description is. */
void machine_control_find(const struct description *d, struct machine_control *ret);
/* How the CPU with the bytes of a g packet does it; *ret with MACHINE_ADDRESSES_VIRTUAL. */
enum machine_addressing machine_addressing(const struct machine_control *c, const void *bytes, size_t len,
					   struct mmu *ret);
