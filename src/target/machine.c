#include "target/machine.h"

#include <string.h>

#include "base/util.h"

const char machine_name[] = "x86-64", machine_xml_registers[] = "i386";
const char machine_pc[] = "rip", machine_sp[] = "rsp";
const unsigned int machine_return_at = 7; /* rsp */

const unsigned int *machine_expedited(size_t *ret_n)
{
	/* rip, rsp, rbp, eflags, and the rest of the general ones. */
	static const unsigned int numbers[] = { 16, 7, 6, 17, 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 };

	*ret_n = ARRAY_SIZE(numbers);
	return numbers;
}

bool machine_argument(unsigned int n, unsigned int *ret)
{
	/* rdi, rsi, rdx, rcx, r8, r9 (System V ABI for x86-64). */
	static const unsigned int numbers[] = { 5, 4, 3, 2, 8, 9 };

	if (n >= ARRAY_SIZE(numbers))
		return false;
	*ret = numbers[n];
	return true;
}

const char *machine_register_name(enum register_number number)
{
	static const char *const names[REGISTERS_N] = {
		[REGISTER_RAX] = "rax", [REGISTER_RDX] = "rdx", [REGISTER_RCX] = "rcx", [REGISTER_RBX] = "rbx",
		[REGISTER_RSI] = "rsi", [REGISTER_RDI] = "rdi", [REGISTER_RBP] = "rbp", [REGISTER_RSP] = "rsp",
		[REGISTER_R8] = "r8",   [REGISTER_R9] = "r9",   [REGISTER_R10] = "r10", [REGISTER_R11] = "r11",
		[REGISTER_R12] = "r12", [REGISTER_R13] = "r13", [REGISTER_R14] = "r14", [REGISTER_R15] = "r15",
		[REGISTER_RIP] = "rip",
	};

	return names[number];
}

bool machine_is_bug(const uint8_t code[MACHINE_BUG_SIZE])
{
	static const uint8_t ud2[MACHINE_BUG_SIZE] = { 0x0f, 0x0b };

	return memcmp(code, ud2, sizeof(ud2)) == 0;
}

/* The kernel has it in gs_base, and while the CPU is in user mode in k_gs_base. */
size_t machine_cpu_bases(const struct description *d, const void *bytes, size_t len, uint64_t ret[MACHINE_BASES_MAX])
{
	static const char *const names[MACHINE_BASES_MAX] = { "gs_base", "k_gs_base" };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct description_register *r = description_find(d, names[i]);

		if (r && description_value(r, bytes, len, &ret[n]) && ret[n])
			n++;
	}
	return n;
}

/* --- Addressing: Intel SDM volume 3, "Control Registers", "Extended Feature Enable Register" --- */

#define CR0_PG (UINT64_C(1) << 31)
#define CR4_LA57 (UINT64_C(1) << 12)
#define EFER_LMA (UINT64_C(1) << 10)
#define CR3_ROOT UINT64_C(0x000ffffffffff000)

void machine_control_find(const struct description *d, struct machine_control *ret)
{
	ret->cr0 = description_find(d, "cr0");
	ret->cr3 = description_find(d, "cr3");
	ret->cr4 = description_find(d, "cr4");
	ret->efer = description_find(d, "efer");
}

enum machine_addressing machine_addressing(const struct machine_control *c, const void *bytes, size_t len,
					   struct mmu *ret)
{
	uint64_t cr0, cr3, cr4, efer;

	if (!description_value(c->cr0, bytes, len, &cr0))
		return MACHINE_ADDRESSES_OTHERS;
	if (!(cr0 & CR0_PG))
		return MACHINE_ADDRESSES_PHYSICAL;
	if (!description_value(c->cr3, bytes, len, &cr3) || !description_value(c->cr4, bytes, len, &cr4) ||
	    !description_value(c->efer, bytes, len, &efer) || !(efer & EFER_LMA))
		return MACHINE_ADDRESSES_OTHERS;
	*ret = (struct mmu){ cr3 & CR3_ROOT, cr4 & CR4_LA57 ? 5 : 4 };
	return MACHINE_ADDRESSES_VIRTUAL;
}
