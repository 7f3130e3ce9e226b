#include "vm/kvm_guest.h"

#include <string.h>

#include "base/util.h"

#ifdef __x86_64__

#define GUEST_INSTRUCTIONS(name, instructions)                                                                         \
	__asm__(".pushsection .rodata\n" #name ":\n" instructions #name "_end:\n"                                      \
		".popsection\n");                                                                                      \
	extern const uint8_t name[] __attribute__((visibility("hidden")));                                             \
	extern const uint8_t name##_end[] __attribute__((visibility("hidden")))

/* What the question leaves at GUEST_OPERANDS. */
struct answer {
	uint32_t leaves; /* the highest leaf; what is said about those above is meaningless */
	uint32_t leaf1_ecx, leaf7_ebx;
};

GUEST_INSTRUCTIONS(guest_question, "xor %eax, %eax\n"
				   "cpuid\n"
				   "mov %eax, (%rdi)\n"
				   "mov $1, %eax\n"
				   "cpuid\n"
				   "mov %ecx, 4(%rdi)\n"
				   "mov $7, %eax\n"
				   "xor %ecx, %ecx\n"
				   "cpuid\n"
				   "mov %ebx, 8(%rdi)\n"
				   "hlt\n");

/*
 * Each check is a run of position-independent, unprivileged instructions, so that it can be tried without any VM. RDI
 * points to its four quadwords of operands, which it replaces by results. It may use RAX to RDX and XMM0.
 */
GUEST_INSTRUCTIONS(guest_cmpxchg16b, "mov (%rdi), %rax\n"
				     "mov 8(%rdi), %rdx\n"
				     "mov 16(%rdi), %rbx\n"
				     "mov 24(%rdi), %rcx\n"
				     "lock cmpxchg16b (%rdi)\n"
				     "setz 16(%rdi)\n");

GUEST_INSTRUCTIONS(guest_shlx, "mov (%rdi), %rax\n"
			       "mov 8(%rdi), %rcx\n"
			       "shlx %rcx, %rax, %rdx\n"
			       "mov %rdx, 16(%rdi)\n");

GUEST_INSTRUCTIONS(guest_andn, "mov (%rdi), %rax\n"
			       "mov 8(%rdi), %rcx\n"
			       "andn %rcx, %rax, %rdx\n"
			       "mov %rdx, 16(%rdi)\n");

GUEST_INSTRUCTIONS(guest_avx, "vmovdqu (%rdi), %xmm0\n"
			      "vpaddq 16(%rdi), %xmm0, %xmm0\n"
			      "vmovdqu %xmm0, 16(%rdi)\n");

/* Between the checks: mov $number, %al; out %al, $GUEST_PORT. */
static const uint8_t announce[] = { 0xb0, 0, 0xe6, GUEST_PORT };
/* Behind each: add $32, %rdi. */
static const uint8_t next_operands[] = { 0x48, 0x83, 0xc7, 32 };
/* At the end: hlt. */
static const uint8_t halt[] = { 0xf4 };

/* CPUID: Intel SDM volume 2, table 3-8; AMD64 APM volume 3, E.3. */
enum {
	LEAF1_ECX_CX16 = 1 << 13,
	LEAF1_ECX_XSAVE = 1 << 26,
	LEAF1_ECX_AVX = 1 << 28,
	LEAF7_EBX_BMI1 = 1 << 3,
	LEAF7_EBX_BMI2 = 1 << 8,
};

struct check {
	const char *name;
	const uint8_t *code, *end;
	struct guest_features needs;
	uint64_t operands[4], results[4];
};

#define HIGH UINT64_C(0x8000000000000000)

