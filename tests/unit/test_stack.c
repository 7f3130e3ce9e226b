/*
 * check: no valgrind: it does not know pidfd_open(2)
 *
 * Stacks built by hand, of functions whose frames are known since they are written in assembler.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "debuginfo/symbols.h"
#include "kernel/cpu.h"
#include "kernel/limits.h"
#include "kernel/stack.h"
#include "tests/unit/compile.h"
#include "tests/unit/fake_stack.h"

/* entry has no call frame information, as the kernel's own entry code; nor has leaf. */
static const char program[] = "__asm__(\".cfi_sections .debug_frame\\n\"\n"
			      "\".globl entry, outer, inner, leaf\\n\"\n"
			      "\".type entry, @function\\n.type outer, @function\\n\"\n"
			      "\".type inner, @function\\n.type leaf, @function\\n\"\n"
			      "\"entry: call outer\\n nop\\n ret\\n.size entry, .-entry\\n\"\n"
			      "\"outer: .cfi_startproc\\n push %rbp\\n .cfi_def_cfa_offset 16\\n\"\n"
			      "\" .cfi_offset %rbp, -16\\n mov %rsp, %rbp\\n .cfi_def_cfa_register %rbp\\n\"\n"
			      "\" sub $16, %rsp\\n call inner\\n nop\\n leave\\n .cfi_def_cfa %rsp, 8\\n ret\\n\"\n"
			      "\" .cfi_endproc\\n.size outer, .-outer\\n\"\n"
			      "\"inner: .cfi_startproc\\n push %rbx\\n .cfi_def_cfa_offset 16\\n\"\n"
			      "\" .cfi_offset %rbx, -16\\n call leaf\\n pop %rbx\\n .cfi_def_cfa_offset 8\\n ret\\n\"\n"
			      "\" .cfi_endproc\\n.size inner, .-inner\\n\"\n"
			      "\"leaf: nop\\n ret\\n.size leaf, .-leaf\\n\");\n"
			      "int variable;\n";

/* Where calls in them return to, and a place in each. */
enum { IN_ENTRY = 5, IN_OUTER = 13, IN_OUTER_BEFORE = 8, IN_INNER = 6, IN_INNER_BEFORE = 1, IN_LEAF = 1 };
/* Where the code is in the fake image, and the stack's end. */
enum { CODE = 0x16000, TOP = FAKE_STACK + FAKE_STACK_SIZE, REGS = TOP - FAKE_REGS_SIZE };

struct fixture {
	char *folder;
	struct fake_kernel *f;
	struct mem *mem;
	struct kernel *k;
	struct symbolizer *symbolizer;
	uint64_t entry, outer, inner, leaf; /* in the guest */
	struct task task;
	size_t task_at;
};

static uint64_t address_of(const struct symbols *symbols, const char *name)
{
	uint64_t address = 0;

	assert_true(symbols_find_function(symbols, name, &address));
	return address;
}

static void open_code(struct fixture *x)
{
	_cleanup_(free) char *source = xasprintf("%s/main.c", x->folder), *path = xasprintf("%s/out", x->folder);
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;
	const char *cc = getenv("CC");
	const char *const argv[] = { cc ? cc : "cc", "-g", "-nostdlib", "-static", "-fno-asynchronous-unwind-tables",
				     "-Wl,-e,entry", "-o", "out",       "main.c",  NULL };
	uint64_t slide;

	assert_null(write_file_atomic(source, program, sizeof(program) - 1, 0600));
	assert_null(process_run(argv, x->folder, NULL, NULL));
	assert_null(symbols_open(path, &symbols));
	slide = FAKE_TEXT + x->f->slide + CODE - address_of(symbols, "entry");
	x->entry = address_of(symbols, "entry") + slide;
	x->outer = address_of(symbols, "outer") + slide;
	x->inner = address_of(symbols, "inner") + slide;
	x->leaf = address_of(symbols, "leaf") + slide;
	assert_null(symbolizer_create(path, slide, &x->symbolizer));
}

