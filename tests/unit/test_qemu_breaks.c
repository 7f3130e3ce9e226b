/* QEMU's stub as a target, against one that plays from a script: what is planted, and how CPUs get past it. */
#include "scripted_stub.h"

static void breakpoints_stay_as_long_as_they_do_no_harm(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Z0,1000,1", "OK" },
		{ "Z1,2000,1", "OK" },
		/* Both are removed, the first comes back: a step of one CPU minds neither. */
		{ "vCont;s:1", "T05thread:01;" },
		/* All run: what isn't wanted has to go. */
		{ "z1,2000,1", "OK" },
		{ "vCont;s:1;c", "T05thread:02;" },
		{ "Hg2", "OK" },
		{ "g", REGISTERS_FLAT },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;
	struct err *e;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_insert(s.t, TARGET_BREAK_HARDWARE, 0x2000, 1));
	assert_null(target_remove(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_remove(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_remove(s.t, TARGET_BREAK_HARDWARE, 0x2000, 1));
	e = target_remove(s.t, TARGET_BREAK_HARDWARE, 0x2000, 1);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 1 }));
	wait_event(&s, &event);
	assert_int_equal(event.kind, TARGET_EVENT_STOP);
	assert_int_equal(event.reason, TARGET_REASON_SIGNAL);
	assert_int_equal(event.signo, 5);
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 1, .others = true }));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_BREAKPOINT);
	assert_int_equal(event.thread, 2);
	finish(&s);
}

static void a_breakpoint_that_cannot_be_planted_is_none(void **state)
{
	static const struct exchange script[] = {
		BEGIN, { "Z2,1000,8", "E22" }, { "Z3,1000,8", "" }, { "vCont;c:2", "T02thread:01;" }, { NULL, NULL },
	};
	struct target_event event;
	struct stub s;
	struct err *e;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	e = target_insert(s.t, TARGET_WATCH_WRITE, 0x1000, 8);
	assert_int_equal(err_code(e), ERR_FAULT);
	err_destroy(e);
	e = target_insert(s.t, TARGET_WATCH_READ, 0x1000, 8);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	err_destroy(e);
	assert_null(target_resume(s.t, &(struct target_resume){ .only = 2 }));
	wait_event(&s, &event);
	assert_int_equal(event.signo, 2);
	finish(&s);
}

static void goes_past_a_breakpoint(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Z0,1000,1", "OK" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "vCont;s:1", "T05thread:01;" },
		{ "vCont;c", "T05thread:01;" },
		{ "g", REGISTERS_FLAT },
		/* An interrupt that comes while it is stepped is not lost, though the stub was done before. */
		{ "vCont;s:1", NULL },
		{ "^C", "T05thread:01;" },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_resume(s.t, &(struct target_resume){ .over = 1 }));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_BREAKPOINT);
	assert_null(target_resume(s.t, &(struct target_resume){ .over = 1 }));
	assert_null(target_interrupt(s.t));
	assert_null(target_interrupt(s.t));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_SIGNAL);
	assert_int_equal(event.signo, 2);
	assert_null(target_interrupt(s.t));
	finish(&s);
}

/* QEMU would have it stop the machine later, when nobody expects it. */
static void a_step_that_was_forestalled_is_taken_before_it_goes_on(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "vCont;s:1;c", "T05thread:02;" },
		{ "Hg2", "OK" },
		{ "g", REGISTERS_FLAT },
		/* It is stepped, or stands, or is held by a breakpoint: that is no matter. */
		{ "vCont;s:2", "T05thread:02;" },
		{ "Z0,1000,1", "OK" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "vCont;c", "T05thread:02;" },
		{ "Hg2", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "z0,1000,1", "OK" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Hc1", "OK" },
		{ "vCont;s:1", "T05thread:01;" },
		{ "vCont;c", "T05thread:01;" },
		{ "g", REGISTERS_FLAT },
		/* Nor is anybody there to hear of it after this. */
		{ "vCont;s:2;c", "T05thread:01;" },
		{ "g", REGISTERS_FLAT },
		{ "Hc2", "OK" },
		{ "vCont;s:2", "T05thread:02;" },
		/* As QEMU's stub does where a client before us had said multiprocess+. */
		{ "D", "E22" },
		{ "D;1", "OK" },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 1, .others = true }));
	wait_event(&s, &event);
	assert_int_equal(event.thread, 2);
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 2 }));
	wait_event(&s, &event);
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_resume(s.t, &(struct target_resume){ 0 }));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_BREAKPOINT);
	assert_null(target_remove(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_resume(s.t, &(struct target_resume){ 0 }));
	wait_event(&s, &event);
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 2, .others = true }));
	wait_event(&s, &event);
	assert_null(target_detach(s.t));
	finish(&s);
}

