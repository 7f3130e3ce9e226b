/*
 * The server process of a debug client who wants QEMU's own stub (ktb vm --raw-stub): bytes from one side to the other, until
 * either closes. What the client may not say to the stub (supervisor/packets.h) is answered here.
 */
#pragma once

#include "supervisor/debugport.h"

/* A debugport_serve; user is not used. */
struct err *relay_run(const struct debugport_session *session, void *user) err_must_check;
