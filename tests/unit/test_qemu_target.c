/*
 * QEMU's stub as a target, against one that plays from a script: a process that wants to be asked exactly these things, in
 * this order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "rsp/packet.h"
#include "target/qemu.h"

struct exchange {
	const char *request; /* "^C": an interrupt; NULL: none, the stub speaks by itself */
	const char *reply;   /* NULL: none */
};

#define XML                                                                                                            \
	"<reg name=\"rax\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/><reg name=\"cr0\" bitsize=\"64\"/>"       \
	"<reg name=\"cr3\" bitsize=\"64\"/><reg name=\"cr4\" bitsize=\"64\"/><reg name=\"efer\" bitsize=\"64\"/>"

#define BEGIN                                                                                                          \
	{ "qSupported:xmlRegisters=i386", "PacketSize=1000;qXfer:features:read+;vContSupported+" },                    \
		{ "?", "T05thread:01;" }, { "qXfer:features:read:target.xml:0,7fb", "l" XML },                         \
		{ "qfThreadInfo", "m01" }, { "qsThreadInfo", "m02" },                                                  \
	{                                                                                                              \
		"qsThreadInfo", "l"                                                                                    \
	}

/* rax 0x11, rip 0x1000, paging off. */
#define REGISTERS_FLAT                                                                                                 \
	"1100000000000000001000000000000000000000000000000000000000000000"                                             \
	"00000000000000000000000000000000"
/* --- The stub --- */

static bool read_event(int fd, struct rsp_decoder *d, struct buf *ret)
{
	for (;;) {
		enum rsp_event event;
		char byte;

		if (read(fd, &byte, 1) != 1)
			return false;
		(void)rsp_decode(d, &byte, 1, &event);
		if (event == RSP_INTERRUPT) {
			buf_clear(ret);
			buf_puts(ret, "^C");
			return true;
		}
		if (event == RSP_PACKET) {
			buf_clear(ret);
			buf_append(ret, d->payload.data, d->payload.len);
			return write(fd, "+", 1) == 1;
		}
	}
}

static __attribute__((noreturn)) void play(int fd, const struct exchange *script)
{
	struct rsp_decoder d = RSP_DECODER_INIT(4096);
	struct buf request = BUF_INIT, reply = BUF_INIT;

	for (; script->request || script->reply; script++) {
		if (script->request) {
			if (!read_event(fd, &d, &request))
				_exit(1);
			if (!streq(buf_str(&request), script->request)) {
				fprintf(stderr, "the stub was asked '%s', not '%s'\n", buf_str(&request),
					script->request);
				_exit(2);
			}
		}
		if (!script->reply)
			continue;
		buf_clear(&reply);
		rsp_encode(&reply, script->reply, strlen(script->reply), false);
		if (write(fd, reply.data, reply.len) < 0)
			_exit(3);
	}
	/* Nothing else may come. */
	_exit(read_event(fd, &d, &request) ? 4 : 0);
}

struct stub {
	pid_t pid;
	int fd;
	struct target *t;
};

static void start(struct stub *s, const struct exchange *script, struct qemu_params params)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		close(pair[0]);
		play(pair[1], script);
	}
	close(pair[1]);
	s->fd = pair[0];
	params.stub_fd = s->fd;
	assert_null(qemu_target_create(&params, &s->t));
}

static void finish(struct stub *s)
{
	int status;

	target_destroy(s->t);
	close(s->fd);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void wait_event(struct stub *s, struct target_event *ret)
{
	for (int i = 0; i < 5000; i++) {
		assert_null(target_next_event(s->t, ret));
		if (ret->kind != TARGET_EVENT_NONE)
			return;
		usleep(1000);
	}
	fail_msg("no event");
}

static const struct target_resume go = { .step = 0 };

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

/* --- Breakpoints --- */

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
		{ "vCont;s:1", "T05thread:01;" },
		{ "vCont;c", "T05thread:01;" },
		{ "g", REGISTERS_FLAT },
		/* Nor is anybody there to hear of it after this. */
		{ "vCont;s:2;c", "T05thread:01;" },
		{ "g", REGISTERS_FLAT },
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
	/* Half of the address space from ffff800000000000 on: entry 256 of the top table. */
	put64(memory, 0x1000 + 256 * 8, 0x2003);
	put64(memory, 0x2000, 0x3003);
	put64(memory, 0x3000, 0x4003);
	put64(memory, 0x4000, 0x5003);
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
	finish(&s);
	assert_true(qemu_monitor_allowed("x/4i $pc"));
	assert_true(qemu_monitor_allowed(""));
	assert_false(qemu_monitor_allowed("info\nmigrate"));
	assert_false(qemu_monitor_allowed("infos"));
	assert_false(qemu_monitor_allowed("pmemsave 0 1 \"f\""));
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
		{ "?", "T05thread:01;" },
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
		cmocka_unit_test(breakpoints_stay_as_long_as_they_do_no_harm),
		cmocka_unit_test(a_breakpoint_that_cannot_be_planted_is_none),
		cmocka_unit_test(goes_past_a_breakpoint),
		cmocka_unit_test(a_step_that_was_forestalled_is_taken_before_it_goes_on),
		cmocka_unit_test(patched_memory_is_hidden_and_patched_again),
		cmocka_unit_test(memory_comes_from_ram_or_from_the_stub),
		cmocka_unit_test(memory_is_what_the_cpu_sees),
		cmocka_unit_test(understands_why_it_stopped),
		cmocka_unit_test(the_monitor_is_asked_what_is_harmless),
		cmocka_unit_test(refuses_a_stub_that_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