static uint64_t stack_address(const struct fixture *x, size_t at)
{
	return fake_direct(x->f, at);
}

/* A system call: entry called outer, that called inner, and that __switch_to_asm(). */
static void build_stack(struct fixture *x)
{
	struct fake_kernel *f = x->f;
	size_t sp = TOP - 272;

	fake_put64(f, REGS + FAKE_REGS_ORIG_RAX, 39);
	fake_put64(f, REGS + FAKE_REGS_RIP, 0x401234);
	fake_put64(f, REGS + FAKE_REGS_RSP, 0x7ffe0000);
	fake_put64(f, REGS + FAKE_REGS_CS, 0x33);
	fake_put64(f, TOP - 176, x->entry + IN_ENTRY);
	fake_put64(f, TOP - 184, 0); /* rbp */
	fake_put64(f, TOP - 208, x->outer + IN_OUTER);
	fake_put64(f, TOP - 216, 0x1234); /* rbx */
	fake_put64(f, sp + FAKE_INACTIVE_RBP, stack_address(x, TOP - 184));
	fake_put64(f, sp + FAKE_INACTIVE_RIP, x->inner + IN_INNER);
	fake_put64(f, x->task_at + FAKE_TASK_SP, stack_address(x, sp));
}

static int setup(void **state)
{
	struct fixture *x = xcalloc(1, sizeof(*x));

	x->folder = make_test_folder();
	x->f = fake_create(0x400000, 0x200000);
	x->task_at = fake_process(x->f, "sleeper");
	fake_stacks(x->f, x->task_at);
	open_code(x);
	build_stack(x);
	x->mem = fake_mem(x->f);
	assert_null(kernel_open(x->mem, FAKE_BUILD_ID, x->f->facts, &x->k));
	task_read(x->k, fake_direct(x->f, x->task_at), &x->task);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	symbolizer_destroy(x->symbolizer);
	kernel_destroy(x->k);
	mem_destroy(x->mem);
	free(x->f);
	assert_null(remove_tree(x->folder));
	free(x->folder);
	free(x);
	return 0;
}

/* With other facts, which a kernel takes when it is opened. */
static void open_again(struct fixture *x)
{
	kernel_destroy(x->k);
	assert_null(kernel_open(x->mem, FAKE_BUILD_ID, x->f->facts, &x->k));
}

static void expect_frames(const struct stack *s, const uint64_t *pcs, size_t n)
{
	assert_int_equal(s->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s->frames[i].pc, pcs[i]);
}

static void read_task(const struct fixture *x, struct stack *ret)
{
	assert_null(stack_read(x->k, x->symbolizer, &x->task, ret));
}

static void a_sleeping_task(void **state)
{
	struct fixture *x = *state;
	const uint64_t pcs[] = { x->inner + IN_INNER, x->outer + IN_OUTER, x->entry + IN_ENTRY };
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;

	read_task(x, &s);
	expect_frames(&s, pcs, ARRAY_SIZE(pcs));
	assert_int_equal(s.end, STACK_END_USER);
	assert_int_equal(s.syscall, 39);
	assert_int_equal(s.user_pc, 0x401234);
	assert_int_equal(s.user_sp, 0x7ffe0000);
	assert_int_equal(s.user_regs, stack_address(x, REGS));
	assert_int_equal(s.frames[1].sp, stack_address(x, TOP - 200));
	assert_true(s.frames[0].is_return && s.frames[0].reliable);
	assert_string_equal(s.frames[0].on, "task");
}

/* It has registers at the end of its stack as well, but nothing in them. */
static void a_kernel_thread(void **state)
{
	struct fixture *x = *state;
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;

	fake_put64(x->f, REGS + FAKE_REGS_CS, 0);
	read_task(x, &s);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.end, STACK_END_START);
}

