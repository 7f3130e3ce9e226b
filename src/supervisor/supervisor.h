/*
 * The supervisor: one process, one thread, one poll loop, and nothing in it that can block or that parses what a guest
 * wrote. It owns QEMU, relays the console, listens on the debug port and answers the control socket, until the VM ends.
 */
#pragma once

#include "supervisor/debugport.h"
#include "supervisor/rundir.h"
#include "vm/argv.h"
#include "vm/terminal.h"

enum on_panic {
	ON_PANIC_PAUSE,
	ON_PANIC_REBOOT,
	ON_PANIC_EXIT,
};

/* How long to wait, in ms; 0: as long as suits people and loaded machines. */
struct supervisor_patience {
	unsigned int start; /* for QEMU's first answer: then it is killed, and that is an error */
	unsigned int quit;  /* for a QEMU that was asked to quit: then it is killed */
	unsigned int stop;  /* for a guest that was asked to power off: then QEMU is asked */
	unsigned int up;    /* for a guest that doesn't say that it is up: then it is taken to be */
};

struct supervisor_params {
	struct vm_params vm;
	bool accel_auto; /* KVM that fails early in boot is replaced by TCG */
	enum on_panic on_panic;
	bool own_init; /* process 1 is not ktb's: asked to power off by the power button */
	struct supervisor_patience patience;
	bool has_port;
	uint16_t port;         /* 0: a free one */
	debugport_serve serve; /* what a debug client's server process does */
	bool serve_mends;      /* ... and can clear away what another one has left */
	bool kgdb;             /* it speaks with the kernel's stub, over a serial line */
	void *serve_user;
	struct terminal *terminal; /* NULL: in the background */
	const char
		*name_option; /* how the user names this VM to other commands: " --name X", "" where it need not be */
	const struct rundir *rundir;
	struct vm_record *record; /* the supervisor fills in what it knows (port, accel, cmdline, pid) and writes it */
	/* Called once, when QEMU has the VM ready and its record is written. May be NULL. */
	void (*started)(const struct vm_record *record, void *user);
	void *user;
};

/* How long a guest that was asked to power off has for it, in seconds, unless patience says otherwise. */
enum { SUPERVISOR_STOP_S = 15 };

/* Exit statuses of `ktb vm`, beside those of errors. */
enum {
	SUPERVISOR_POWEROFF = 0,
	SUPERVISOR_PANIC = 134,
	SUPERVISOR_QEMU_DIED = 125,
};

/*
 * Runs the VM to its end. *ret_status is what `ktb vm` exits with: the above, or 128 + the number of the signal that
 * ended it. An error means that the VM could not be run; what QEMU said about it is in the message.
 */
struct err *supervisor_run(const struct supervisor_params *params, int *ret_status) err_must_check;
