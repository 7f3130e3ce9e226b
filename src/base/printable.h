/*
 * Text from outside, made fit for a terminal.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/*
 * Appends n bytes. What would move the cursor or change the terminal becomes \xNN: control characters (C1's too, which some
 * terminals obey), and what is no UTF-8.
 */
void printable_append(struct buf *b, const char *s, size_t n);

/* The same as a string, which the caller frees. */
char *printable(const char *s, size_t n);
