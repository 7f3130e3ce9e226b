/*
 * A serial line that a console and a debugger share, as KGDB's does: tells the packets of a kernel's stub from the text of its
 * console. Pure.
 *
 * What is no packet for certain is text; so nothing that a guest prints is swallowed because it looks like a packet. A packet
 * is one only where one is due: a reply to what was asked, an acknowledgment of what was sent, and while the kernel runs a
 * stop reply of the form that stubs of kernels send. Packets of the kernel's are never interrupted by text, since all CPUs but
 * the one that sends are held.
 *
 * Sources: GDB's manual, nodes Overview and Stop Reply Packets; kernel/debug/gdbstub.c of Linux.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
	/* Bytes of a packet, with all around it; kernels have 1024 to 4096 for what is in one (BUFMAX). */
	RSP_LINE_PACKET_MAX = 8192 + 4,
};

enum rsp_line_state {
	RSP_LINE_ALONE,  /* nobody debugs: all is text */
	RSP_LINE_STANDS, /* the kernel stands in its stub */
	RSP_LINE_RUNS,   /* it was let go on, and may stop */
};

struct rsp_line {
	enum rsp_line_state state;
	/*
	 * Whether the kernel has really stopped, or with `leaves` has taken its leave of the debugger, for who can know: asked when a
	 * reply has come that says so. NULL: it is believed.
	 */
	bool (*is_stopped)(void *user, bool leaves);
	void *user;
	bool takes_output; /* what a kernel that runs writes to its console comes in packets, too (kgdbcon) */

	bool ack_due, reply_due;
	bool damaged;     /* a reply was, and is to be asked for again by "-"; the caller takes this back */
	struct buf held;  /* what may be a packet, from $ on */
	size_t hash;      /* where in it # is; 0: nowhere yet */
	struct buf sent;  /* the last packet that was sent, as it was: an echo of it is text */
	size_t sent_hash; /* as above */
	struct buf last;  /* the last reply, which may come again */
};

#define RSP_LINE_INIT                                                                                                  \
	{                                                                                                              \
		.state = RSP_LINE_ALONE, .held = BUF_INIT, .sent = BUF_INIT, .last = BUF_INIT                          \
	}

void rsp_line_deinit(struct rsp_line *l);
DEFINE_CLEANUP_STORAGE(struct rsp_line, rsp_line_deinit);

/* The kernel has been brought into another state by other means than a packet. Nothing is due then. */
void rsp_line_set_state(struct rsp_line *l, enum rsp_line_state state);

/* What was sent last need not have a reply, but here there may be one. */
void rsp_line_set_reply_due(struct rsp_line *l);

/* These bytes go to the kernel's stub. */
void rsp_line_sent(struct rsp_line *l, const char *bytes, size_t len);

/* Each byte comes once, in order, as the one or the other. */
typedef void (*rsp_line_output)(bool is_packet, const char *bytes, size_t len, void *user);

/* These bytes came. The end of them may be held until it is clear what they are. */
void rsp_line_feed(struct rsp_line *l, const char *bytes, size_t len, rsp_line_output output, void *user);

/* Nothing has come for longer than a packet's bytes would take: what is held is text. */
void rsp_line_give_up(struct rsp_line *l, rsp_line_output output, void *user);
/* Bytes that are held. */
size_t rsp_line_held(const struct rsp_line *l);