/* It is halted, and nothing may ever wake it. */
static void a_step_that_is_never_taken_holds_up_nobody(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "vCont;s:2;c", "T05thread:01;" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Hg2", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Hc2", "OK" },
		{ "vCont;s:2", NULL },
		{ "^C", "T02thread:02;" },
		{ "vCont;c", "T05thread:01;" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "D", "OK" },
		{ NULL, NULL },
	};
	uint64_t began = now_ns();
	struct target_event event;
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_resume(s.t, &(struct target_resume){ .step = 2, .others = true }));
	wait_event(&s, &event);
	assert_null(target_resume(s.t, &go));
	wait_event(&s, &event);
	assert_int_equal(event.thread, 1);
	assert_null(target_detach(s.t));
	assert_true(now_ns() - began < 10 * NSEC_PER_SEC);
	finish(&s);
}

/* Which ones they are died with whoever had them step. */
static void the_steps_of_a_session_that_died_are_taken_before_it_goes_on(void **state)
{
	static const struct exchange script[] = {
		BEGIN,           { "Hc1", "OK" },       { "vCont;s:1", "T05thread:01;" },
		{ "Hc2", "OK" }, { "vCont;s:2", NULL }, { "^C", "T02thread:02;" },
		{ "D", "OK" },   { NULL, NULL },
	};
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ .may_have_steps = true });
	assert_null(target_detach(s.t));
	finish(&s);
}

/* A stub that is hung up on keeps what is planted. */
static void nothing_is_left_planted(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Z0,1000,1", "OK" },
		DROP,
		{ NULL, NULL },
	};
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	assert_null(target_leave(s.t));
	finish(&s);
}

/* Under KVM a breakpoint is an instruction in memory: it has to be out of the way, and must not be seen. */
static void patched_memory_is_hidden_and_patched_again(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Z0,1000,1", "OK" },
		/* A write takes it out first. */
		{ "z0,1000,1", "OK" },
		{ "M1000,2:9090", "OK" },
		{ "Z0,1000,1", "OK" },
		{ "z0,1000,1", "OK" },
		{ "vCont;s:1", "T05thread:01;" },
		{ "Z0,1000,1", "OK" },
		{ "vCont;c", "T03thread:01;" },
		/* The memory is another one. */
		{ "z0,1000,1", "E22" },
		{ NULL, NULL },
	};
	static uint8_t memory[0x3000];
	const struct mem_range range = { 0, sizeof(memory), 0 };
	struct qemu_params params = { .patches_memory = true };
	struct target_event event;
	uint8_t bytes[2];
	struct stub s;
	size_t got;

	(void)state;
	memory[0x1000] = 0x55;
	memory[0x1001] = 0x48;
	assert_null(mem_open_buffer(memory, sizeof(memory), &range, 1, &params.mem));
	start(&s, script, params);
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x1000, 1));
	/* What the stub would have done. */
	memory[0x1000] = 0xcc;
	assert_null(target_read_memory(s.t, 1, 0x1000, bytes, 2, &got));
	assert_int_equal(got, 2);
	assert_int_equal(bytes[0], 0x55);
	assert_int_equal(bytes[1], 0x48);
	memory[0x1000] = 0x55;
	assert_null(target_write_memory(s.t, 1, 0x1000, "\x90\x90", 2));
	memory[0x1000] = memory[0x1001] = 0x90;
	assert_null(target_resume(s.t, &(struct target_resume){ .over = 1 }));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_RESET);
	finish(&s);
}

