/*
 * A debug session: serves a target to one client over GDB's remote serial protocol. It knows the protocol and nothing of the
 * machine; all that can be said about that is in target/target.h.
 *
 * Sources: GDB's manual, appendix "GDB Remote Serial Protocol". What GDB itself does where the manual is silent, and LLDB, is
 * said where it matters.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "rsp/connection.h"
#include "target/target.h"

struct session_params {
	/* A client that vanishes leaves the machine stopped, else it runs on. One that detaches lets it go on in any case. */
	bool stop_on_disconnect;
	/*
	 * Kept up to date, in memory that outlives this process: 1 if the machine is to run should the process end in the midst of
	 * something, since that is all that the client knows of, or wished; else 0. NULL: nobody wants to know.
	 */
	volatile uint8_t *to_run;
	/* Shown in the client's console at the first opportunity: lines, each with its end. NULL: nothing. */
	const char *greeting;
	rsp_tap tap; /* sees each packet; may be NULL */
	void *tap_user;
};

/*
 * Serves the target until the client is gone, or the target is. Both descriptors and the target stay the caller's.
 *
 * client_fd: a connected socket. word_fd: each byte that can be read there says that what had to be done outside about
 * TARGET_REASON_RESET is done; until then the client's wishes to go on are held. Its end means that nobody will say so any
 * more. -1: there is none, and nothing is held.
 *
 * At the end no breakpoint of the client's is left, and the machine runs or stands as params say. NULL: the client went, or
 * ended the machine. ERR_CLOSED: the target is gone, which the client has been told. Other errors: the machine could not be
 * left as it should be, and why.
 */
struct err *session_run(int client_fd, int word_fd, struct target *t, const struct session_params *params)
	err_must_check;

/*
 * For a client that can't be served: answers its first packet with an error, which GDB shows, and waits a moment until it has
 * gone.
 */
void session_refuse(int client_fd, const char *why);
