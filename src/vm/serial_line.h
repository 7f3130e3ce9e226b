/*
 * A serial line to a machine that isn't ours: a device, or what leads to one (a terminal server, the socket of a virtual machine,
 * a pseudo-terminal that is made for somebody else). Opened once, then in an event loop, where it never waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

enum serial_kind {
	SERIAL_TTY,
	SERIAL_TCP,
	SERIAL_UNIX,
	SERIAL_TELNET,
	SERIAL_PTY,
};

enum serial_parity {
	SERIAL_PARITY_NONE,
	SERIAL_PARITY_EVEN,
	SERIAL_PARITY_ODD,
};

/* Where it is: DEVICE, tcp:HOST:PORT, telnet:HOST:PORT, unix:PATH, pty. */
struct serial_place {
	enum serial_kind kind;
	char *path; /* of a device or a socket */
	char *host, *port;
};

#define SERIAL_PLACE_INIT                                                                                              \
	{                                                                                                              \
		.kind = SERIAL_PTY                                                                                     \
	}

void serial_place_deinit(struct serial_place *p);
DEFINE_CLEANUP_STORAGE(struct serial_place, serial_place_deinit);
/* Pure. ERR_USAGE. */
struct err *serial_place_parse(const char *text, struct serial_place *ret) err_must_check;
/* Whether a BREAK can be sent there. */
bool serial_place_has_break(const struct serial_place *p);

struct serial_params {
	const struct serial_place *place;
	/* Of a device: */
	uint32_t speed; /* baud */
	enum serial_parity parity;
};

/* Whether a device can have this speed. ERR_USAGE names those that there are. */
struct err *serial_check_speed(uint64_t speed) err_must_check;

struct serial_callbacks {
	/* Bytes have come. */
	void (*data)(const char *bytes, size_t len, void *user);
	/* The other side closed, or the device is gone. Called once. */
	struct err *(*closed)(void *user);
	/* A BREAK is sent; what is written here goes in front of what was written meanwhile. */
	void (*break_done)(void *user);
	/* All that was written is on its way. */
	void (*drained)(void *user);
};

struct serial_line;

/*
 * Opens it: waits at most some seconds for a connection. callbacks must outlive it. A device is ours alone, and is left as it
 * was found. ERR_OS, ERR_USAGE, ERR_TIMEOUT, ERR_NOT_FOUND.
 */
struct err *serial_line_create(struct loop *loop, const struct serial_params *params,
			       const struct serial_callbacks *callbacks, void *user, struct serial_line **ret)
	err_must_check;
void serial_line_destroy(struct serial_line *l);
DEFINE_CLEANUP(struct serial_line *, serial_line_destroy);

/* How others reach it: the name of the device or of the pseudo-terminal that was made, or what was asked for. */
const char *serial_line_name(const struct serial_line *l);

/* What can't be written now is kept, and so is what is written during a BREAK. */
void serial_line_write(struct serial_line *l, const char *bytes, size_t len);
/* Bytes that are kept. */
size_t serial_line_pending(const struct serial_line *l);
/* Once what was written is out. Only where there is one: serial_place_has_break(). */
void serial_line_break(struct serial_line *l);
