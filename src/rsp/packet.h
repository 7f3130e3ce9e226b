/*
 * Packets of GDB's remote serial protocol: what frames them, and what is between them. Pure.
 *
 * A payload is the bytes that are meant. On the wire it is escaped: rsp_encode() does that and rsp_decode() undoes it,
 * so that nobody else has to know. GDB takes a } in a reply for an escape only where the packet's description calls
 * the data binary: a reply of any other kind (E.text, names) had better have none of $ # } * in it.
 *
 * Sources: GDB's manual, nodes Overview (of the remote protocol: frame, escapes, run-length encoding), Packet
 * Acknowledgment, Notification Packets, Interrupts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends a payload as a packet: $...#xx, with $ # } * escaped. Only replies may have run lengths. */
void rsp_encode(struct buf *out, const void *payload, size_t len, bool run_lengths);

/* What a byte of a payload costs on the wire. */
static inline size_t rsp_encoded_size(char c)
{
	return c == '$' || c == '#' || c == '}' || c == '*' ? 2 : 1;
}

enum rsp_event {
	RSP_NONE,         /* nothing complete yet */
	RSP_PACKET,       /* its payload is in d->payload */
	RSP_NOTIFICATION, /* %...#xx, likewise; nobody acknowledges it, and a damaged one is passed over in silence */
	RSP_BAD_SUM,      /* a packet that was damaged on its way: the sum, an escape or a run length is wrong */
	RSP_TOO_LONG,     /* a packet, whole and undamaged, whose payload is longer than allowed; it is lost */
	RSP_ACK,          /* + */
	RSP_NAK,          /* - */
	RSP_INTERRUPT,    /* 0x03 outside of a packet */
};

enum rsp_decoder_state {
	RSP_OUTSIDE,
	RSP_BODY,
	RSP_RUN, /* behind * */
	RSP_SUM, /* behind # */
};

/*
 * Understands a stream of bytes, however it is cut into pieces. What is no part of anything is passed over. A $ within
 * a packet begins another, as no $ can be in one.
 */
struct rsp_decoder {
	/* The caller's choices; they may change between packets. */
	size_t max_payload; /* bytes; what is longer costs no memory */
	bool run_lengths;   /* replies may have them; requests never do, and there a * is a byte like any other */
	bool ignore_sums;   /* for where no packet is sent again anyway */

	struct buf payload; /* of the last packet or notification; valid until the next call */

	enum rsp_decoder_state state;
	bool notification, escaped, damaged, too_long;
	unsigned char sum;
	char digit; /* the first of the sum's, or 0 */
	int last;   /* the last byte as it came, which a run length repeats; -1: none yet */
};

#define RSP_DECODER_INIT(max)                                                                                          \
	{                                                                                                              \
		.max_payload = (max), .payload = BUF_INIT                                                              \
	}

void rsp_decoder_deinit(struct rsp_decoder *d);
DEFINE_CLEANUP_STORAGE(struct rsp_decoder, rsp_decoder_deinit);

/* Takes in bytes up to the end of the first event, or all of them. Returns how many. */
size_t rsp_decode(struct rsp_decoder *d, const char *bytes, size_t len, enum rsp_event *ret);