static void one_that_never_ran_begins_at_a_function(void **state)
{
	struct fixture *x = *state;
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;
	size_t sp = REGS - FAKE_INACTIVE_SIZE;

	fake_put64(x->f, x->task_at + FAKE_TASK_SP, stack_address(x, sp));
	fake_put64(x->f, sp + FAKE_INACTIVE_RIP, x->entry);
	fake_put64(x->f, sp + FAKE_INACTIVE_RBP, stack_address(x, REGS) | 1);
	read_task(x, &s);
	expect_frames(&s, &x->entry, 1);
	assert_false(s.frames[0].is_return);
	assert_int_equal(s.end, STACK_END_USER);
}

static void tasks_without_a_stack_to_read(void **state)
{
	struct fixture *x = *state;
	struct stack s = STACK_INIT;

	fake_put32(x->f, x->task_at + FAKE_TASK_ON_CPU, 1);
	read_task(x, &s);
	assert_int_equal(s.end, STACK_END_RUNNING);
	fake_put32(x->f, x->task_at + FAKE_TASK_ON_CPU, 0);
	fake_put64(x->f, x->task_at + FAKE_TASK_SP, stack_address(x, FAKE_STACK - 8));
	read_task(x, &s);
	assert_int_equal(s.end, STACK_END_LOST);
	assert_non_null(s.why);
	fake_put64(x->f, x->task_at + FAKE_TASK_STACK, 0);
	read_task(x, &s);
	assert_int_equal(s.end, STACK_END_GONE);
	assert_int_equal(s.n, 0);
	x->f->facts[FACT_REGS].found = false;
	open_again(x);
	_cleanup_(err_destroy) struct err *e = stack_read(x->k, x->symbolizer, &x->task, &s);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
}

