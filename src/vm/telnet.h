/*
 * Telnet, as terminal servers and QEMU (-serial telnet:...) speak it for a serial line: takes commands out of what comes and
 * doubles what would be one in what goes. Agrees to BINARY, SUPPRESS-GO-AHEAD and the other side's ECHO. Pure.
 *
 * Sources: RFC 854, 855, 856 (BINARY), 857 (ECHO), 858; chardev/char-socket.c of QEMU, which doesn't double a byte 255 of the
 * guest's: one that is followed by no command is taken as what it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum telnet_state {
	TELNET_DATA,
	TELNET_CR,      /* a CR has come, which a NUL may follow */
	TELNET_COMMAND, /* IAC */
	TELNET_OPTION,  /* IAC WILL, say; `verb` */
	TELNET_SUB,     /* IAC SB ... */
	TELNET_SUB_IAC,
};

/* All zero at first. What is agreed on of each option, by its number: telnet.c. */
struct telnet {
	enum telnet_state state;
	uint8_t verb;
	uint8_t ours[4], theirs[4];
};

/* What is to be said at first. */
void telnet_begin(struct telnet *t, struct buf *ret);
/* Appends the line's bytes to *ret, and what is to be answered to *ret_answer. */
void telnet_feed(struct telnet *t, const char *bytes, size_t len, struct buf *ret, struct buf *ret_answer);
/* Appends bytes of the line as they are to be sent. */
void telnet_put(const struct telnet *t, const char *bytes, size_t len, struct buf *ret);
void telnet_put_break(struct buf *ret);
