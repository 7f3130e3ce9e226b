/*
 * The keys that a console keeps for itself: Ctrl-a, then one more. Pure.
 *
 *	Ctrl-a x   end the VM                 Ctrl-a c   QEMU's monitor, and back
 *	Ctrl-a h   help                       Ctrl-a Ctrl-a   Ctrl-a itself
 *
 * Anything else behind Ctrl-a goes to the guest, Ctrl-a included.
 */
#pragma once

#include "base/buf.h"

enum keys_action {
	KEYS_NONE,
	KEYS_QUIT,
	KEYS_MONITOR,
	KEYS_HELP,
};

/* All zero at first. */
struct keys {
	bool prefixed; /* Ctrl-a was the last key */
};

/*
 * Takes keys up to the first action or to the end: appends those for the guest to *out, sets *ret_action, and returns
 * how many bytes were taken.
 */
size_t keys_feed(struct keys *k, const char *bytes, size_t len, struct buf *out, enum keys_action *ret_action);

/* What Ctrl-a h prints. detachable: the VM goes on when the console is left with Ctrl-a x. Static. */
const char *keys_help(bool detachable);
