/*
 * Watches a console's text for a kernel panic, and for the end of a boot. Pure, and no more than a search for three fixed
 * texts, for it reads what the guest wrote. Sources: kernel/panic.c ("Kernel panic - not syncing: "), kernel/reboot.c,
 * init/main.c ("Run /init as init process").
 *
 * Whether the kernel really panicked the pvpanic device says; before its driver is there, a reset that follows the
 * text does. A guest can print this text whenever it likes: alone it means nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All zero at first, and after a reset. */
struct panic_watch {
	char line[512]; /* the line so far, cut where it is longer */
	size_t len;
	bool seen;
	bool init_run;
	char first_line[256]; /* "Kernel panic - not syncing: ...", printable */
};

void panic_watch_feed(struct panic_watch *w, const char *bytes, size_t len);

/* The panic's first line, or NULL if there was none since the last orderly restart. */
const char *panic_watch_line(const struct panic_watch *w);

/* The kernel has started an init, or at least tried to. */
bool panic_watch_init_run(const struct panic_watch *w);
