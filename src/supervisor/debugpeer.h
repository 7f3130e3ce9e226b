/*
 * Who may speak on the debug port. It listens on 127.0.0.1, and that is open to more than its user: to all users of the
 * machine, and by way of QEMU's user network (10.0.2.2) to whatever runs in a guest.
 */
#pragma once

#include "base/sock.h"

enum debugpeer {
	DEBUGPEER_WELCOME, /* a process of this user's, or of root's */
	DEBUGPEER_GUEST,   /* a QEMU: it connects for its guest */
	DEBUGPEER_OTHER_USER,
	DEBUGPEER_GONE,
};

/* The peer of an accepted connection. */
enum debugpeer debugpeer_find(int fd);
