/*
 * The guest's serial console and everyone who looks at it: the terminal that `ktb vm` runs on, any number of
 * connections to serial.sock, and the log. What comes from the terminal goes through the keys of vm/keys.h.
 *
 * Nobody who looks can hold the guest back: its UART would drop what it can't get rid of in 10 ms. The log has
 * everything; a terminal that is more than 16 MiB behind misses some, and is told how much; a connection that is, is
 * closed. While the terminal shows QEMU's monitor, what the guest writes is kept for it, up to 16 KiB.
 *
 * Nobody who types can make us keep more than 1 MiB that the guest does not read: they are not read from until it is gone.
 */
#pragma once

#include "base/loop.h"
#include "supervisor/rundir.h"
#include "vm/keys.h"
#include "vm/terminal.h"

struct console_callbacks {
	/* A key that is not the console's own business: KEYS_QUIT. */
	struct err *(*action)(enum keys_action action, void *user);
	/* The guest has written this to its console. */
	void (*output)(const char *bytes, size_t len, void *user);
	/*
	 * This came over the serial line, which others use, too; what of it is the console's is given back by console_show(). NULL:
	 * all of it is.
	 */
	void (*line)(const char *bytes, size_t len, void *user);
	/* The terminal's window has this size now. */
	void (*resize)(uint16_t rows, uint16_t cols, void *user);
	const char *help; /* what Ctrl-a h prints; NULL: what there is with a VM */
};

struct console;

/*
 * terminal: NULL for none. It is put into raw mode. callbacks must outlive the console.
 */
struct err *console_create(struct loop *loop, struct terminal *terminal, const struct rundir *rundir,
			   const struct console_callbacks *callbacks, void *user, struct console **ret) err_must_check;
void console_destroy(struct console *c);
DEFINE_CLEANUP(struct console *, console_destroy);

/*
 * Connects it with a QEMU that has just started: its serial line (what the guest writes, what it reads) and its
 * monitor. Takes the descriptors. -1 for what is not QEMU's: what is written there is given by console_show(), and there is no
 * monitor.
 */
void console_attach(struct console *c, int serial_out_fd, int serial_in_fd, int hmp_fd);

/* What came over the line, and is the console's. */
void console_show(struct console *c, const char *bytes, size_t len);
/* Writes to the guest's serial line, in front of what is typed. */
void console_send(struct console *c, const char *bytes, size_t len);
/* Keeps what is typed, since nobody reads it now, or it would be taken for something else. */
void console_hold_input(struct console *c, bool hold);

/*
 * Takes in what the guest has written up to now. For when QEMU reports something about the guest by another way: what
 * the guest said before must have been seen before.
 */
void console_catch_up(struct console *c);

/* QEMU is gone: shows what it still had written, and waits a moment for slow readers. */
void console_detach(struct console *c);

/* Something for the user: on the terminal's error output, on lines of its own. */
void console_note(const struct console *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tells the window's size again, by callbacks.resize; nothing without a window. */
void console_report_size(const struct console *c);
