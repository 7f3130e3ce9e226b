/*
 * What the kernel's command line tells init: ktb.rows=, ktb.cols=, ktb.term=, ktb.shell=.
 * (The kernel passes parameters with a dot in their name neither to init's arguments nor to its environment.)
 */
#pragma once

#include <stdint.h>

struct options {
	/* The console terminal's size; 0 where it isn't known. */
	uint16_t rows;
	uint16_t cols;
	char term[64];
	/* Path of the program that runs on the console. */
	char shell[256];
};

/* The defaults, overridden by what the command line says. A value that is no number or too long is as if not given. */
void options_parse(const char *cmdline, struct options *ret);
