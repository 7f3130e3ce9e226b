/*
 * What a debug client may say to QEMU's stub. Pure. Packets are passed on whole, and only if they are well-formed:
 * the stub may be in another state than the client thinks (while the VM runs it takes a packet's first byte for the wish to
 * stop), so that nothing within a packet may look like the beginning of another.
 *
 * Not passed on:
 *
 *	qRcmd	goes to QEMU's monitor for people, which can run programs and write files on the host; only commands that do
 *		neither are. All others are answered here.
 *	b...	step and continue backwards: outside replay QEMU 7.2 answers them with E22 and then aborts, and no client may
 *		cost the VM. They get the empty reply, "not supported".
 *
 * Sources: GDB's manual, nodes Overview (of the remote protocol), Packets and General Query Packets; gdbstub.c and
 * hmp-commands.hx of QEMU.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

enum packets_state {
	PACKETS_OUTSIDE,
	PACKETS_BODY,
	PACKETS_SUM, /* the two digits behind # */
};

struct packets {
	enum packets_state state;
	struct buf packet; /* as it came, from $ on */
	unsigned int digits;
	bool too_long; /* the rest of it is dropped */
};

#define PACKETS_INIT                                                                                                   \
	{                                                                                                              \
		.packet = BUF_INIT                                                                                     \
	}

void packets_deinit(struct packets *p);
DEFINE_CLEANUP_STORAGE(struct packets, packets_deinit);

/* Takes in what the client sent, and appends what the stub gets, and what the client gets from us. */
void packets_feed(struct packets *p, const char *bytes, size_t len, struct buf *to_stub, struct buf *to_client);

/* Whether a debugger's first byte can be this one. */
bool packets_begin_with(char first);

/* Whether a line for QEMU's monitor does nothing to the host. */
bool packets_monitor_allowed(const char *line);
