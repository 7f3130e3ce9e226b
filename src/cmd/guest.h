/*
 * A command in a running guest, from the side of ktb exec and its like: a connection to the guest's agent, the streams
 * that are moved over it, and how it ended.
 */
#pragma once

#include <stdbool.h>

#include "base/util.h"
#include "supervisor/rundir.h"
#include "vm/terminal.h"

/* What ktb exec, push, pull and module exit with when it isn't the command's own status. */
enum {
	GUEST_FAILED = 125,    /* ktb could not, or the VM went away */
	GUEST_NOT_RUN = 126,   /* the command is there, but can't be executed */
	GUEST_NOT_FOUND = 127, /* it isn't there */
	GUEST_SIGNALLED = 128, /* plus the signal's number */
};

struct guest_command {
	const struct vm_record *vm;
	const struct strv *args; /* none: a login shell */
	const struct strv *env;  /* NAME=value; NULL: none */
	const char *folder;      /* to run in; NULL: the usual one */
	bool builtin;            /* args are the agent's own (guest/transfer.h) */
	/*
	 * Descriptors for its streams; they stay the caller's. in is read when poll(2) says that there is something. The
	 * others may be shared with other processes; -1: what comes is dropped (err), or kept (see text).
	 */
	int in, out, err;
	struct terminal *
		terminal; /* it gets a terminal of its own, of this one's size; NULL: none. in and out are this one's */
	struct buf *text; /* with out or err -1, what came there, at most 64 KiB; NULL: dropped */
};

/*
 * Runs it to its end. *ret_status is its exit status, or one of those above. Where the guest can't run it (stopped,
 * panicked, at kdb, not up in time), and when the VM ends meanwhile: an error.
 */
struct err *guest_run(const struct guest_command *command, int *ret_status) err_must_check;

/* The VM that --name says, or the only one that runs. The caller destroys it. */
struct config;
struct err *guest_find_vm(const struct config *cfg, struct vm_record **ret) err_must_check;
