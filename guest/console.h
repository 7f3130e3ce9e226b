/*
 * The console's terminal, and the shell on it.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "options.h"

/*
 * Opens the terminal behind /dev/console and gives it the size from the options, where there is one. Returns a
 * close-on-exec descriptor that is the caller's, or -1 if the kernel has no console.
 */
int console_open(const struct options *o);

/* Sets the terminal's size, of which the kernel tells the foreground process group. */
void console_resize(int tty, uint16_t rows, uint16_t cols);

/*
 * Makes tty the controlling terminal of init's session and starts the shell in its foreground, as a login shell.
 * SIGTTOU must be blocked. What init has blocked is unblocked in the shell. Returns its pid, or -1 after having said
 * why.
 */
pid_t console_start_shell(int tty, const struct options *o);
