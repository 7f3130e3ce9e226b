/*
 * Fuzzes the unwinder: stacks of damaged words, over the call frame information of this very program. Input: pieces of 8
 * bytes, the first ones registers, the others words of the stacks, from the task's upper end down and then of the interrupt
 * stack. The highest byte says what a word is made: 0 to 3 an address of this program's code, 4 to 7 one in the task's
 * stack, 8 and 9 one in the interrupt stack, 10 a code segment; else it stays as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/limits.h"
#include "kernel/stack.h"
#include "tests/unit/fake_stack.h"

enum { WORD = 8, REGISTERS = 8, CODE_SIZE = 1 << 20, ORC_IPS = 0x14000, ORC_ENTRIES = 0x15000, ORC_N = 64 };

#define SLIDE (UINT64_C(0xffffffff81000000) - 0x400000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t make_word(const struct fake_kernel *f, const uint8_t *piece)
{
	uint64_t value;

	memcpy(&value, piece, sizeof(value));
	switch (piece[7]) {
	case 0 ... 3:
		return UINT64_C(0xffffffff81000000) + value % CODE_SIZE;
	case 4 ... 7:
		return fake_direct(f, FAKE_STACK) + value % FAKE_STACK_SIZE;
	case 8 ... 9:
		return fake_direct(f, FAKE_PER_CPU + FAKE_IRQ_STACK) + value % FAKE_IRQ_STACK_SIZE;
	case 10:
		return value & 1 ? 0x10 : 0x33;
	default:
		return value;
	}
}

/* The same bytes as ORC tables, every other time. */
static void make_orc(struct fake_kernel *f, const uint8_t *data, size_t size)
{
	if (!size || !(data[0] & 1))
		return;
	fake_symbol(f, FACT_ORC_START, ORC_ENTRIES, 0);
	fake_symbol(f, FACT_ORC_IP_START, ORC_IPS, 0);
	fake_symbol(f, FACT_ORC_IP_END, ORC_IPS + ORC_N * 4, 0);
	fake_type(f, FACT_ORC_ENTRY, 6);
	fake_member(f, FACT_ORC_SP_OFFSET, 0, 2);
	fake_member(f, FACT_ORC_BP_OFFSET, 2, 2);
	fake_member(f, FACT_ORC_SP_REG, 4, 4);
	fake_member(f, FACT_ORC_BP_REG, 4, 4);
	f->facts[FACT_ORC_SP_REG].bit_size = f->facts[FACT_ORC_BP_REG].bit_size = 4;
	f->facts[FACT_ORC_BP_REG].bit_offset = 4;
	fake_member(f, FACT_ORC_TYPE, 5, 4);
	f->facts[FACT_ORC_TYPE].bit_size = 3;
	if (data[0] & 2) {
		fake_member(f, FACT_ORC_IS_END, 5, 4);
		f->facts[FACT_ORC_IS_END].bit_offset = 3;
		f->facts[FACT_ORC_IS_END].bit_size = 1;
	}
	for (size_t i = 0; i < ORC_N; i++) {
		uint64_t from = UINT64_C(0xffffffff81000000) + i * (CODE_SIZE / ORC_N);

		fake_put32(f, ORC_IPS + 4 * i, (uint32_t)(from - (FAKE_TEXT + f->slide + ORC_IPS + 4 * i)));
	}
	memcpy(f->image + ORC_ENTRIES, data, size < (size_t)ORC_N * 6 ? size : (size_t)ORC_N * 6);
}

static void check(const struct stack *s)
{
	if (s->n > LIMIT_STACK_FRAMES || (s->end == STACK_END_LOST) != (s->why != NULL))
		abort();
}

static void read_stacks(const struct kernel *k, struct symbolizer *symbolizer, uint64_t address,
			const struct cpu_registers *r)
{
	struct stack s = STACK_INIT;
	struct task t;
	struct err *e;

	task_read(k, address, &t);
	e = stack_read(k, symbolizer, &t, &s);
	if (!e)
		check(&s);
	err_ignore(e);
	stack_deinit(&s);
	e = stack_read_cpu(k, symbolizer, 0, r, &s);
	if (!e)
		check(&s);
	err_ignore(e);
	stack_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct symbolizer *symbolizer;
	_cleanup_(free) struct fake_kernel *f = fake_create(0x400000, 0x200000);
	struct cpu_registers r = { .cs = 0x10 };
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	_cleanup_(mem_destroy) struct mem *m = NULL;
	size_t task = fake_process(f, "fuzzed"), n = size / WORD;
	struct err *e = symbolizer ? NULL : symbolizer_create("/proc/self/exe", SLIDE, &symbolizer);

	if (e)
		abort();
	fake_stacks(f, task);
	for (size_t i = 0; i < n && i < REGISTERS; i++) {
		static const enum register_number numbers[REGISTERS] = { REGISTER_RIP, REGISTER_RSP, REGISTER_RBP,
									 REGISTER_RBX, REGISTER_R12, REGISTER_R13,
									 REGISTER_R10, REGISTER_RDI };

		register_set(&r.r, numbers[i], make_word(f, data + i * WORD));
	}
	fake_put64(f, task + FAKE_TASK_SP, r.r.values[REGISTER_RSP]);
	for (size_t i = REGISTERS; i < n; i++) {
		size_t at = (i - REGISTERS + 1) * WORD, word = FAKE_STACK + FAKE_STACK_SIZE - at;

		if (at > FAKE_STACK_SIZE)
			word = FAKE_PER_CPU + FAKE_IRQ_STACK + FAKE_IRQ_STACK_SIZE - (at - FAKE_STACK_SIZE);
		if (at <= FAKE_STACK_SIZE + FAKE_IRQ_STACK_SIZE)
			fake_put64(f, word, make_word(f, data + i * WORD));
	}
	make_orc(f, data, size);
	m = fake_mem(f);
	e = kernel_open(m, FAKE_BUILD_ID, f->facts, &k);
	if (!e)
		read_stacks(k, symbolizer, fake_direct(f, task), &r);
	err_ignore(e);
	return 0;
}
