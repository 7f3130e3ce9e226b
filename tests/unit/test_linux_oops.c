/*
 * Stops where the kernel says that something went wrong, on a kernel and a machine made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target/linux.h"
#include "tests/unit/fake_cpus.h"
#include "tests/unit/fake_stack.h"

/* Functions of the kernel, what it says, and the registers of a culprit. */
enum { DIE = 0x400, DIE_INNER = 0x420, DIE_ADDRESS = 0x440, PANIC = 0x460, WARN = 0x480, ELSEWHERE = 0x600 };
enum { TEXT = 0x2b000, TEXT_2 = 0x2b200, REGS = 0x2b400, STACK = 0x2b800, CODE = 0x2b900 };
enum { SIGNAL_ILL = 4, SIGNAL_TRAP = 5, SIGNAL_ABRT = 6, SIGNAL_SEGV = 11, CULPRIT = 9000000 };

struct fixture {
	struct fake_kernel *f;
	struct mem *mem;
	struct fake_cpus *m;
	struct target *t;
	struct target_event e;
};

static struct err *facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	const struct fixture *x = user;

	memcpy(ret, x->f->facts, sizeof(x->f->facts));
	return NULL;
}

static void expect_code(struct err *e, enum err_code code)
{
	assert_int_equal(err_code(e), code);
	err_destroy(e);
}

static uint64_t at(size_t offset)
{
	return FAKE_TEXT + offset;
}

static void put_text(struct fixture *x, size_t where, const char *text)
{
	memcpy(x->f->image + where, text, strlen(text) + 1);
}

static void make_target(struct fixture *x, const char *stop_on)
{
	const struct linux_params params = {
		.mem = fake_mem(x->f),
		.build_id = FAKE_BUILD_ID,
		.stop_on = stop_on,
		.facts = facts,
		.user = x,
	};

	target_destroy(x->t);
	x->m = fake_cpus_create(2, x->mem);
	x->t = linux_target_create(&params, &x->m->target);
	fake_cpus_set(x->m, 1, "gs_base", fake_direct(x->f, FAKE_PER_CPU));
	fake_cpus_set(x->m, 2, "gs_base", fake_direct(x->f, FAKE_PER_CPU + 0x1000));
}

static void go(struct fixture *x)
{
	assert_null(target_resume(x->t, &(struct target_resume){ 0 }));
}

static int setup(void **state)
{
	struct fixture *x = xcalloc(1, sizeof(*x));
	struct kernel *k;
	size_t task;

	x->f = fake_create(0x400000, 0);
	task = fake_process(x->f, "insmod");
	fake_stacks(x->f, task);
	fake_put64(x->f, FAKE_PER_CPU + 0x1000 + FAKE_CPU_CURRENT, fake_direct(x->f, task));
	fake_symbol(x->f, FACT_DIE, DIE, 0x20);
	fake_symbol(x->f, FACT_DIE_INNER, DIE_INNER, 0x20);
	fake_symbol(x->f, FACT_DIE_ADDRESS, DIE_ADDRESS, 0x20);
	fake_symbol(x->f, FACT_PANIC, PANIC, 0x20);
	fake_symbol(x->f, FACT_WARN, WARN, 0x20);
	fake_put64(x->f, REGS + FAKE_REGS_RIP, at(CODE));
	fake_put64(x->f, REGS + FAKE_REGS_RSP, at(STACK) + 0x40);
	fake_put64(x->f, REGS + FAKE_REGS_RBP, 0xbbb);
	fake_put64(x->f, REGS + FAKE_REGS_CS, 0x10);
	fake_put64(x->f, STACK, at(ELSEWHERE));
	x->mem = fake_mem(x->f);
	if (kernel_open(x->mem, FAKE_BUILD_ID, x->f->facts, &k))
		return -1;
	kernel_destroy(k);
	make_target(x, "oops,panic,warn");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	target_event_deinit(&x->e);
	target_destroy(x->t);
	mem_destroy(x->mem);
	free(x->f);
	free(x);
	return 0;
}

