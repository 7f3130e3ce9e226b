#include "kernel/entry_regs.h"

#include "base/util.h"
#include "kernel/kernel_private.h"

bool entry_register(const struct entry_register *registers, size_t n, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (streq(registers[i].name, name)) {
			*ret = registers[i].value;
			return true;
		}
	}
	return false;
}

size_t entry_registers(const struct kernel *k, uint64_t address, struct entry_register ret[ENTRY_REGISTERS_MAX])
{
	static const struct {
		enum kernel_fact fact;
		const char *name;
	} members[] = {
		{ FACT_REGS_AX, "rax" },  { FACT_REGS_BX, "rbx" },  { FACT_REGS_CX, "rcx" },
		{ FACT_REGS_DX, "rdx" },  { FACT_REGS_SI, "rsi" },  { FACT_REGS_DI, "rdi" },
		{ FACT_REGS_BP, "rbp" },  { FACT_REGS_SP, "rsp" },  { FACT_REGS_R8, "r8" },
		{ FACT_REGS_R9, "r9" },   { FACT_REGS_R10, "r10" }, { FACT_REGS_R11, "r11" },
		{ FACT_REGS_R12, "r12" }, { FACT_REGS_R13, "r13" }, { FACT_REGS_R14, "r14" },
		{ FACT_REGS_R15, "r15" }, { FACT_REGS_IP, "rip" },  { FACT_REGS_FLAGS, "eflags" },
		{ FACT_REGS_CS, "cs" },   { FACT_REGS_SS, "ss" },
	};
	uint8_t copy[LIMIT_REGS] = { 0 };
	uint64_t size = k->facts[FACT_REGS].size, unused;
	size_t n = 0;

	_Static_assert(ARRAY_SIZE(members) <= ENTRY_REGISTERS_MAX, "there is room for all");
	if (!has(k, FACT_REGS) || !size || size > sizeof(copy) || !is_kernel_address(address) ||
	    !mem_try_read(k->mem, address, copy, size))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (member_of(k, copy, size, members[i].fact, &ret[n].value))
			ret[n++].name = members[i].name;
	}
	return entry_register(ret, n, "rip", &unused) ? n : 0;
}
