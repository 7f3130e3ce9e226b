/*
 * What the files of the KGDB target share: kgdb.c has registers and memory, kgdb_begin.c how the kernel is come by, kgdb_run.c
 * breakpoints and running, kgdb_wire.c the line, kgdb_registers.c the registers of x86-64.
 */
#pragma once

#include "rsp/client.h"
#include "rsp/line.h"
#include "target/breaks.h"
#include "target/description.h"
#include "target/kgdb.h"

enum {
	KGDB_TIMEOUT_MS = 10000,
	KGDB_STOP_MS =
		8000, /* from the first BREAK to the stop; the kernel waits a second for CPUs that don't answer */
	KGDB_QUIET_MS = 100, /* then a kernel that was stopped has said what it had to say */
};

/* GDB's numbers (include/gdb/signals.def); the kernel's are as Linux has them. */
enum { KGDB_SIGINT = 2, KGDB_SIGTRAP = 5 };

struct kgdb_context {
	struct buf registers; /* a g packet's bytes */
	bool known;
};

enum kgdb_state {
	KGDB_STANDS,
	KGDB_RUNS,
	KGDB_STEPS_OVER, /* a breakpoint; then it goes on as `then` says */
};

/* The bytes of the line; kgdb_wire.c. */
struct kgdb_wire {
	struct rsp_line line;
	struct buf in;       /* packets' bytes that nobody has read yet */
	struct buf verdicts; /* struct verdict: what is to be told of the bytes that came */
	bool unsure;         /* whether the last of them were a packet: nothing is told until that is known */
	uint64_t heard_ns;   /* when the last byte came; 0: none has */
	bool ended;
	struct buf heard; /* the end of the console's text, for who asks what it said */
};

struct kgdb_target {
	struct target target;
	struct kgdb_params params;
	struct kgdb_wire wire;
	struct rsp_transport transport;
	struct rsp_client *stub;
	struct description description;
	const struct description_register *pc;
	uint32_t cpus;
	uint32_t *numbers;             /* by thread - 1: the kernel's number of that CPU */
	struct kgdb_context *contexts; /* by thread - 1 */
	uint32_t stopped;              /* the thread that stopped, which alone can be written to and stepped */
	uint32_t selected;             /* 0: not known */

	bool stands; /* it has come to its stub, since the beginning */
	struct breaks breaks;
	enum kgdb_state state;
	struct target_resume how, then; /* see QEMU's target */
	uint64_t step_pc;               /* where the CPU was that takes a step */
	bool interrupted;
	uint64_t interrupt_ns; /* when it is said that the kernel doesn't stop; 0: not */
	bool fatal;            /* it was an exception that the kernel has to deal with itself */
	struct buf watched;    /* what was in watched memory when it went on: by index of breaks, 8 bytes each */
};

static inline struct kgdb_target *kgdb_target(struct target *t)
{
	return (struct kgdb_target *)t;
}

/* --- kgdb_wire.c --- */

void kgdb_wire_init(struct kgdb_target *k);
void kgdb_wire_deinit(struct kgdb_target *k);
/* A stub to ask, which nothing is known of; in place of the last one. */
void kgdb_wire_connect(struct kgdb_target *k);
/* Whether the last stop was one, if that wasn't clear. */
void kgdb_wire_confirm(struct kgdb_target *k, bool was_stop);
/* What is held for too long is text. */
void kgdb_wire_expire(struct kgdb_target *k);
/* When kgdb_wire_expire() has something to do, in ms; -1: never. */
int kgdb_wire_timeout_ms(const struct kgdb_target *k);
/* Bytes that are no packet, for kdb. */
void kgdb_wire_type(struct kgdb_target *k, const char *text);
/* Waits for bytes, at most so long, and takes them in. */
void kgdb_wire_wait(struct kgdb_target *k, int timeout_ms);

/* --- kgdb.c --- */

struct err *kgdb_ask(struct kgdb_target *k, enum err_code code, struct buf *ret, const char *format, ...) err_must_check
	__attribute__((format(printf, 4, 5)));
struct err *kgdb_registers(struct kgdb_target *k, uint32_t thread, const struct buf **ret) err_must_check;
struct err *kgdb_program_counter(struct target *t, uint32_t thread, uint64_t *ret) err_must_check;
struct err *kgdb_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes, size_t len)
	err_must_check;
struct err *kgdb_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			     size_t *ret_len) err_must_check;
/* Which CPU has stopped. */
struct err *kgdb_find_stopped(struct kgdb_target *k) err_must_check;
int kgdb_active_cpu(const struct kgdb_target *k);
/* Where it is; 0: not known. */
uint64_t kgdb_variable(const struct kgdb_target *k, enum kgdb_variable which);
/* What was known of registers and memory is old. */
void kgdb_changed(struct kgdb_target *k);

/* --- kgdb_begin.c --- */

/* Has the kernel stand in its stub, by all means, and answer. */
struct err *kgdb_begin(struct kgdb_target *k) err_must_check;
/* Has one that runs come to its stub. */
struct err *kgdb_break_in(struct kgdb_target *k) err_must_check;

/* --- kgdb_run.c: see target/target.h --- */

struct err *kgdb_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *kgdb_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *kgdb_resume(struct target *t, const struct target_resume *how) err_must_check;
struct err *kgdb_interrupt(struct target *t) err_must_check;
int kgdb_timeout_ms(struct target *t);
struct err *kgdb_next_event(struct target *t, struct target_event *ret) err_must_check;
struct err *kgdb_detach(struct target *t) err_must_check;
struct err *kgdb_leave(struct target *t) err_must_check;

/* --- kgdb_registers.c --- */

enum { KGDB_PC = 16, KGDB_SP = 7, KGDB_WRITABLE = 22, KGDB_SENT_BYTES = 156 };

/* Out of the KGDB_SENT_BYTES that the kernel sends. */
void kgdb_take_registers(const void *bytes, struct cpu_registers *ret);
/* The description of the registers. GDB wants those of the FPU and SSE, too, which the kernel doesn't send. */
void kgdb_describe(struct buf *ret);
