/*
 * A line that shows how far long work is: rewritten in place on a terminal, a new line now and then elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool terminal;
	bool shown; /* a line stands on the terminal */
	uint64_t start_ns;
	uint64_t last_ns; /* when a line was last printed */
};

void progress_init(struct progress *p);

/*
 * Shows text (one line, cut to the terminal's width), with the elapsed time in front. On a terminal at most ten times
 * a second; elsewhere every 15 seconds.
 */
void progress_update(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Takes the line away, so that something else can be printed. */
void progress_clear(struct progress *p);

/* "1 min 02 s": since progress_init. The caller frees it. */
char *progress_elapsed(const struct progress *p);
