/*
 * Transcripts of debug sessions: written by --trace-rsp, read by people and by tests that play them again. Pure.
 *
 * A text file, one event a line:
 *
 *	# anything: a comment; so is an empty line
 *	0.001234 < $qSupported:multiprocess+
 *	0.001240 > +
 *	0.001291 > $PacketSize=20000;QStartNoAckMode+
 *	0.310772 stub> $mffffffff81000000,40
 *	0.311050 stub< $48c7c0...
 *	5.000213 < ^C
 *
 * Seconds since the start, with six decimals; who it came from or went to, as the server sees it; and what it was:
 *
 *	<  from the client	>  to the client	stub<  from the stub	stub>  to the stub
 *
 *	$PAYLOAD	a packet	%PAYLOAD	a notification
 *	+  -		an acknowledgment, one that asks for the packet again
 *	^C		an interrupt (0x03)
 *	!sum  !long	a packet that came damaged; that was longer than allowed
 *
 * One space is between each, and each line ends in a newline. A payload is as it was meant: without escapes and run lengths of the protocol. A byte that is
 * not printable ASCII is written as \xNN, so is a space at the end of a line, and a backslash as two.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rsp/connection.h"

enum rsp_side {
	RSP_SIDE_CLIENT,
	RSP_SIDE_STUB,
};

struct rsp_record {
	uint64_t time_us; /* since the start */
	enum rsp_side side;
	enum rsp_direction direction;
	enum rsp_event event; /* never RSP_NONE */
	const char *payload;  /* of RSP_PACKET and RSP_NOTIFICATION; not owned */
	size_t len;
};

/* Appends the line, with a newline. */
void rsp_transcript_put(struct buf *b, const struct rsp_record *r);

/* Goes through a transcript, which must outlive it. */
struct rsp_transcript_reader {
	const char *p;
	const char *end;
	unsigned int line;  /* the number of the last line read, from 1 */
	struct buf payload; /* of the last record */
};

#define RSP_TRANSCRIPT_READER_INIT(text, size)                                                                         \
	{                                                                                                              \
		.p = (text), .end = (text) + (size), .payload = BUF_INIT                                               \
	}

void rsp_transcript_reader_deinit(struct rsp_transcript_reader *r);
DEFINE_CLEANUP_STORAGE(struct rsp_transcript_reader, rsp_transcript_reader_deinit);

/*
 * The next record; *ret_more is false, and `*ret` not written, at the end. Its payload belongs to the reader and is valid
 * until the next call. ERR_BAD_DATA names the line, which is passed over.
 */
struct err *rsp_transcript_next(struct rsp_transcript_reader *r, bool *ret_more, struct rsp_record *ret) err_must_check;