static const struct check checks[] = {
	{ "lock cmpxchg16b",
	  guest_cmpxchg16b,
	  guest_cmpxchg16b_end,
	  { LEAF1_ECX_CX16, 0 },
	  /* The byte that setz writes is 0 before: a result of 1 there says that the exchange took place. */
	  { 0x0123456789abcdef, HIGH | 1, 0x1111222233334400, 0x5555666677778888 },
	  { 0x1111222233334400, 0x5555666677778888, 0x1111222233334401, 0x5555666677778888 } },
	{ "shlx (a VEX instruction)",
	  guest_shlx,
	  guest_shlx_end,
	  { 0, LEAF7_EBX_BMI2 },
	  /* The count is taken modulo 64. */
	  { 0x0123456789abcdef, 64 + 8, 0, 0 },
	  { 0x0123456789abcdef, 64 + 8, 0x23456789abcdef00, 0 } },
	{ "andn (a VEX instruction)",
	  guest_andn,
	  guest_andn_end,
	  { 0, LEAF7_EBX_BMI1 },
	  { 0xffff0000ffff0000, 0x0123456789abcdef, 0, 0 },
	  { 0xffff0000ffff0000, 0x0123456789abcdef, 0x000045670000cdef, 0 } },
	{ "vpaddq (an AVX instruction)",
	  guest_avx,
	  guest_avx_end,
	  { LEAF1_ECX_AVX | LEAF1_ECX_XSAVE, 0 },
	  { HIGH | 5, 7, HIGH | 6, 0xffffffff },
	  { HIGH | 5, 7, 11, UINT64_C(0x100000006) } },
};

static bool offered(const struct guest_features *f, const struct check *c)
{
	return (f->leaf1_ecx & c->needs.leaf1_ecx) == c->needs.leaf1_ecx &&
	       (f->leaf7_ebx & c->needs.leaf7_ebx) == c->needs.leaf7_ebx;
}

/* The i-th of the checks that are offered, or NULL. */
static const struct check *find_check(const struct guest_features *f, size_t i)
{
	for (size_t k = 0; k < ARRAY_SIZE(checks); k++) {
		if (offered(f, &checks[k]) && i-- == 0)
			return &checks[k];
	}
	return NULL;
}

size_t guest_checks(const struct guest_features *f)
{
	size_t n = 0;

	while (find_check(f, n))
		n++;
	return n;
}

const char *guest_check_name(const struct guest_features *f, size_t i)
{
	return find_check(f, i)->name;
}

bool guest_check_passed(const struct guest_features *f, const void *memory, size_t i)
{
	const struct check *c = find_check(f, i);
	const uint8_t *left = (const uint8_t *)memory + GUEST_OPERANDS + i * sizeof(c->operands);

	return memcmp(left, c->results, sizeof(c->results)) == 0;
}

bool guest_needs_avx(const struct guest_features *f)
{
	const uint32_t needed = LEAF1_ECX_AVX | LEAF1_ECX_XSAVE;

	return (f->leaf1_ecx & needed) == needed;
}

static void put_u64(uint8_t *memory, size_t address, uint64_t value)
{
	memcpy(memory + address, &value, sizeof(value));
}

/* One page of 2 MB at address 0: more than the guest has. */
static void map_memory(uint8_t *memory)
{
	enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };

	put_u64(memory, GUEST_PML4, GUEST_PDPT | PRESENT | WRITABLE);
	put_u64(memory, GUEST_PDPT, GUEST_PD | PRESENT | WRITABLE);
	put_u64(memory, GUEST_PD, PRESENT | WRITABLE | LARGE);
}

static uint8_t *put_code(uint8_t *to, const uint8_t *code, size_t len)
{
	memcpy(to, code, len);
	return to + len;
}

static uint8_t *put_announcement(uint8_t *to, size_t i)
{
	uint8_t *end = put_code(to, announce, sizeof(announce));

	to[1] = (uint8_t)i;
	return end;
}

void guest_prepare_question(void *memory)
{
	map_memory(memory);
	put_code((uint8_t *)memory + GUEST_CODE, guest_question, (size_t)(guest_question_end - guest_question));
}

struct guest_features guest_answer(const void *memory)
{
	struct answer a;

	memcpy(&a, (const uint8_t *)memory + GUEST_OPERANDS, sizeof(a));
	return (struct guest_features){ a.leaf1_ecx, a.leaves >= 7 ? a.leaf7_ebx : 0 };
}

void guest_prepare_checks(const struct guest_features *f, void *memory)
{
	uint8_t *to = (uint8_t *)memory + GUEST_CODE, *operands = (uint8_t *)memory + GUEST_OPERANDS;
	const struct check *c;
	size_t i = 0;

	for (; (c = find_check(f, i)); i++) {
		to = put_announcement(to, i);
		to = put_code(to, c->code, (size_t)(c->end - c->code));
		to = put_code(to, next_operands, sizeof(next_operands));
		memcpy(operands + i * sizeof(c->operands), c->operands, sizeof(c->operands));
	}
	to = put_announcement(to, i);
	put_code(to, halt, sizeof(halt));
}

#endif