/* CPU 2 comes to the function with these arguments; x->e is what the client hears of. */
static void call(struct fixture *x, size_t function, const uint64_t arguments[6])
{
	static const char *const names[] = { "rdi", "rsi", "rdx", "rcx", "r8", "r9" };

	go(x);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fake_cpus_set(x->m, 2, names[i], arguments[i]);
	fake_cpus_set(x->m, 2, "rip", at(function));
	fake_cpus_set(x->m, 2, "rsp", at(STACK));
	x->m->event = (struct target_event){
		.kind = TARGET_EVENT_STOP, .reason = TARGET_REASON_BREAKPOINT, .thread = 2, .signo = SIGNAL_TRAP
	};
	target_event_deinit(&x->e);
	assert_null(target_next_event(x->t, &x->e));
}

static void dies(struct fixture *x, size_t function, const char *what, uint64_t regs)
{
	put_text(x, TEXT, what);
	call(x, function, (uint64_t[6]){ at(TEXT), regs, 2 });
}

static void expect(const struct fixture *x, unsigned int signo, const char *message)
{
	assert_int_equal(x->e.kind, TARGET_EVENT_STOP);
	assert_int_equal(x->e.reason, TARGET_REASON_SIGNAL);
	assert_int_equal(x->e.thread, 2);
	assert_int_equal(x->e.signo, signo);
	assert_string_equal(x->e.message, message);
}

static void expect_none(const struct fixture *x)
{
	assert_int_equal(x->e.kind, TARGET_EVENT_NONE);
	assert_int_equal(x->m->how.over, 2);
}

static void log_line(struct fixture *x, const char *text)
{
	fake_record(x->f, 1, text, strlen(text), 2);
}

/* --- What is told --- */

static void an_oops_is_told_by_the_log(void **state)
{
	struct fixture *x = *state;

	log_line(x, "BUG: an older one");
	log_line(x, "BUG: kernel NULL pointer dereference, address: 0000000000000010");
	log_line(x, "#PF: supervisor write access in kernel mode");
	dies(x, DIE_INNER, "Oops", at(REGS));
	expect(x, SIGNAL_SEGV,
	       "oops: BUG: kernel NULL pointer dereference, address: 0000000000000010, in 0xffffffff8022b900; the "
	       "registers there are those of the thread \"oops: ...\"");
	/* The kernel goes on with it. */
	go(x);
	assert_int_equal(x->m->how.over, 2);
	assert_int_equal(x->m->how.signo, 0);
}

static void else_by_what_it_says(void **state)
{
	struct fixture *x = *state;

	log_line(x, "BUG: of something else");
	dies(x, DIE_ADDRESS, "general protection fault\x1b[2J, maybe for address 0x8", at(REGS));
	assert_int_equal(x->e.signo, SIGNAL_SEGV);
	assert_non_null(strstr(x->e.message, "oops: general protection fault\\x1b[2J, maybe for address 0x8, in 0x"));
}

static void a_bug_is_told_by_its_instruction(void **state)
{
	struct fixture *x = *state;

	make_target(x, "bug");
	dies(x, DIE, "invalid opcode", at(REGS));
	expect_none(x);
	memcpy(x->f->image + CODE, "\x0f\x0b", 2);
	log_line(x, "kernel BUG at drivers/x.c:12!");
	dies(x, DIE, "invalid opcode", at(REGS));
	assert_int_equal(x->e.signo, SIGNAL_ILL);
	assert_non_null(strstr(x->e.message, "bug: kernel BUG at drivers/x.c:12!, in 0x"));
	make_target(x, "oops");
	dies(x, DIE, "invalid opcode", at(REGS));
	assert_int_equal(x->e.signo, SIGNAL_ILL);
}

static void a_panic_says_its_text(void **state)
{
	struct fixture *x = *state;

	put_text(x, TEXT, "sysrq triggered crash\n");
	call(x, PANIC, (uint64_t[6]){ at(TEXT) });
	expect(x, SIGNAL_ABRT, "panic: sysrq triggered crash, in 0xffffffff80200600");
	assert_false(target_has_thread(x->t, CULPRIT + 2));
	put_text(x, TEXT, "%s of 100%% %d\n");
	put_text(x, TEXT_2, "half");
	call(x, PANIC, (uint64_t[6]){ at(TEXT), at(TEXT_2) });
	expect(x, SIGNAL_ABRT, "panic: half of 100..., in 0xffffffff80200600");
	call(x, PANIC, (uint64_t[6]){ 8 });
	expect(x, SIGNAL_ABRT, "panic: the kernel doesn't say why, in 0xffffffff80200600");
	put_text(x, TEXT, "%s%s%s%s%s%s");
	call(x, PANIC, (uint64_t[6]){ at(TEXT), at(TEXT_2), at(TEXT_2), 0, UINT64_MAX - 3, at(TEXT_2) });
	expect(x, SIGNAL_ABRT, "panic: halfhalfhalf..., in 0xffffffff80200600");
}

