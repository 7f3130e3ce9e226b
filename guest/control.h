/*
 * The guest's end of the control port (protocol.h), to be driven from an epoll loop.
 *
 * Theory of operation
 *
 * Finding it. A virtio-serial port is there once its device is probed, and has a name only when the host's message
 * with the name has come: maybe before init starts, maybe some milliseconds later, maybe when a module is loaded. The
 * kernel announces each of these steps by a uevent. So: first subscribe to uevents, then look, and look again at each
 * uevent of a port, until it is found. A kernel without network has no uevents for us: then look again now and then,
 * ever more rarely, and give up in the end.
 *
 * Watching it. While the host has closed its side, poll() reports POLLHUP and POLLIN without end, and read() returns
 * 0. The port is therefore watched edge-triggered: the kernel wakes the waiters when the host opens or closes, and
 * only that is reported. What an edge would let us miss, data that was left unread, is brought back by arming again
 * after each read that found some: one read per turn of the loop, so a host that talks without end doesn't keep init
 * from its other duties.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame.h"
#include "shutdown.h"

/* What the loop finds in epoll_event.data.u32; the loop's own events start at CONTROL_EVENT_END. */
enum control_event {
	CONTROL_EVENT_PORT,
	CONTROL_EVENT_UEVENT,
	CONTROL_EVENT_END,
};

struct control {
	int epoll;
	/* The console's terminal, which the host sizes; or -1. */
	int tty;
	/* -1 until found. */
	int port;
	/* Socket that tells of new devices; open only while there is no port. */
	int uevents;
	/* How often we have looked without uevents. */
	unsigned int searches;
	/* The stream made no sense: ignored until the host connects again. */
	bool deaf;
	/* 0: it doesn't run. */
	pid_t agent;
	/* Asked for since it was started: if it ends it is started again. */
	bool agent_wanted;
	size_t fill;
	uint8_t rx[KTB_FRAME_HEADER + KTB_FRAME_PAYLOAD_MAX];
};

/* Starts to look for the port. Neither descriptor becomes c's; c lives as long as init does. */
void control_init(struct control *c, int epoll, int tty);

/* How long epoll_wait() may take until control_search() is due, in ms; -1 for any time. */
int control_timeout(const struct control *c);
/* Looks for the port once more. */
void control_search(struct control *c);

/* Handles what epoll reported, an EPOLL* mask. Returns what the host wants of the VM. */
enum ending control_handle(struct control *c, enum control_event event, uint32_t mask);

/* A child has ended, maybe the agent. */
void control_reaped(struct control *c, pid_t pid);
