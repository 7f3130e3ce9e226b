/*
 * A machine for the tests of server/, the fuzzer and real debuggers: registers, 8 KiB of memory, and CPUs that know the few
 * instructions of the program in it. Or CPUs that execute nothing, and tell what the test's script says. What is asked
 * of it is written down.
 *
 *	1000	start:	nop
 *	1001		inc %rax
 *	1004		mov %rax,2000
 *	100c	here:	nop
 *	100d		nop
 *	100e		jmp start
 *
 * CPU 1 runs this. The others stand still, at 1000, as long as they are not stepped.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/util.h"
#include "target/target.h"

enum {
	FAKE_CPUS = 2,
	FAKE_MEMORY = 0x1000, /* where it begins */
	FAKE_MEMORY_SIZE = 0x2000,
	FAKE_START = 0x1000,
	FAKE_HERE = 0x100c,
	FAKE_COUNTER = 0x2000,
	FAKE_SLEEPER = 10000042, /* a thread that can't run */
	FAKE_PLANTED_MAX = 64,
	FAKE_SLICE = 1000, /* instructions between two looks at what is asked */
	/* As GDB numbers the registers of an x86-64 CPU. */
	FAKE_RAX = 0,
	FAKE_RIP = 16,
	FAKE_WIDE = 17,      /* registers of 8 bytes */
	FAKE_REGISTERS = 24, /* with the ones of 4 behind them */
	FAKE_REGISTERS_SIZE = 8 * FAKE_WIDE + 4 * (FAKE_REGISTERS - FAKE_WIDE),
};

struct fake_planted {
	enum target_break kind;
	uint64_t address, size;
};

struct fake_target {
	struct target target;
	uint64_t registers[FAKE_CPUS][FAKE_REGISTERS];
	unsigned char memory[FAKE_MEMORY_SIZE];
	struct fake_planted planted[FAKE_PLANTED_MAX];
	size_t planted_n;
	int event_fd;
	bool runs, interrupted;
	struct target_resume how;
	/* The test's: each resume takes the next of these, if there are any, and it is told at once. */
	struct target_event *script;
	size_t script_n, script_taken;
	bool steps;            /* what is to take a step does so before a stop of the script */
	bool hidden;           /* poll(2) says nothing of what there is to be told, but its timeout does */
	bool silent;           /* nothing ever happens but what an interrupt makes happen */
	bool deaf;             /* not even that */
	enum err_code failing; /* with fails: what resume, next_event, ... come back with */
	const char *fails;
	bool sleeper;          /* is in the list */
	const char *libraries; /* NULL: ERR_UNSUPPORTED */
	uint64_t offset;       /* 0: not known */
	bool detached, killed;
	unsigned int resets_done;
	struct buf log; /* a line for each thing that was asked and that changes something */
};

static const unsigned char fake_program[] = { 0x90, 0x48, 0xff, 0xc0, 0x48, 0x89, 0x04, 0x25,
					      0x00, 0x20, 0x00, 0x00, 0x90, 0x90, 0xeb, 0xf0 };

static inline struct fake_target *fake_target(struct target *t)
{
	return (struct fake_target *)t;
}

static inline struct err *fake_failure(const struct fake_target *f, const char *what)
{
	if (!f->fails || !streq(f->fails, what))
		return NULL;
	return err_create(f->failing, "the fake can't %s", what);
}

/* --- Registers and memory --- */

static inline struct err *fake_cpu(uint32_t thread, unsigned int *ret)
{
	if (!thread || thread > FAKE_CPUS)
		return err_create(ERR_NOT_FOUND, "there is no CPU %u", thread);
	*ret = thread - 1;
	return NULL;
}

static inline size_t fake_register_size(unsigned int number)
{
	return number < FAKE_WIDE ? 8 : 4;
}

static inline struct err *fake_read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
{
	unsigned int cpu = 0;

	if (number >= FAKE_REGISTERS)
		return err_create(ERR_NOT_FOUND, "there is no register %u", number);
	if (thread != FAKE_SLEEPER)
		TRY(fake_cpu(thread, &cpu));
	buf_append(ret, &fake_target(t)->registers[cpu][number], fake_register_size(number));
	return NULL;
}

