/*
 * QEMU's stub as a target (gdbstub of QEMU 7.2 and later), together with the guest's RAM: what is in RAM is read there, which is
 * a thousand times faster than through the stub. All else goes through it.
 */
#pragma once

#include "mem/mem.h"
#include "rsp/connection.h"
#include "target/target.h"

struct qemu_params {
	/* Connected to the stub; stays the caller's, and must outlive the target. The machine stands still. */
	int stub_fd;
	/* What CPUs see of the RAM, handed over. NULL: all memory is read through the stub. */
	struct mem *mem;
	/* Breakpoints of the stub's are instructions in the guest's memory (KVM), not marks beside it (TCG). */
	bool patches_memory;
	/* The session before this one has died, and may have left CPUs in single-step mode: the stub has no way to ask. */
	bool may_have_steps;
	/* Sees what goes to and comes from the stub; NULL: nobody. rsp/connection.h */
	rsp_tap tap;
	void *tap_user;
};

/* Begins a session with the stub, which forgets breakpoints of an earlier one. ERR_CLOSED, ERR_BAD_DATA, ERR_TIMEOUT. */
struct err *qemu_target_create(const struct qemu_params *params, struct target **ret) err_must_check;