static void damaged_stacks_end(void **state)
{
	struct fixture *x = *state;
	/* What inner's caller is, in its place; the frame pointer there. */
	const uint64_t bad[][2] = {
		{ 0, 0 },
		{ x->outer + IN_OUTER, stack_address(x, FAKE_STACK) },   /* downwards */
		{ x->outer + IN_OUTER, 0xffffffffdeadbee0 },             /* elsewhere */
		{ x->outer + IN_OUTER, stack_address(x, TOP - 8) },      /* beyond the end */
		{ x->entry + IN_ENTRY, stack_address(x, TOP - 200) },    /* no pt_regs, no frame */
		{ x->entry + IN_ENTRY, stack_address(x, TOP - 80) | 1 }, /* pt_regs that don't fit */
		{ 0x401000, 0 },
		{ 0xffffffffa0001234, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(stack_deinit) struct stack s = STACK_INIT;

		fake_put64(x->f, TOP - 208, bad[i][0]);
		fake_put64(x->f, TOP - 272 + FAKE_INACTIVE_RBP, bad[i][1]);
		read_task(x, &s);
		assert_in_range(s.n, 1, 4);
		assert_int_equal(s.end, STACK_END_LOST);
		assert_non_null(s.why);
	}
}

/* A frame pointer that leads on by two words each time: as many frames as there is room for, and no more. */
static void a_chain_is_followed_to_the_end_of_the_stack(void **state)
{
	struct fixture *x = *state;
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;

	for (size_t at = FAKE_STACK + 0x200; at < TOP; at += 16) {
		fake_put64(x->f, at, stack_address(x, at + 16));
		fake_put64(x->f, at + 8, x->entry + IN_ENTRY);
	}
	fake_put64(x->f, x->task_at + FAKE_TASK_SP, stack_address(x, FAKE_STACK + 0x100));
	fake_put64(x->f, FAKE_STACK + 0x100 + FAKE_INACTIVE_RBP, stack_address(x, FAKE_STACK + 0x200));
	fake_put64(x->f, FAKE_STACK + 0x100 + FAKE_INACTIVE_RIP, x->entry + IN_ENTRY);
	read_task(x, &s);
	assert_in_range(s.n, 100, FAKE_STACK_SIZE / 16);
}

/* --- CPUs --- */

static void put_interrupted(struct fixture *x, size_t at, uint64_t rip, uint64_t rsp, uint64_t rbp)
{
	fake_put64(x->f, at + FAKE_REGS_RIP, rip);
	fake_put64(x->f, at + FAKE_REGS_CS, 0x10);
	fake_put64(x->f, at + FAKE_REGS_RSP, rsp);
	fake_put64(x->f, at + FAKE_REGS_RBP, rbp);
}

static struct cpu_registers registers(uint64_t rip, uint64_t rsp, uint64_t rbp)
{
	struct cpu_registers r = { .cs = 0x10 };

	register_set(&r.r, REGISTER_RIP, rip);
	register_set(&r.r, REGISTER_RSP, rsp);
	register_set(&r.r, REGISTER_RBP, rbp);
	register_set(&r.r, REGISTER_RBX, 1);
	return r;
}

static void an_interrupt_is_crossed(void **state)
{
	struct fixture *x = *state;
	size_t irq = FAKE_PER_CPU + FAKE_IRQ_STACK + FAKE_IRQ_STACK_SIZE - 64, regs = TOP - 400;
	const struct cpu_registers r = registers(x->inner + IN_INNER_BEFORE, stack_address(x, irq),
						 stack_address(x, regs) | 1);
	const uint64_t pcs[] = { x->inner + IN_INNER_BEFORE, x->entry + IN_ENTRY, x->outer + IN_OUTER_BEFORE,
				 x->entry + IN_ENTRY };
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;

	fake_put64(x->f, irq + 8, x->entry + IN_ENTRY);
	put_interrupted(x, regs, x->outer + IN_OUTER_BEFORE, stack_address(x, TOP - 200), stack_address(x, TOP - 184));
	assert_true(cpu_has_stack(x->k, 0, stack_address(x, irq)));
	assert_true(cpu_has_stack(x->k, 0, stack_address(x, regs)));
	assert_false(cpu_has_stack(x->k, 1, stack_address(x, irq)));
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	expect_frames(&s, pcs, ARRAY_SIZE(pcs));
	assert_int_equal(s.end, STACK_END_USER);
	assert_string_equal(s.frames[1].on, "IRQ");
	assert_string_equal(s.frames[2].on, "task");
	assert_int_equal(s.frames[2].regs, stack_address(x, regs));
	assert_int_equal(s.frames[1].regs, 0);
	assert_false(s.frames[2].is_return);
	assert_true(s.frames[3].is_return);
}

/* Registers that lead back to the stack that one comes from. */
static void stacks_are_left_once(void **state)
{
	struct fixture *x = *state;
	size_t irq = FAKE_PER_CPU + FAKE_IRQ_STACK, regs = TOP - 400;
	const struct cpu_registers r = registers(x->entry + 1, stack_address(x, irq + 0x200),
						 stack_address(x, regs) | 1);
	_cleanup_(stack_deinit) struct stack s = STACK_INIT;

	put_interrupted(x, regs, x->entry + 1, stack_address(x, TOP - 100), stack_address(x, irq) | 1);
	put_interrupted(x, irq, x->entry + 1, stack_address(x, irq + 0x300), stack_address(x, regs) | 1);
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.end, STACK_END_LOST);
}

/* Code of assembler that was interrupted: what is on top of the stack is a guess, which its end confirms or doesn't. */
static void a_leaf_is_guessed(void **state)
{
	struct fixture *x = *state;
	const struct cpu_registers r = registers(x->leaf + IN_LEAF, stack_address(x, TOP - 224),
						 stack_address(x, TOP - 184));
	const uint64_t pcs[] = { x->leaf + IN_LEAF, x->inner + IN_INNER, x->outer + IN_OUTER, x->entry + IN_ENTRY };
	struct stack s = STACK_INIT;
	size_t call = CODE + (size_t)(x->inner - x->entry) + IN_INNER - 5;

	fake_put64(x->f, TOP - 224, x->inner + IN_INNER);
	/* Where there is no call, nothing returns to. */
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	assert_int_equal(s.frames[1].pc, x->entry + IN_ENTRY);
	stack_deinit(&s);
	x->f->image[call] = 0xe8;
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	expect_frames(&s, pcs, ARRAY_SIZE(pcs));
	assert_int_equal(s.end, STACK_END_USER);
	assert_true(s.frames[1].reliable);
	stack_deinit(&s);
	fake_put64(x->f, TOP - 176, 0);
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	assert_int_equal(s.end, STACK_END_LOST);
	assert_true(s.frames[0].reliable);
	assert_false(s.frames[1].reliable);
	stack_deinit(&s);
}

