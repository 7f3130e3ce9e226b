/*
 * What keeps a guest from answering: for a command in a guest (cmd/guest.h) that has heard nothing for a while, what the
 * supervisor knows of the VM, and what that means. As long as the command has not begun, what is wrong is an error.
 * Afterwards it is said once, and waited on: a command that runs into a breakpoint is what a debugger is for.
 */
#pragma once

#include <stdbool.h>

#include "base/util.h"
#include "supervisor/rundir.h"

/* How often guest_watch_tick() is to be called. */
enum { GUEST_WATCH_TICK_MS = 500 };

struct guest_watch {
	/* The caller's to set. */
	const struct vm_record *vm;
	const char *give_up; /* how the user gives the command up, as in "or give it up with ..." */
	bool begun;          /* the guest has said so; set when it has */

	/* To be read: how often guest_watch_tick() was called, now and when something was heard last. */
	unsigned int ticks, heard_ticks;

	/* The module's own. */
	bool up, own_init, pinged;
	unsigned int up_ticks;      /* when init was up */
	unsigned int stopped_looks; /* how often in a row the VM was found stopped: a reset takes a moment */
	const char *told;           /* what was said of the VM's state; NULL: nothing */
};

/*
 * To be called before anything is sent: nothing may be sent to a VM that is stopped, since it would be run when that one
 * goes on. Waits for at most a second where it is only paused, as one is that is being reset. An error: nothing can be
 * run in it.
 */
struct err *guest_watch_begin(struct guest_watch *w) err_must_check;

/*
 * To be called every GUEST_WATCH_TICK_MS until the command has ended; asks the supervisor if it is time to. *ret_ping: the
 * guest is to be asked for a sign of life. An error is the end: the VM ended or panicked, or, before the command has begun,
 * can't run it or was not heard of in time.
 */
struct err *guest_watch_tick(struct guest_watch *w, bool *ret_ping) err_must_check;

/* Something came from the guest. */
void guest_watch_heard(struct guest_watch *w);

/* The connection to the guest's agent broke: why. Never NULL. Waits up to a second for the supervisor to end. */
struct err *guest_watch_broken(struct guest_watch *w) err_must_check;