/* Before the kernel has mapped itself. */
static void a_hardware_breakpoint_stands_in(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "m9000,1", "E14" },
		{ "Z0,9000,1", "E22" },
		{ "Z1,9000,1", "OK" },
		/* There are but four. */
		{ "ma000,1", "E14" },
		{ "Z0,a000,1", "E22" },
		{ "Z1,a000,1", "E22" },
		{ "m9000,1", "E14" },
		{ "Z0,9000,1", "E22" },
		{ "vCont;c", "T05thread:01;" },
		{ "g", REGISTERS_AT_9000 },
		/* Past it. Now there is memory. */
		{ "m9000,1", "55" },
		{ "Z0,9000,1", "OK" },
		{ "z1,9000,1", "OK" },
		{ "z0,9000,1", "OK" },
		{ "vCont;s:1", "T05thread:01;" },
		{ "Z0,9000,1", "OK" },
		{ "vCont;c", "T05thread:01;" },
		{ "g", REGISTERS_AT_9000 },
		{ "m9000,1", "cc" },
		/* Its memory has gone again, and with it the breakpoint. */
		{ "z0,9000,1", "E22" },
		{ "vCont;c", "T02thread:01;" },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;
	struct err *e;
	uint8_t byte;
	size_t got;

	(void)state;
	start(&s, script, (struct qemu_params){ .patches_memory = true });
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x9000, 1));
	e = target_insert(s.t, TARGET_BREAK_SOFTWARE, 0xa000, 1);
	assert_int_equal(err_code(e), ERR_FAULT);
	assert_non_null(strstr(err_message(e), "there is no memory at 0xa000 yet"));
	err_destroy(e);
	assert_null(target_resume(s.t, &go));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_BREAKPOINT);
	assert_null(target_resume(s.t, &(struct target_resume){ .over = 1 }));
	wait_event(&s, &event);
	assert_int_equal(event.reason, TARGET_REASON_BREAKPOINT);
	assert_null(target_read_memory(s.t, 1, 0x9000, &byte, 1, &got));
	assert_int_equal(byte, 0x55);
	assert_null(target_remove(s.t, TARGET_BREAK_SOFTWARE, 0x9000, 1));
	assert_null(target_resume(s.t, &go));
	wait_event(&s, &event);
	assert_int_equal(event.signo, 2);
	finish(&s);
}

/* A reset leaves more of them without memory than can be stood in for: it runs all the same, and they come back. */
static void those_without_memory_are_planted_later(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "m9000,1", "55" },
		{ "Z0,9000,1", "OK" },
		{ "vCont;c", "T03thread:01;" },
		{ "z0,9000,1", "E22" },
		{ "g", REGISTERS_FLAT },
		{ "m9000,1", "E14" },
		{ "Z0,9000,1", "E22" },
		{ "Z1,9000,1", "E22" },
		{ "vCont;c", "T02thread:01;" },
		{ "g", REGISTERS_FLAT },
		{ "m9000,1", "55" },
		{ "Z0,9000,1", "OK" },
		{ "vCont;c", "T02thread:01;" },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ .patches_memory = true });
	assert_null(target_insert(s.t, TARGET_BREAK_SOFTWARE, 0x9000, 1));
	for (int i = 0; i < 3; i++) {
		assert_null(target_resume(s.t, &go));
		wait_event(&s, &event);
		assert_int_equal(event.reason, i ? TARGET_REASON_SIGNAL : TARGET_REASON_RESET);
	}
	finish(&s);
}

/* A hardware breakpoint is hit before its instruction, also when that is stepped. */
static void a_hardware_breakpoint_is_taken_out_of_the_way(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Z1,1000,1", "OK" },
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "z1,1000,1", "OK" },
		{ "vCont;s:1", "T05thread:01;" },
		{ "Z1,1000,1", "OK" },
		{ "vCont;c", "T02thread:01;" },
		{ NULL, NULL },
	};
	struct target_event event;
	struct stub s;

	(void)state;
	start(&s, script, (struct qemu_params){ .patches_memory = true });
	assert_null(target_insert(s.t, TARGET_BREAK_HARDWARE, 0x1000, 1));
	assert_null(target_resume(s.t, &(struct target_resume){ .over = 1 }));
	wait_event(&s, &event);
	assert_int_equal(event.signo, 2);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breakpoints_stay_as_long_as_they_do_no_harm),
		cmocka_unit_test(a_breakpoint_that_cannot_be_planted_is_none),
		cmocka_unit_test(goes_past_a_breakpoint),
		cmocka_unit_test(a_step_that_was_forestalled_is_taken_before_it_goes_on),
		cmocka_unit_test(a_step_that_is_never_taken_holds_up_nobody),
		cmocka_unit_test(the_steps_of_a_session_that_died_are_taken_before_it_goes_on),
		cmocka_unit_test(nothing_is_left_planted),
		cmocka_unit_test(patched_memory_is_hidden_and_patched_again),
		cmocka_unit_test(a_hardware_breakpoint_stands_in),
		cmocka_unit_test(those_without_memory_are_planted_later),
		cmocka_unit_test(a_hardware_breakpoint_is_taken_out_of_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