static void cpus_elsewhere(void **state)
{
	struct fixture *x = *state;
	struct cpu_registers r = registers(0x401000, 0x7ffe0000, 0);
	struct stack s = STACK_INIT;

	r.cs = 0x33;
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	assert_int_equal(s.n, 0);
	assert_int_equal(s.end, STACK_END_USER);
	assert_int_equal(s.user_pc, 0x401000);
	r.cs = 0x10;
	assert_null(stack_read_cpu(x->k, x->symbolizer, 0, &r, &s));
	assert_int_equal(s.n, 1);
	assert_int_equal(s.end, STACK_END_LOST);
	stack_deinit(&s);
}

/* --- ORC --- */

enum { ORC_IPS = 0x14000, ORC_ENTRIES = 0x14100, ENTRY_BYTES = 6 };

/* An entry for code from an address on. The bits: sp_reg and bp_reg of four, then the type. */
static void put_orc(struct fixture *x, size_t i, uint64_t from, int16_t sp_offset, int16_t bp_offset, uint16_t bits)
{
	size_t at = ORC_ENTRIES + i * ENTRY_BYTES;

	fake_put32(x->f, ORC_IPS + 4 * i, (uint32_t)(from - (FAKE_TEXT + x->f->slide + ORC_IPS + 4 * i)));
	memcpy(x->f->image + at, &sp_offset, 2);
	memcpy(x->f->image + at + 2, &bp_offset, 2);
	memcpy(x->f->image + at + 4, &bits, 2);
}

static void fact_of_bits(struct fixture *x, enum kernel_fact f, uint16_t offset, uint16_t size)
{
	/* Their type is an int, which is larger than what is left of the struct. */
	fake_member(x->f, f, 4 + offset / 8, 4);
	x->f->facts[f].bit_offset = offset % 8;
	x->f->facts[f].bit_size = size;
}

static void facts_of_orc(struct fixture *x, bool old)
{
	fake_symbol(x->f, FACT_ORC_START, ORC_ENTRIES, 0);
	fake_symbol(x->f, FACT_ORC_IP_START, ORC_IPS, 0);
	fake_symbol(x->f, FACT_ORC_IP_END, ORC_IPS + 5 * 4, 0);
	fake_type(x->f, FACT_ORC_ENTRY, ENTRY_BYTES);
	fake_member(x->f, FACT_ORC_SP_OFFSET, 0, 2);
	fake_member(x->f, FACT_ORC_BP_OFFSET, 2, 2);
	fact_of_bits(x, FACT_ORC_SP_REG, 0, 4);
	fact_of_bits(x, FACT_ORC_BP_REG, 4, 4);
	fact_of_bits(x, FACT_ORC_TYPE, 8, old ? 2 : 3);
	x->f->facts[FACT_ORC_IS_END].found = false;
	if (old)
		fact_of_bits(x, FACT_ORC_IS_END, 10, 1);
}

enum { ORC_SP = 5, ORC_BP = 4, ORC_BP_ON_STACK = 1 << 4 };

