/*
 * The user's terminal in raw mode, and back: on every way out, kill -9 of this program included.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct terminal;

/*
 * Takes standard input and output as they are. Where they are terminals they are opened anew, so that a non-blocking
 * mode is not left to the shell; a small process of its own stands by to restore the mode if this one is killed.
 */
struct err *terminal_create(struct terminal **ret) err_must_check;
/* Restores the mode. NULL is fine. */
void terminal_destroy(struct terminal *t);
DEFINE_CLEANUP(struct terminal *, terminal_destroy);

/* Raw mode, where input is a terminal; else nothing. */
struct err *terminal_raw(struct terminal *t) err_must_check;
/* The mode before terminal_raw(). */
void terminal_restore(struct terminal *t);

/* Descriptors; they belong to the terminal. -1: none. */
int terminal_input(const struct terminal *t);
int terminal_output(const struct terminal *t);
/* Both are terminals: there is somebody to see a prompt. */
bool terminal_is_interactive(const struct terminal *t);
/* The descriptor may be set non-blocking: nobody else uses its open file. */
bool terminal_output_is_own(const struct terminal *t);
bool terminal_input_is_own(const struct terminal *t);

/* The window's size in characters; false if there is no window, or if it doesn't know. */
bool terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_cols);

/*
 * One of 0, 1 and 2 with an open file of its own, non-blocking, where the kernel gives one (*ret_own); else a copy. flags are
 * those of open(2). The descriptor is the caller's.
 */
struct err *terminal_reopen(int fd, int flags, bool *ret_own, int *ret) err_must_check;
