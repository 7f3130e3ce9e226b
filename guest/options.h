/*
 * What the kernel's command line tells init: ktb.rows=, ktb.cols=, ktb.term=, ktb.shell=, ktb.root=, ktb.init=,
 * ktb.share=TAG:ro|rw:PATH. In the values of the last three %XX is the character of that number.
 * (The kernel passes parameters with a dot in their name neither to init's arguments nor to its environment.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_SHARES_MAX = 16 };

/* A folder of the host's, over 9p. */
struct options_share {
	char tag[32];
	bool writable;
	char path[256];
};

struct options {
	/* The console terminal's size; 0 where it isn't known. */
	uint16_t rows;
	uint16_t cols;
	char term[64];
	/* Path of the program that runs on the console, and whether it was named. */
	char shell[256];
	bool shell_given;
	/* What becomes the root: "9p", a folder of the host's below an overlay, or a device; empty: the initramfs stays. */
	char root[256];
	/* The program that takes init's place there; empty: init stays. */
	char init[256];
	struct options_share shares[OPTIONS_SHARES_MAX];
	size_t shares_n;
};

/* The defaults, overridden by what the command line says. A value that is no number or too long is as if not given. */
void options_parse(const char *cmdline, struct options *ret);
