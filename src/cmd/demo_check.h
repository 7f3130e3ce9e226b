/*
 * What the demo has GDB do, and the proof that it did: that a debugger on this machine stops this kernel, sees where
 * it stands, and understands it.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

/*
 * Adds GDB arguments, for `ktb gdb --`: stop where a process of the guest clones itself, print the backtrace, the
 * registers, tasks and log, and let the guest go on. The VM must be up, and something in it must start processes.
 */
void demo_gdb_args(struct strv *ret);

/*
 * Checks what GDB printed (stdout and stderr) under those arguments. ERR_BAD_DATA names the first part that is missing,
 * and what GDB said instead where that is known. Pure.
 */
struct err *demo_check_transcript(const char *text) err_must_check;
