/* QEMU's stub as a target, against one that plays from a script: registers, memory, stops, the monitor. */
#include "scripted_stub.h"

/* --- Registers and threads --- */

static void registers_are_fetched_once(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Hg2", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "P0=2200000000000000", "OK" },
		{ "g", REGISTERS_FLAT },
		{ "Hg1", "OK" },
		{ "Gff", "E22" },
		{ "g", "E22" },
		{ NULL, NULL },
	};
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	static const uint8_t value[] = { 0x22, 0, 0, 0, 0, 0, 0, 0 };
	struct stub s;
	struct err *e;
	uint64_t pc;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_threads(s.t, &threads));
	assert_int_equal(threads.n, 2);
	assert_int_equal(threads.v[1].id, 2);
	assert_int_equal(threads.v[1].core, 1);
	assert_string_equal(threads.v[1].name, "CPU 1");
	assert_true(target_has_thread(s.t, 2));
	assert_false(target_has_thread(s.t, 0));
	assert_false(target_has_thread(s.t, 3));
	assert_null(target_read_registers(s.t, 1, &b));
	assert_int_equal(b.len, 48);
	assert_null(target_program_counter(s.t, 1, &pc));
	assert_int_equal(pc, 0x1000);
	buf_clear(&b);
	assert_null(target_read_register(s.t, 2, 0, &b));
	assert_int_equal(b.len, 8);
	assert_int_equal(b.data[0], 0x11);
	e = target_read_register(s.t, 2, 99, &b);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	assert_null(target_write_register(s.t, 2, 0, value, sizeof(value)));
	e = target_write_register(s.t, 2, 0, value, 4);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	assert_null(target_program_counter(s.t, 2, &pc));
	e = target_write_registers(s.t, 1, "\xff", 1);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
	e = target_program_counter(s.t, 1, &pc);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
	e = target_read_registers(s.t, 3, &b);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	finish(&s);
}

/* --- Memory --- */

static void memory_comes_from_ram_or_from_the_stub(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg1", "OK" },
		{ "g", REGISTERS_FLAT },
		/* Behind the end of RAM is a device. */
		{ "m2000,4", "0a0b0c0d" },
		{ "m2000,400", "E14" },
		{ "m2000,4", "0a0b" },
		{ "m2002,2", "E14" },
		{ "m2000,1", "xyz" },
		{ NULL, NULL },
	};
	static uint8_t memory[0x2000];
	const struct mem_range range = { 0, sizeof(memory), 0 };
	struct qemu_params params = { 0 };
	uint8_t bytes[0x1000];
	struct stub s;
	struct err *e;
	size_t got;

	(void)state;
	memory[0xffe] = 1;
	memory[0x1001] = 4;
	assert_null(mem_open_buffer(memory, sizeof(memory), &range, 1, &params.mem));
	start(&s, script, params);
	assert_null(target_read_memory(s.t, 1, 0xffe, bytes, 4, &got));
	assert_int_equal(got, 4);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[3], 4);
	assert_null(target_read_memory(s.t, 1, 0x2000, bytes, 4, &got));
	assert_int_equal(bytes[3], 13);
	/* Some of it is there. */
	assert_null(target_read_memory(s.t, 1, 0x1800, bytes, sizeof(bytes), &got));
	assert_int_equal(got, 0x800);
	assert_null(target_read_memory(s.t, 1, 0x2000, bytes, 4, &got));
	assert_int_equal(got, 2);
	e = target_read_memory(s.t, 1, 0x2000, bytes, 1, &got);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
	finish(&s);
}