static void a_warning_says_where(void **state)
{
	struct fixture *x = *state;

	put_text(x, TEXT, "mm/slab.c");
	call(x, WARN, (uint64_t[6]){ at(TEXT), 17, at(ELSEWHERE), 9, at(REGS), 0 });
	expect(x, SIGNAL_TRAP,
	       "warn: WARNING at mm/slab.c:17, in 0xffffffff8022b900; the registers there are those of the thread "
	       "\"warn: ...\"");
	assert_true(target_has_thread(x->t, CULPRIT + 2));
	call(x, WARN, (uint64_t[6]){ 0, 0, at(ELSEWHERE), 9, 0, 0 });
	expect(x, SIGNAL_TRAP, "warn: WARNING, in 0xffffffff80200600");
	assert_false(target_has_thread(x->t, CULPRIT + 2));
}

/* --- What is wanted --- */

static size_t planted(const struct fixture *x, size_t function)
{
	const struct brk *k = breaks_find(&x->m->breaks, TARGET_BREAK_SOFTWARE, at(function), 1);

	return k ? k->wanted : 0;
}

static void nothing_is_planted_that_is_not_wanted(void **state)
{
	static const struct {
		const char *words;
		size_t die, panic, warn;
	} cases[] = {
		{ "none", 0, 0, 0 }, { NULL, 0, 0, 0 },          { "oops,panic", 1, 1, 0 }, { "warn", 0, 0, 1 },
		{ "bug", 1, 0, 0 },  { "panic, warn", 0, 1, 1 }, { "oops, bug", 1, 0, 0 },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_target(x, cases[i].words);
		go(x);
		assert_int_equal(planted(x, DIE), cases[i].die);
		assert_int_equal(planted(x, DIE_INNER), cases[i].die);
		assert_int_equal(planted(x, DIE_ADDRESS), cases[i].die);
		assert_int_equal(planted(x, PANIC), cases[i].panic);
		assert_int_equal(planted(x, WARN), cases[i].warn);
	}
}

static void a_kernel_without_the_functions(void **state)
{
	struct fixture *x = *state;

	x->f->facts[FACT_DIE].found = x->f->facts[FACT_WARN].found = false;
	make_target(x, "oops,panic,warn");
	go(x);
	assert_int_equal(planted(x, DIE), 0);
	assert_int_equal(planted(x, WARN), 0);
	assert_int_equal(planted(x, DIE_INNER), 1);
	assert_int_equal(planted(x, PANIC), 1);
}

static void words_are_checked(void **state)
{
	static const char *const good[] = { "none", "oops", "bug,warn", "oops, panic", "oops," };
	static const char *const bad[] = { "", "all", "oops,none", "oop", "oopss", "oops;panic", "OOPS", "," };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(linux_stop_on_check(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err *e = linux_stop_on_check(bad[i]);

		assert_int_equal(err_code(e), ERR_USAGE);
		err_destroy(e);
	}
}

static void the_clients_own_breakpoint_stays_one(void **state)
{
	struct fixture *x = *state;

	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(PANIC), 1));
	put_text(x, TEXT, "why");
	call(x, PANIC, (uint64_t[6]){ at(TEXT) });
	assert_int_equal(x->e.reason, TARGET_REASON_BREAKPOINT);
	assert_int_equal(x->e.signo, SIGNAL_TRAP);
	assert_string_equal(x->e.message, "panic: why, in 0xffffffff80200600");
}

/* --- The culprit --- */

