/*
 * The guest's end of a virtio-serial port (protocol.h).
 */
#pragma once

/* Opens the port of that name for both directions, non-blocking. -1 if there is none yet, or if it can't be opened. */
int port_open(const char *name);
