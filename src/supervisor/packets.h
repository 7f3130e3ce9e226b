/*
 * What a debug client may say to QEMU's stub. Pure. Packets are passed on whole, and only if they are well-formed:
 * the stub may be in another state than the client thinks (while the VM runs it takes a packet's first byte for the wish to
 * stop), so that nothing within a packet may look like the beginning of another.
 *
 * Not passed on:
 *
 *	qRcmd	goes to QEMU's monitor for people, which can run programs and write files on the host; only commands that do
 *		neither are (base/hmp.h). All others are answered here.
 *	b...	step and continue backwards: outside replay QEMU 7.2 answers them with E22 and then aborts, and no client may
 *		cost the VM. They get the empty reply, "not supported".
 *
 * Held back for a moment are wishes to go on while a VM is being reset: see packets_hold().
 *
 * Sources: GDB's manual, nodes Overview (of the remote protocol), Packets and General Query Packets; gdbstub.c of QEMU.
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
	bool holding;
	struct buf held;
};

#define PACKETS_INIT                                                                                                   \
	{                                                                                                              \
		.packet = BUF_INIT, .held = BUF_INIT                                                                   \
	}

void packets_deinit(struct packets *p);
DEFINE_CLEANUP_STORAGE(struct packets, packets_deinit);

/* Takes in what the client sent, and appends what the stub gets, and what the client gets from us. */
void packets_feed(struct packets *p, const char *bytes, size_t len, struct buf *to_stub, struct buf *to_client);

/* Appends a reply, of characters that need no escape. */
void packets_put_reply(struct buf *b, const char *payload);

/* Whether a debugger's first byte can be this one. */
bool packets_begin_with(char first);

/*
 * From now on the stub doesn't get a packet that lets the VM go on, nor what follows it, until they are released: QEMU
 * ignores the wish, without a word, while the VM stands in the state that a guest's reset leaves it in.
 */
void packets_hold(struct packets *p);
void packets_release(struct packets *p, struct buf *to_stub);
/* Bytes. */
size_t packets_held(const struct packets *p);

/* Looks for the reply by which QEMU's stub tells of a guest's reset: T03, SIGQUIT, which means nothing else there. */
struct packets_watch {
	unsigned int matched; /* characters of "$T03" */
};

bool packets_watch_reset(struct packets_watch *w, const char *bytes, size_t len);
