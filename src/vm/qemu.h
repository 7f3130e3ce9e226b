/*
 * A QEMU process with its channels: shared RAM, console, monitors, init's port, and what it says on stderr.
 */
#pragma once

#include "base/process.h"
#include "vm/argv.h"

/* Descriptors are ours; -1 where handed on. */
struct qemu {
	struct process process;
	int ram_fd;                  /* read and write: never to be handed to others as it is */
	int serial_out_fd;           /* what the guest writes to ttyS0 */
	int serial_in_fd;            /* what it reads there; only to be written to */
	int kgdb_out_fd, kgdb_in_fd; /* the same of ttyS1, if there is one */
	int qmp_fd, hmp_fd, init_fd, stderr_fd;
};

#define QEMU_INIT                                                                                                      \
	{                                                                                                              \
		PROCESS_INIT, -1, -1, -1, -1, -1, -1, -1, -1, -1                                                       \
	}

/*
 * Starts QEMU. It dies with the calling thread. stub_fd and agent_fd are listening UNIX sockets for its GDB
 * stub and for the agent's port; they stay the caller's. dir_fd is a folder in which it makes the FIFOs of the serial line, in place of old ones. ERR_PREREQ if QEMU is
 * not installed.
 */
struct err *qemu_start(const struct vm_params *params, int dir_fd, int stub_fd, int agent_fd, struct qemu *ret)
	err_must_check;

/* Kills the process if there still is one, and closes what was not handed on. */
void qemu_deinit(struct qemu *q);
DEFINE_CLEANUP_STORAGE(struct qemu, qemu_deinit);

/* A descriptor of the RAM that can only be read, for another process. The caller closes it. */
struct err *qemu_ram_readonly(const struct qemu *q, int *ret) err_must_check;
