/*
 * The server process of a debug client, as long as there is nothing to add to QEMU's own stub: bytes from one side to
 * the other, until either closes.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Blocks. Both descriptors stay the caller's. *ret_spoke: the client has sent something. */
struct err *relay_run(int client_fd, int stub_fd, bool *ret_spoke) err_must_check;
