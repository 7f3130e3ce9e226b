/*
 * The way to the guest's agent: the listening socket for QEMU's end of its port, and the broker, a process that shares
 * the port out among clients (supervisor/broker.h). It is started for the first client and stays as long as QEMU does.
 * The supervisor only hands on descriptors; what a guest wrote it never sees.
 */
#pragma once

#include "base/loop.h"
#include "supervisor/rundir.h"

struct agentport;

/* Listens on agent.sock in the run directory. */
struct err *agentport_create(struct loop *loop, const struct rundir *rundir, struct agentport **ret) err_must_check;
/* Ends the broker. NULL is fine. */
void agentport_destroy(struct agentport *a);
DEFINE_CLEANUP(struct agentport *, agentport_destroy);

/* The listening socket, for QEMU; it belongs to a. */
int agentport_fd(const struct agentport *a);

/* A new client's connection to the broker. The caller closes it. ERR_OS if the broker can't be reached. */
struct err *agentport_connect(struct agentport *a, int *ret) err_must_check;

/* The agent has closed its port, or is gone with a reset: those it served are told, the others go on waiting. */
void agentport_guest_closed(struct agentport *a);

/* QEMU is gone: all clients are hung up on. */
void agentport_hang_up(struct agentport *a);