static inline struct err *fake_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes,
					      size_t len)
{
	unsigned int cpu;

	if (thread == FAKE_SLEEPER)
		return err_create(ERR_UNSUPPORTED, "a task that doesn't run can't have its registers written");
	TRY(fake_cpu(thread, &cpu));
	if (number >= FAKE_REGISTERS || len != fake_register_size(number))
		return err_create(ERR_NOT_FOUND, "there is no register %u of %zu bytes", number, len);
	memcpy(&fake_target(t)->registers[cpu][number], bytes, len);
	return NULL;
}

static inline struct err *fake_read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	for (unsigned int i = 0; i < FAKE_REGISTERS; i++)
		TRY(fake_read_register(t, thread, i, ret));
	return NULL;
}

static inline struct err *fake_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	const char *from = bytes;

	for (unsigned int i = 0; i < FAKE_REGISTERS && len; i++) {
		size_t size = fake_register_size(i);

		if (len < size)
			return err_create(ERR_BAD_DATA, "half a register");
		TRY(fake_write_register(t, thread, i, from, size));
		from += size;
		len -= size;
	}
	return NULL;
}

static inline struct err *fake_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	unsigned int cpu;

	TRY(fake_cpu(thread, &cpu));
	*ret = fake_target(t)->registers[cpu][FAKE_RIP];
	return NULL;
}

static inline struct err *fake_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
					   size_t *ret_len)
{
	uint64_t at = address - FAKE_MEMORY;

	(void)thread;
	TRY(fake_failure(fake_target(t), "read_memory"));
	if (at >= FAKE_MEMORY_SIZE)
		return err_create(ERR_FAULT, "memory at 0x%llx can't be read", (unsigned long long)address);
	*ret_len = MIN(len, (size_t)(FAKE_MEMORY_SIZE - at));
	memcpy(ret, fake_target(t)->memory + at, *ret_len);
	return NULL;
}

static inline struct err *fake_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes,
					    size_t len)
{
	uint64_t at = address - FAKE_MEMORY;

	(void)thread;
	if (at >= FAKE_MEMORY_SIZE || len > FAKE_MEMORY_SIZE - at)
		return err_create(ERR_FAULT, "memory at 0x%llx can't be written", (unsigned long long)address);
	memcpy(fake_target(t)->memory + at, bytes, len);
	buf_printf(&fake_target(t)->log, "write %llx %zu\n", (unsigned long long)address, len);
	return NULL;
}

/* --- Breakpoints --- */

static inline struct fake_planted *fake_find(struct fake_target *f, enum target_break kind, uint64_t address)
{
	for (size_t i = 0; i < f->planted_n; i++) {
		if (f->planted[i].kind == kind && f->planted[i].address == address)
			return &f->planted[i];
	}
	return NULL;
}

static inline struct err *fake_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_target *f = fake_target(t);

	if (kind == TARGET_WATCH_READ)
		return err_create(ERR_UNSUPPORTED, "no watchpoints for reading");
	if (address - FAKE_MEMORY >= FAKE_MEMORY_SIZE || f->planted_n == FAKE_PLANTED_MAX)
		return err_create(ERR_FAULT, "nothing can be planted at 0x%llx", (unsigned long long)address);
	f->planted[f->planted_n++] = (struct fake_planted){ kind, address, size };
	buf_printf(&f->log, "insert %d %llx %llx\n", kind, (unsigned long long)address, (unsigned long long)size);
	return NULL;
}

static inline struct err *fake_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_target *f = fake_target(t);
	struct fake_planted *planted = fake_find(f, kind, address);

	buf_printf(&f->log, "remove %d %llx %llx\n", kind, (unsigned long long)address, (unsigned long long)size);
	if (!planted)
		return err_create(ERR_NOT_FOUND, "nothing is planted at 0x%llx", (unsigned long long)address);
	*planted = f->planted[--f->planted_n];
	return NULL;
}

/* --- Running --- */

