/*
 * The agent: a process beside init that runs commands and moves files for the host, over a port of its own
 * (protocol.h). It is not init, so that what it does, a write to a file system that hangs included, and what goes wrong in
 * it cost no more than it.
 */
#pragma once

#include <sys/types.h>

/* Starts the agent as a program of its own. Returns its process, or 0: then that was said. */
pid_t agent_start(void);

/*
 * What this program is when it isn't init: the agent, or one of its workers. argv[0] says which; there are n of them. Returns the exit status.
 */
int agent_main(char **argv, size_t n);