static void put64(uint8_t *memory, size_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

/* Of the address space's upper half, entry 256 of the top table: the page at ffff800000000000 is at 5000. */
static void put_tables(uint8_t *memory)
{
	put64(memory, 0x1000 + 256 * 8, 0x2003);
	put64(memory, 0x2000, 0x3003);
	put64(memory, 0x3000, 0x4003);
	put64(memory, 0x4000, 0x5003);
}

static void memory_is_what_the_cpu_sees(void **state)
{
	/* rip 0xffff800000000008, CR0.PG, CR3 0x1000 with flags, LMA. */
	static const struct exchange script[] = {
		BEGIN,
		{ "Hg2", "OK" },
		{ "g", "1100000000000000"
		       "080000000080ffff"
		       "0100008000000000"
		       "1f10000000000000"
		       "2000000000000000"
		       "0005000000000000" },
		{ "mffff900000000000,1", "E14" },
		{ NULL, NULL },
	};
	static uint8_t memory[0x6000];
	const struct mem_range range = { 0, sizeof(memory), 0 };
	struct qemu_params params = { 0 };
	uint8_t byte;
	struct stub s;
	struct err *e;
	size_t got;

	(void)state;
	put_tables(memory);
	memory[0x5008] = 0xf4;
	assert_null(mem_open_buffer(memory, sizeof(memory), &range, 1, &params.mem));
	start(&s, script, params);
	assert_null(target_read_memory(s.t, 2, 0xffff800000000008, &byte, 1, &got));
	assert_int_equal(byte, 0xf4);
	e = target_read_memory(s.t, 2, 0xffff900000000000, &byte, 1, &got);
	assert_int_equal(err_code(e), ERR_FAULT);
	err_destroy(e);
	finish(&s);
}

/* Once the client has had the stub take addresses for physical ones. */
static void memory_is_physical_on_request(void **state)
{
	static const struct exchange script[] = {
		BEGIN,
		{ "Qqemu.PhyMemMode:1", "OK" },
		{ "Hg1", "OK" },
		{ "mffff800000000000,1", "E14" },
		{ "Qqemu.PhyMemMode:0", "OK" },
		{ "qqemu.PhyMemMode", "0" },
		{ "g", "1100000000000000080000000080ffff0100008000000000"
		       "1f1000000000000020000000000000000005000000000000" },
		{ NULL, NULL },
	};
	static uint8_t memory[0x6000];
	const struct mem_range range = { 0, sizeof(memory), 0 };
	_cleanup_(buf_deinit) struct buf reply = BUF_INIT;
	struct qemu_params params = { 0 };
	uint8_t byte;
	struct stub s;
	struct err *e;
	size_t got;

	(void)state;
	put_tables(memory);
	memory[0x5000] = 0xf4;
	memory[0x100] = 0x11;
	assert_null(mem_open_buffer(memory, sizeof(memory), &range, 1, &params.mem));
	start(&s, script, params);
	assert_null(target_query(s.t, "Qqemu.PhyMemMode:1", strlen("Qqemu.PhyMemMode:1"), &reply));
	assert_string_equal(buf_str(&reply), "OK");
	assert_null(target_read_memory(s.t, 1, 0x100, &byte, 1, &got));
	assert_int_equal(byte, 0x11);
	e = target_read_memory(s.t, 1, 0xffff800000000000, &byte, 1, &got);
	assert_int_equal(err_code(e), ERR_FAULT);
	err_destroy(e);
	assert_null(target_query(s.t, "Qqemu.PhyMemMode:0", strlen("Qqemu.PhyMemMode:0"), &reply));
	assert_null(target_query(s.t, "qqemu.PhyMemMode", strlen("qqemu.PhyMemMode"), &reply));
	assert_null(target_read_memory(s.t, 1, 0xffff800000000000, &byte, 1, &got));
	assert_int_equal(byte, 0xf4);
	finish(&s);
}

/* --- Stops --- */

static void expect_stop(const char *reply, enum target_reason reason, uint32_t thread, unsigned int signo)
{
	const struct exchange script[] = { BEGIN, { "vCont;c", reply }, { NULL, NULL } };
	struct target_event event;
	struct stub s;

	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_resume(s.t, &go));
	wait_event(&s, &event);
	assert_int_equal(event.kind, TARGET_EVENT_STOP);
	assert_int_equal(event.reason, reason);
	assert_int_equal(event.thread, thread);
	assert_int_equal(event.signo, signo);
	if (reason == TARGET_REASON_WATCH) {
		assert_int_equal(event.watch, TARGET_WATCH_ACCESS);
		assert_int_equal(event.address, 0xffffffff82001000);
	}
	target_event_deinit(&event);
	finish(&s);
}