static inline bool fake_has_break(struct fake_target *f, uint64_t pc)
{
	return fake_find(f, TARGET_BREAK_SOFTWARE, pc) || fake_find(f, TARGET_BREAK_HARDWARE, pc);
}

/* One instruction. What it wrote to is in *ret_written. */
static inline void fake_execute(struct fake_target *f, unsigned int cpu, uint64_t *ret_written)
{
	uint64_t *r = f->registers[cpu];
	uint64_t at = r[FAKE_RIP] - FAKE_MEMORY;
	const unsigned char *code = f->memory + at;

	*ret_written = 0;
	if (at >= sizeof(fake_program)) {
		r[FAKE_RIP] = FAKE_START;
	} else if (code[0] == 0x48 && code[1] == 0xff) {
		r[FAKE_RAX]++;
		r[FAKE_RIP] += 3;
	} else if (code[0] == 0x48) {
		memcpy(f->memory + FAKE_COUNTER - FAKE_MEMORY, &r[FAKE_RAX], 8);
		*ret_written = FAKE_COUNTER;
		r[FAKE_RIP] += 8;
	} else if (code[0] == 0xeb) {
		r[FAKE_RIP] = FAKE_START;
	} else {
		r[FAKE_RIP]++;
	}
}

static inline void fake_stop(struct fake_target *f, struct target_event *ret, enum target_reason reason,
			     uint32_t thread, unsigned int signo)
{
	*ret = (struct target_event){ .kind = TARGET_EVENT_STOP, .reason = reason, .thread = thread, .signo = signo };
	f->runs = f->interrupted = false;
}

static inline bool fake_step(struct fake_target *f, uint32_t thread, struct target_event *ret)
{
	struct fake_planted *watch;
	uint64_t written;

	fake_execute(f, thread - 1, &written);
	watch = fake_find(f, TARGET_WATCH_WRITE, written);
	if (!written || !watch)
		return false;
	fake_stop(f, ret, TARGET_REASON_WATCH, thread, 5);
	ret->watch = watch->kind;
	ret->address = written;
	return true;
}

static inline void fake_go(struct fake_target *f, struct target_event *ret)
{
	uint32_t over = f->how.over;

	if (f->how.step) {
		if (!fake_step(f, f->how.step, ret))
			fake_stop(f, ret, TARGET_REASON_SIGNAL, f->how.step, 5);
		return;
	}
	for (unsigned int i = 0; i < FAKE_SLICE; i++) {
		if (over != 1 && fake_has_break(f, f->registers[0][FAKE_RIP])) {
			fake_stop(f, ret, TARGET_REASON_BREAKPOINT, 1, 5);
			return;
		}
		over = f->how.over = 0;
		if (fake_step(f, 1, ret))
			return;
	}
}

static inline struct err *fake_resume(struct target *t, const struct target_resume *how)
{
	struct fake_target *f = fake_target(t);

	TRY(fake_failure(f, "resume"));
	if (how->step > FAKE_CPUS)
		return err_create(ERR_UNSUPPORTED, "a task that doesn't run can't be stepped");
	if (f->runs)
		abort();
	buf_printf(&f->log, "resume step=%u others=%d signo=%u over=%u\n", how->step, how->others, how->signo,
		   how->over);
	f->how = *how;
	f->runs = true;
	if (!f->silent && !f->hidden)
		eventfd_write(f->event_fd, 1);
	return NULL;
}

static inline int fake_timeout_ms(struct target *t)
{
	const struct fake_target *f = fake_target(t);

	return f->hidden && f->runs ? 0 : -1;
}

static inline struct err *fake_interrupt(struct target *t)
{
	struct fake_target *f = fake_target(t);

	TRY(fake_failure(f, "interrupt"));
	buf_puts(&f->log, "interrupt\n");
	f->interrupted = f->runs && !f->deaf;
	if (f->interrupted)
		eventfd_write(f->event_fd, 1);
	return NULL;
}

static inline int fake_fd(struct target *t)
{
	return fake_target(t)->event_fd;
}

