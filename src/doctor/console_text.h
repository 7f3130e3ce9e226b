/*
 * What the last part of a guest's console says about it. Pure; reads what the guest wrote.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct console_text {
	bool at_kdb;      /* it ends at kdb's prompt */
	bool awaits_kgdb; /* it ends with kgdb waiting for a debugger on the line */
	bool at_shell;    /* it ends at what looks like a shell's prompt */
	/* The kernel has handed over to init; a quiet one doesn't say so, but its shell shows it. */
	bool booted;
	char panic[256];   /* first line of a panic, printable; "" for none */
	char root[256];    /* why init stayed in the initramfs, in its own words; "" if it did not */
	char trouble[256]; /* first line of a report of the kernel's that is no panic (BUG:, Oops:, ...); "" for none */
};

void console_text_read(const char *text, size_t len, struct console_text *ret);

/* What usually is behind a panic with this first line, and what to do. Static. */
const char *console_text_panic_advice(const char *panic);
