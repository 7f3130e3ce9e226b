/*
 * What the files of the QEMU target share: qemu.c has the session with the stub and the registers, qemu_memory.c memory,
 * qemu_run.c breakpoints and running.
 */
#pragma once

#include "rsp/client.h"
#include "target/breaks.h"
#include "target/description.h"
#include "target/machine.h"
#include "target/qemu.h"

/* What a CPU was at when the machine stopped, as far as it was asked for. */
struct qemu_context {
	struct buf registers; /* a g packet's bytes */
	bool known;
	bool steps; /* the stub will (or may) stop it after its next instruction, as it was told once: see qemu_take_steps() */
};

enum qemu_state {
	QEMU_STANDS,
	QEMU_RUNS,
	QEMU_STEPS_OVER, /* a breakpoint; then it goes on as `then` says */
};

struct qemu_target {
	struct target target;
	struct qemu_params params;
	struct rsp_client *stub;
	struct description description;
	const struct description_register *pc;
	struct machine_control control;
	uint32_t cpus;
	struct qemu_context *contexts; /* by thread - 1 */
	bool physical;                 /* addresses are, as the client has told the stub */
	uint32_t selected;             /* what the stub's g and m are about; 0: not known */

	struct breaks breaks;
	enum qemu_state state;
	struct target_resume how;  /* since it runs */
	struct target_resume then; /* with QEMU_STEPS_OVER */
	bool interrupted;          /* while it ran */
	bool resetting;            /* by a command of its monitor */
};

static inline struct qemu_target *qemu_target(struct target *t)
{
	return (struct qemu_target *)t;
}

enum { QEMU_TIMEOUT_MS = 20000 };

/* Asks the stub; a reply that is an error is one, of that code. */
struct err *qemu_ask(struct qemu_target *q, enum err_code code, struct buf *ret, const char *format, ...) err_must_check
	__attribute__((format(printf, 4, 5)));
struct err *qemu_ask_bytes(struct qemu_target *q, enum err_code code, struct buf *ret, const void *request, size_t len)
	err_must_check;

/* Has the stub's next requests be about this CPU. */
struct err *qemu_select(struct qemu_target *q, uint32_t thread) err_must_check;
/* The registers of a CPU; they belong to q. ERR_NOT_FOUND: there is no such CPU. */
struct err *qemu_registers(struct qemu_target *q, uint32_t thread, const struct buf **ret) err_must_check;
/* They may have changed. */
void qemu_forget_registers(struct qemu_target *q);

/* Has no software breakpoint planted in that memory; those that are wanted will be, before it runs. */
struct err *qemu_unplant_within(struct qemu_target *q, uint64_t address, size_t len) err_must_check;

/*
 * Has those CPUs that are in single-step mode though nobody wants them to be take their step, before the machine goes on as
 * `how` says; NULL: without breakpoints, and for good.
 */
struct err *qemu_take_steps(struct qemu_target *q, const struct target_resume *how) err_must_check;

/* The machine begins anew: what was in its memory is gone. TCG's marks beside it stay. */
void qemu_forget_patches(struct qemu_target *q);

/* --- Operations: see target/target.h --- */

struct err *qemu_program_counter(struct target *t, uint32_t thread, uint64_t *ret) err_must_check;
struct err *qemu_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			     size_t *ret_len) err_must_check;
struct err *qemu_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
	err_must_check;
struct err *qemu_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *qemu_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size) err_must_check;
struct err *qemu_resume(struct target *t, const struct target_resume *how) err_must_check;
struct err *qemu_interrupt(struct target *t) err_must_check;
struct err *qemu_next_event(struct target *t, struct target_event *ret) err_must_check;
struct err *qemu_monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
	err_must_check;