static inline struct err *fake_next_event(struct target *t, struct target_event *ret)
{
	struct fake_target *f = fake_target(t);
	eventfd_t n;

	*ret = (struct target_event)TARGET_EVENT_INIT;
	TRY(fake_failure(f, "next_event"));
	eventfd_read(f->event_fd, &n);
	if (!f->runs)
		return NULL;
	if (f->script_taken < f->script_n) {
		*ret = f->script[f->script_taken++];
		if (f->steps && f->how.step)
			fake_execute(f, f->how.step - 1, &(uint64_t){ 0 });
		ret->message = ret->message ? xstrdup(ret->message) : NULL;
		f->runs = ret->kind == TARGET_EVENT_NONE;
		return NULL;
	}
	if (f->interrupted)
		fake_stop(f, ret, TARGET_REASON_SIGNAL, 1, 2);
	else if (!f->silent)
		fake_go(f, ret);
	if (f->runs && !f->silent)
		eventfd_write(f->event_fd, 1);
	return NULL;
}

/* --- The rest --- */

static inline void fake_destroy(struct target *t)
{
	struct fake_target *f = fake_target(t);

	close(f->event_fd);
	buf_deinit(&f->log);
	free(f);
}

static inline struct err *fake_description(struct target *t, const char *annex, struct buf *ret)
{
	(void)t;
	if (!streq(annex, "target.xml"))
		return err_create(ERR_NOT_FOUND, "there is no %s", annex);
	buf_puts(ret, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
		      "<architecture>i386:x86-64</architecture><feature name=\"org.gnu.gdb.i386.core\">");
	for (unsigned int i = 0; i < FAKE_REGISTERS; i++) {
		static const char *const names[FAKE_REGISTERS] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
								   "rbp", "rsp", "r8",  "r9",  "r10", "r11",
								   "r12", "r13", "r14", "r15", "rip", "eflags",
								   "cs",  "ss",  "ds",  "es",  "fs",  "gs" };

		buf_printf(ret, "<reg name=\"%s\" bitsize=\"%zu\"/>", names[i], 8 * fake_register_size(i));
	}
	/* GDB has no such description without these. */
	for (unsigned int i = 0; i < 8; i++)
		buf_printf(ret, "<reg name=\"st%u\" bitsize=\"80\" type=\"i387_ext\"/>", i);
	for (unsigned int i = 0; i < 8; i++) {
		static const char *const names[8] = { "fctrl", "fstat", "ftag",  "fiseg",
						      "fioff", "foseg", "fooff", "fop" };

		buf_printf(ret, "<reg name=\"%s\" bitsize=\"32\"/>", names[i]);
	}
	buf_puts(ret, "</feature></target>");
	return NULL;
}

static inline bool fake_has_thread(struct target *t, uint32_t thread)
{
	return (thread && thread <= FAKE_CPUS) || (fake_target(t)->sleeper && thread == FAKE_SLEEPER);
}

static inline struct err *fake_threads(struct target *t, struct target_threads *ret)
{
	TRY(fake_failure(fake_target(t), "threads"));
	for (uint32_t i = 0; i < FAKE_CPUS; i++) {
		struct target_thread thread = { .id = i + 1, .core = i };

		snprintf(thread.name, sizeof(thread.name), "CPU %u: <fake>", i);
		target_threads_add(ret, &thread);
	}
	if (fake_target(t)->sleeper)
		target_threads_add(ret, &(struct target_thread){ FAKE_SLEEPER, UINT32_MAX, "sleeper/42" });
	return NULL;
}

static inline struct err *fake_monitor(struct target *t, uint32_t thread, const char *line, target_output output,
				       void *user)
{
	TRY(fake_failure(fake_target(t), "monitor"));
	if (!streq(line, "hello"))
		return err_create(ERR_USAGE, "there is no command '%s'", line);
	output("hello, ", strlen("hello, "), user);
	output(thread == 1 ? "CPU 0\n" : "CPU 1\n", strlen("CPU 0\n"), user);
	return NULL;
}

