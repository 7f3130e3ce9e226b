#include "vm/registers.h"

#include <string.h>

#include "base/util.h"

/* A register in the text: "RAX=", "R8 =". */
struct field {
	const char *name, *name32; /* as it is called where the CPU is not in 64-bit mode; NULL: then there is none */
	size_t offset;
};

/* Where pr_reg is. */
enum { PRSTATUS_REGS = 112 };

#define GENERAL(i) (offsetof(struct vm_registers, general) + (i) * sizeof(uint64_t))

static const struct field numbers[] = {
	{ "RAX", "EAX", GENERAL(VM_RAX) },
	{ "RCX", "ECX", GENERAL(VM_RCX) },
	{ "RDX", "EDX", GENERAL(VM_RDX) },
	{ "RBX", "EBX", GENERAL(VM_RBX) },
	{ "RSP", "ESP", GENERAL(VM_RSP) },
	{ "RBP", "EBP", GENERAL(VM_RBP) },
	{ "RSI", "ESI", GENERAL(VM_RSI) },
	{ "RDI", "EDI", GENERAL(VM_RDI) },
	{ "R8 ", NULL, GENERAL(VM_R8) },
	{ "R9 ", NULL, GENERAL(VM_R9) },
	{ "R10", NULL, GENERAL(VM_R10) },
	{ "R11", NULL, GENERAL(VM_R11) },
	{ "R12", NULL, GENERAL(VM_R12) },
	{ "R13", NULL, GENERAL(VM_R13) },
	{ "R14", NULL, GENERAL(VM_R14) },
	{ "R15", NULL, GENERAL(VM_R15) },
	{ "RIP", "EIP", offsetof(struct vm_registers, rip) },
	{ "RFL", "EFL", offsetof(struct vm_registers, rflags) },
	{ "CR0", "CR0", offsetof(struct vm_registers, cr0) },
	{ "CR2", "CR2", offsetof(struct vm_registers, cr2) },
	{ "CR3", "CR3", offsetof(struct vm_registers, cr3) },
	{ "CR4", "CR4", offsetof(struct vm_registers, cr4) },
};

/* What follows NAME= at the beginning of a word; NULL if it is nowhere. */
static const char *find(const char *text, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = text; (size_t)(end - at) > n; at++) {
		if (at[n] == '=' && memcmp(at, name, n) == 0 && (at == text || at[-1] == ' ' || at[-1] == '\n'))
			return at + n + 1;
	}
	return NULL;
}

/* A number of hexadecimal digits; *at moves behind it. False if there is none, or too long a one. */
static bool parse_hex(const char **at, const char *end, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = *at;
	uint64_t value = 0;

	for (; p < end && *p; p++) {
		const char *digit = strchr(digits, *p);

		if (!digit)
			break;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	if (p == *at || p - *at > 16)
		return false;
	*at = p;
	*ret = value;
	return true;
}

static struct err *missing(const char *name)
{
	return err_create(ERR_BAD_DATA, "QEMU's list of registers has no %.*s", (int)strcspn(name, " "), name);
}

static struct err *parse_number(const char *text, const char *end, const struct field *f, bool is_64,
				struct vm_registers *ret)
{
	const char *name = is_64 ? f->name : f->name32, *at;
	uint64_t value;

	if (!name)
		return NULL;
	at = find(text, end, name);
	if (!at || !parse_hex(&at, end, &value))
		return missing(name);
	memcpy((uint8_t *)ret + f->offset, &value, sizeof(value));
	return NULL;
}

/* "FS =0000 0000000000000000 ...": selector and base, which may be NULL. */
static struct err *parse_segment(const char *text, const char *end, const char *name, uint16_t *ret, uint64_t *ret_base)
{
	const char *at = find(text, end, name);
	uint64_t selector, base = 0;

	if (!at || !parse_hex(&at, end, &selector) || selector > UINT16_MAX || at == end || *at++ != ' ' ||
	    !parse_hex(&at, end, &base))
		return missing(name);
	*ret = (uint16_t)selector;
	if (ret_base)
		*ret_base = base;
	return NULL;
}

struct err *vm_registers_parse(const char *text, size_t len, struct vm_registers *ret)
{
	const char *end = text + len, *cpl = find(text, end, "CPL");
	bool is_64 = find(text, end, "RIP") != NULL;
	struct vm_registers r = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		TRY(parse_number(text, end, &numbers[i], is_64, &r));
	TRY(parse_segment(text, end, "ES ", &r.es, NULL));
	TRY(parse_segment(text, end, "CS ", &r.cs, NULL));
	TRY(parse_segment(text, end, "SS ", &r.ss, NULL));
	TRY(parse_segment(text, end, "DS ", &r.ds, NULL));
	TRY(parse_segment(text, end, "FS ", &r.fs, &r.fs_base));
	TRY(parse_segment(text, end, "GS ", &r.gs, &r.gs_base));
	if (!cpl || cpl == end)
		return missing("CPL");
	r.user = *cpl != '0';
	*ret = r;
	return NULL;
}

void vm_registers_prstatus(const struct vm_registers *r, uint32_t pid, uint8_t ret[VM_PRSTATUS_SIZE])
{
	/* The order of struct user_regs_struct (arch/x86/include/asm/user_64.h); -1 for orig_rax: in no system call. */
	const uint64_t regs[] = {
		r->general[VM_R15],
		r->general[VM_R14],
		r->general[VM_R13],
		r->general[VM_R12],
		r->general[VM_RBP],
		r->general[VM_RBX],
		r->general[VM_R11],
		r->general[VM_R10],
		r->general[VM_R9],
		r->general[VM_R8],
		r->general[VM_RAX],
		r->general[VM_RCX],
		r->general[VM_RDX],
		r->general[VM_RSI],
		r->general[VM_RDI],
		UINT64_MAX,
		r->rip,
		r->cs,
		r->rflags,
		r->general[VM_RSP],
		r->ss,
		r->fs_base,
		r->gs_base,
		r->ds,
		r->es,
		r->fs,
		r->gs,
	};

	memset(ret, 0, VM_PRSTATUS_SIZE);
	memcpy(ret + VM_PRSTATUS_PID, &pid, sizeof(pid));
	memcpy(ret + PRSTATUS_REGS, regs, sizeof(regs));
}