static void orc_is_followed(struct fixture *x, bool old)
{
	const uint64_t pcs[] = { x->inner + IN_INNER, x->outer + IN_OUTER, x->entry + IN_ENTRY };
	/* Types were one more than two less. */
	const uint16_t call = (uint16_t)((old ? 0 : 2) << 8), regs = (uint16_t)((old ? 1 : 3) << 8);
	struct stack s = STACK_INIT;

	facts_of_orc(x, old);
	put_orc(x, 0, x->entry, 0, 0, ORC_SP | regs);
	put_orc(x, 1, x->outer, 16, -16, ORC_BP | ORC_BP_ON_STACK | call);
	put_orc(x, 2, x->inner, 16, 0, ORC_SP | call);
	put_orc(x, 3, x->leaf, 8, 0, ORC_SP | call);
	put_orc(x, 4, x->leaf + 2, 0, 0, 0);
	open_again(x);
	/* Not what call frame information and frame pointers would need. */
	fake_put64(x->f, TOP - 184, stack_address(x, FAKE_STACK));
	read_task(x, &s);
	expect_frames(&s, pcs, ARRAY_SIZE(pcs));
	assert_int_equal(s.end, STACK_END_USER);
	stack_deinit(&s);
	put_orc(x, 0, x->entry, 0, 0, old ? 1 << 10 : 1 << 8);
	read_task(x, &s);
	expect_frames(&s, pcs, ARRAY_SIZE(pcs));
	assert_int_equal(s.end, STACK_END_START);
	stack_deinit(&s);
	put_orc(x, 1, x->outer, 16, -16, 9 | ORC_BP_ON_STACK | call);
	read_task(x, &s);
	assert_int_equal(s.end, STACK_END_LOST);
	stack_deinit(&s);
}

static void orc_as_it_is(void **state)
{
	orc_is_followed(*state, false);
}

static void orc_as_it_was(void **state)
{
	orc_is_followed(*state, true);
}

/* Without call frame information: inner is the scheduler's. */
static void where_it_sleeps(void **state)
{
	struct fixture *x = *state;
	uint64_t text = FAKE_TEXT + x->f->slide, address = 0;

	facts_of_orc(x, false);
	put_orc(x, 0, x->entry, 0, 0, ORC_SP | 3 << 8);
	put_orc(x, 1, x->outer, 16, -16, ORC_BP | ORC_BP_ON_STACK | 2 << 8);
	put_orc(x, 2, x->inner, 16, 0, ORC_SP | 2 << 8);
	put_orc(x, 3, x->leaf, 8, 0, ORC_SP | 2 << 8);
	put_orc(x, 4, x->leaf + 2, 0, 0, 0);
	fake_symbol(x->f, FACT_SCHED_TEXT_START, x->inner - text, 0);
	fake_symbol(x->f, FACT_SCHED_TEXT_END, x->leaf - text, 0);
	open_again(x);
	task_read(x->k, x->task.address, &x->task);
	x->task.state = 'S';
	x->task.known |= TASK_KNOWS_STATE;
	assert_true(task_sleeps_in(x->k, &x->task, &address));
	assert_int_equal(address, x->outer + IN_OUTER);
	/* Both of them are. */
	fake_symbol(x->f, FACT_SCHED_TEXT_START, x->outer - text, 0);
	open_again(x);
	assert_true(task_sleeps_in(x->k, &x->task, &address));
	assert_int_equal(address, x->entry + IN_ENTRY);
	fake_symbol(x->f, FACT_SCHED_TEXT_START, x->entry - text, 0);
	open_again(x);
	assert_false(task_sleeps_in(x->k, &x->task, &address));
	/* It runs, whatever its state was. */
	fake_symbol(x->f, FACT_SCHED_TEXT_START, x->inner - text, 0);
	open_again(x);
	assert_true(task_sleeps_in(x->k, &x->task, &address));
	fake_put32(x->f, x->task_at + FAKE_TASK_ON_CPU, 1);
	assert_false(task_sleeps_in(x->k, &x->task, &address));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sleeping_task),
		TEST(a_kernel_thread),
		TEST(one_that_never_ran_begins_at_a_function),
		TEST(tasks_without_a_stack_to_read),
		TEST(damaged_stacks_end),
		TEST(a_chain_is_followed_to_the_end_of_the_stack),
		TEST(an_interrupt_is_crossed),
		TEST(stacks_are_left_once),
		TEST(a_leaf_is_guessed),
		TEST(cpus_elsewhere),
		TEST(orc_as_it_is),
		TEST(orc_as_it_was),
		TEST(where_it_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