static void the_culprit_is_a_thread_until_it_goes_on(void **state)
{
	struct fixture *x = *state;
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT, known = BUF_INIT, one = BUF_INIT;
	const struct description *d = &x->m->description;
	uint64_t value;
	uint8_t code[2];
	size_t got;
	int64_t pid;

	dies(x, DIE_INNER, "Oops", at(REGS));
	assert_null(target_threads(x->t, &threads));
	assert_int_equal(threads.n, 3);
	assert_int_equal(threads.v[2].id, CULPRIT + 2);
	assert_int_equal(threads.v[2].core, 1);
	assert_string_equal(threads.v[2].name, "oops: insmod/1 at 0xffffffff8022b900");
	assert_true(target_has_thread(x->t, CULPRIT + 2));
	assert_false(target_has_thread(x->t, CULPRIT + 1));

	assert_null(target_read_registers(x->t, CULPRIT + 2, &bytes));
	assert_null(target_known_registers(x->t, CULPRIT + 2, &known));
	assert_int_equal(known.len, bytes.len);
	assert_true(description_value(description_find(d, "rbp"), bytes.data, bytes.len, &value));
	assert_int_equal(value, 0xbbb);
	assert_true(description_value(description_find(d, "rsp"), bytes.data, bytes.len, &value));
	assert_int_equal(value, at(STACK) + 0x40);
	assert_int_equal(known.data[description_find(d, "rax")->offset], 1);
	assert_int_equal(known.data[description_find(d, "gs_base")->offset], 0);
	assert_null(target_read_register(x->t, CULPRIT + 2, 6, &one));
	assert_int_equal(one.len, 8);
	assert_null(target_program_counter(x->t, CULPRIT + 2, &value));
	assert_int_equal(value, at(CODE));
	assert_null(target_read_memory(x->t, CULPRIT + 2, at(CODE), code, sizeof(code), &got));
	assert_null(target_write_memory(x->t, CULPRIT + 2, at(CODE), code, sizeof(code)));
	assert_int_equal(x->m->written_at, at(CODE));
	assert_null(target_variable(x->t, CULPRIT + 2, 1, &pid));
	assert_int_equal(pid, 1);

	go(x);
	assert_false(target_has_thread(x->t, CULPRIT + 2));
	expect_code(target_program_counter(x->t, CULPRIT + 2, &value), ERR_NOT_FOUND);
}

static void it_can_only_be_looked_at(void **state)
{
	struct fixture *x = *state;
	struct err *e;

	dies(x, DIE_INNER, "Oops", at(REGS));
	expect_code(target_write_register(x->t, CULPRIT + 2, 0, "12345678", 8), ERR_UNSUPPORTED);
	expect_code(target_write_registers(x->t, CULPRIT + 2, "12345678", 8), ERR_UNSUPPORTED);
	e = target_resume(x->t, &(struct target_resume){ .step = CULPRIT + 2 });
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	assert_non_null(strstr(err_message(e), "thread 2 is the CPU"));
	err_destroy(e);
	assert_true(target_has_thread(x->t, CULPRIT + 2));
}

static void registers_that_are_nowhere_cost_the_thread(void **state)
{
	static const uint64_t nowhere[] = { 0, 8, 0x7fffffffe000, UINT64_MAX, FAKE_TEXT + 0x40000000 };
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		dies(x, DIE_INNER, "Oops", nowhere[i]);
		expect(x, SIGNAL_SEGV, "oops: Oops");
		assert_false(target_has_thread(x->t, CULPRIT + 2));
	}
	x->f->facts[FACT_REGS_IP].found = false;
	make_target(x, "oops");
	dies(x, DIE_INNER, "Oops", at(REGS));
	expect(x, SIGNAL_SEGV, "oops: Oops");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_oops_is_told_by_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(else_by_what_it_says, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bug_is_told_by_its_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(a_panic_says_its_text, setup, teardown),
		cmocka_unit_test_setup_teardown(a_warning_says_where, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_planted_that_is_not_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kernel_without_the_functions, setup, teardown),
		cmocka_unit_test(words_are_checked),
		cmocka_unit_test_setup_teardown(the_clients_own_breakpoint_stays_one, setup, teardown),
		cmocka_unit_test_setup_teardown(the_culprit_is_a_thread_until_it_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(it_can_only_be_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(registers_that_are_nowhere_cost_the_thread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
