/*
 * The server process of a debug client, as long as there is nothing to add to QEMU's own stub: bytes from one side to
 * the other, until either closes. What the client may not say to the stub (supervisor/packets.h) is answered here.
 */
#pragma once

#include "base/err.h"

/*
 * Blocks. A byte on word_fd says that the supervisor has done what it does about a guest's reset. All descriptors stay the
 * caller's.
 */
struct err *relay_run(int client_fd, int stub_fd, int word_fd) err_must_check;