static void understands_why_it_stopped(void **state)
{
	static const struct exchange ended[] = { BEGIN, { "vCont;c", "W07" }, { NULL, NULL } };
	static const struct exchange nonsense[] = { BEGIN, { "vCont;c", "T05thread:7f;" }, { NULL, NULL } };
	struct target_event event;
	struct stub s;
	struct err *e = NULL;

	(void)state;
	expect_stop("T05thread:02;awatch:ffffffff82001000;", TARGET_REASON_WATCH, 2, 5);
	expect_stop("T03thread:01;", TARGET_REASON_RESET, 1, 3);
	expect_stop("T02thread:p01.02;", TARGET_REASON_SIGNAL, 2, 2);
	expect_stop("S06", TARGET_REASON_SIGNAL, 1, 6);
	/* The guest has panicked. */
	expect_stop("T8fthread:01;", TARGET_REASON_SIGNAL, 1, 6);
	start(&s, ended, (struct qemu_params){ 0 });
	assert_null(target_resume(s.t, &go));
	wait_event(&s, &event);
	assert_int_equal(event.kind, TARGET_EVENT_EXITED);
	assert_int_equal(event.status, 7);
	finish(&s);
	start(&s, nonsense, (struct qemu_params){ 0 });
	assert_null(target_resume(s.t, &go));
	for (int i = 0; i < 5000 && !e; i++) {
		e = target_next_event(s.t, &event);
		usleep(1000);
	}
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	finish(&s);
}

/* --- The monitor --- */

static void take(const char *text, size_t len, void *user)
{
	buf_append(user, text, len);
}

static void the_monitor_is_asked_what_is_harmless(void **state)
{
	static const struct exchange script[] = {
		BEGIN, { "qRcmd,696e666f2076657273696f6e", "O372e32" }, { NULL, "O0a" }, { NULL, "OK" }, { NULL, NULL },
	};
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct stub s;
	struct err *e;

	(void)state;
	start(&s, script, (struct qemu_params){ 0 });
	assert_null(target_monitor(s.t, 1, " info version", take, &text));
	assert_string_equal(buf_str(&text), "7.2\n");
	e = target_monitor(s.t, 1, "migrate exec:true", take, &text);
	assert_int_equal(err_code(e), ERR_USAGE);
	assert_non_null(strstr(err_message(e), "'migrate' is not for the debug port"));
	err_destroy(e);
	e = target_monitor(s.t, 1, " cont", take, &text);
	assert_int_equal(err_code(e), ERR_USAGE);
	assert_non_null(strstr(err_message(e), "use the debugger's own continue"));
	err_destroy(e);
	finish(&s);
}

/* --- Stubs that make no sense --- */

static void refuses_a_stub_that_makes_no_sense(void **state)
{
	static const struct exchange no_rip[] = {
		{ "qSupported:xmlRegisters=i386", "" },
		{ NULL, NULL },
	};
	static const struct exchange threads[] = {
		{ "qSupported:xmlRegisters=i386", "PacketSize=1000" },
		{ "qXfer:features:read:target.xml:0,7fb", "l" XML },
		{ "qfThreadInfo", "m03" },
		{ NULL, NULL },
	};
	static const struct exchange *const scripts[] = { no_rip, threads };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		int pair[2], status;
		struct target *t;
		struct err *e;
		pid_t pid;

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		pid = fork();
		if (pid == 0) {
			close(pair[0]);
			play(pair[1], scripts[i]);
		}
		close(pair[1]);
		e = qemu_target_create(&(struct qemu_params){ .stub_fd = pair[0] }, &t);
		assert_non_null(e);
		assert_non_null(strstr(err_message(e), "begin a session with QEMU's stub"));
		err_destroy(e);
		close(pair[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_fetched_once),
		cmocka_unit_test(memory_comes_from_ram_or_from_the_stub),
		cmocka_unit_test(memory_is_what_the_cpu_sees),
		cmocka_unit_test(memory_is_physical_on_request),
		cmocka_unit_test(understands_why_it_stopped),
		cmocka_unit_test(the_monitor_is_asked_what_is_harmless),
		cmocka_unit_test(refuses_a_stub_that_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
