/*
 * The debug port: listens on 127.0.0.1, and gives each debug client a server process of its own that stands between it
 * and QEMU's stub. QEMU stops the VM when its stub is connected to, and says so out of turn; so the VM is stopped
 * first, by QMP, and the stub has nothing to say before it is asked.
 *
 * A debugger speaks first. Whoever connects and says nothing (a port scanner, say), or something that is not GDB's protocol
 * (a web browser), is not served, and the VM runs on. Nor is a guest, or another user (supervisor/debugpeer.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "supervisor/rundir.h"

/* What a server process has; all of it stays the caller's. */
struct debugport_session {
	int client_fd; /* -1: none; only what a server process that died has left in the stub is to be cleared away */
	bool goes_on;  /* without a client: the VM ran until it was stopped for this, and goes on afterwards */
	int stub_fd;   /* QEMU's; -1 with a line */
	int line_fd;   /* the serial line to the kernel's stub (supervisor/line.h); -1: none */
	int word_fd;   /* see debugport_reset_done() */
	int ram_fd;    /* the guest's memory, to be read; -1: it isn't to be had */
	/* The process keeps it up to date: 1 if the VM is to run when it dies, though it may just have been stopped; else 0. */
	volatile uint8_t *to_run;
};

/* What a server process does: blocks until the session is over. */
typedef struct err *(*debugport_serve)(const struct debugport_session *session, void *user);

struct debugport_callbacks {
	/* A client has spoken: stop the VM, then call debugport_vm_stopped(). */
	void (*stop_vm)(void *user);
	/* The client is gone, or could not be served; the VM is as that left it. */
	void (*client_gone)(void *user);
	/*
	 * Whether the VM runs, for what is to be done when a server process died. NULL: nothing, and the breakpoints that it had
	 * planted stay.
	 */
	bool (*runs)(void *user);
	/* A descriptor of the guest's memory, which the server process gets; -1: none. May be NULL. */
	int (*ram)(void *user);
	/* The serial line to the kernel's stub, for a server process; -1: it isn't to be had. NULL: it has QEMU's stub. */
	int (*line)(void *user);
	debugport_serve serve;
	void *serve_user;
};

struct debugport;

/*
 * port 0: a free one. ERR_USAGE with the name of the process that has the port, if it is taken and that can be known.
 */
struct err *debugport_create(struct loop *loop, uint16_t port, const struct rundir *rundir,
			     const struct debugport_callbacks *callbacks, void *user, struct debugport **ret)
	err_must_check;
/* Whether the port could be had now. The errors of debugport_create(). */
struct err *debugport_check(uint16_t port) err_must_check;

/* Ends the server process too. */
void debugport_destroy(struct debugport *d);
DEFINE_CLEANUP(struct debugport *, debugport_destroy);

uint16_t debugport_number(const struct debugport *d);
void debugport_vm_stopped(struct debugport *d);
/* A client is being served, or is about to. */
bool debugport_busy(const struct debugport *d);
/* What was to be done about a guest's reset is done: tells the server process, which holds its client's wishes till then. */
void debugport_reset_done(const struct debugport *d);
/* Ends the server process, which can't be dealt with; what it left is cleared away as if it had died. */
void debugport_end_server(struct debugport *d);
/* Ends the server process; for a QEMU that is gone. */
void debugport_hang_up(struct debugport *d);
