/*
 * What a debugger's `monitor` has besides QEMU's: the commands that look at a kernel, as they are in a shell.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "cmd/lend.h"
#include "target/target.h"

/*
 * Executes a line if it is one of these commands, and writes out what it prints, its errors included. *ret_known is false if it
 * is none of them. vm: the name of the VM; lender: what has its memory, NULL: its supervisor. ERR_USAGE: what is wrong with the line, for the user. ERR_TIMEOUT.
 *
 * Each is a process of its own, so that whatever happens to it, the debugger's session goes on.
 */
struct err *serve_monitor(const char *vm, const struct lender *lender, const char *line, target_output output,
			  void *user, bool *ret_known) err_must_check;