static inline struct err *fake_libraries(struct target *t, bool placed, struct buf *ret)
{
	if (!fake_target(t)->libraries)
		return err_create(ERR_UNSUPPORTED, "nothing is known of libraries");
	buf_puts(ret, placed ? "<library-list><library name=\"placed\"/></library-list>" : fake_target(t)->libraries);
	return NULL;
}

static inline struct err *fake_offsets(struct target *t, uint64_t *ret_first, uint64_t *ret_slide)
{
	if (!fake_target(t)->offset)
		return err_create(ERR_NOT_FOUND, "it lies where it was linked to");
	*ret_first = fake_target(t)->offset;
	*ret_slide = fake_target(t)->offset - 0xffffffff81000000;
	return NULL;
}

static inline const struct target_variable *fake_variables(struct target *t, size_t *ret_n)
{
	static const struct target_variable variables[] = { { 1, "fake_cpu" }, { 2, "fake_rax" } };

	(void)t;
	*ret_n = ARRAY_SIZE(variables);
	return variables;
}

static inline struct err *fake_variable(struct target *t, uint32_t thread, unsigned int number, int64_t *ret)
{
	unsigned int cpu;

	TRY(fake_cpu(thread, &cpu));
	if (number != 1 && number != 2)
		return err_create(ERR_NOT_FOUND, "there is no variable %u", number);
	*ret = number == 1 ? (int64_t)cpu : (int64_t)fake_target(t)->registers[cpu][FAKE_RAX];
	return NULL;
}

static inline struct err *fake_query(struct target *t, const char *packet, size_t len, struct buf *ret)
{
	(void)t;
	if (len != strlen("qqemu.sstep") || memcmp(packet, "qqemu.sstep", len) != 0)
		return err_create(ERR_UNSUPPORTED, "unknown");
	buf_puts(ret, "0x7");
	return NULL;
}

static inline const unsigned int *fake_expedited(struct target *t, size_t *ret_n)
{
	static const unsigned int numbers[] = { FAKE_RIP };

	(void)t;
	*ret_n = ARRAY_SIZE(numbers);
	return numbers;
}

static inline struct err *fake_detach(struct target *t)
{
	TRY(fake_failure(fake_target(t), "detach"));
	if (fake_target(t)->runs)
		abort();
	buf_puts(&fake_target(t)->log, "detach\n");
	fake_target(t)->detached = true;
	return NULL;
}

static inline struct err *fake_leave(struct target *t)
{
	buf_puts(&fake_target(t)->log, "leave\n");
	return NULL;
}

static inline struct err *fake_kill(struct target *t)
{
	TRY(fake_failure(fake_target(t), "kill"));
	buf_puts(&fake_target(t)->log, "kill\n");
	fake_target(t)->killed = true;
	return NULL;
}

static inline void fake_reset_done(struct target *t)
{
	fake_target(t)->resets_done++;
}

static inline struct target *fake_target_create(void)
{
	static const struct target_ops ops = {
		.destroy = fake_destroy,
		.description = fake_description,
		.threads = fake_threads,
		.has_thread = fake_has_thread,
		.read_registers = fake_read_registers,
		.write_registers = fake_write_registers,
		.read_register = fake_read_register,
		.write_register = fake_write_register,
		.program_counter = fake_program_counter,
		.read_memory = fake_read_memory,
		.write_memory = fake_write_memory,
		.insert = fake_insert,
		.remove = fake_remove,
		.resume = fake_resume,
		.interrupt = fake_interrupt,
		.fd = fake_fd,
		.timeout_ms = fake_timeout_ms,
		.next_event = fake_next_event,
		.monitor = fake_monitor,
		.libraries = fake_libraries,
		.offsets = fake_offsets,
		.variables = fake_variables,
		.variable = fake_variable,
		.query = fake_query,
		.expedited = fake_expedited,
		.detach = fake_detach,
		.leave = fake_leave,
		.kill = fake_kill,
		.reset_done = fake_reset_done,
	};
	struct fake_target *f = xcalloc(1, sizeof(*f));

	f->target.ops = &ops;
	f->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	memcpy(f->memory, fake_program, sizeof(fake_program));
	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		f->registers[i][FAKE_RIP] = FAKE_START;
	return &f->target;
}
