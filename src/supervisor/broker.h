/*
 * The broker shares the port of the guest's agent out among clients. It is a process of its own: it has to read the
 * headers of frames that a guest wrote, which the supervisor must not.
 */
#pragma once

#include "base/err.h"

/* What the supervisor tells it, a byte each. */
enum broker_message {
	BROKER_CLIENT = 'c',       /* comes with a descriptor: a stream socket that carries frames (guest/protocol.h) */
	BROKER_GUEST_CLOSED = 'g', /* the agent has closed its port */
};

/*
 * Serves until the supervisor or QEMU hangs up. Messages come over supervisor_fd; dir_fd is the run directory, with
 * agent.sock in it. Both stay the caller's.
 *
 * A client is one command: its first frame is an OPEN, and after the guest's END it closes. A connection that is closed
 * without END means that the agent, or the VM, is gone.
 */
struct err *broker_run(int supervisor_fd, int dir_fd) err_must_check;
