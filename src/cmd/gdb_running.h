/*
 * Which kernel runs, as its own memory says it.
 */
#pragma once

#include "supervisor/rundir.h"

/*
 * Compares the build ID in the guest's memory with that of a vmlinux. Nothing stops for it. ERR_BAD_DATA if they differ;
 * NULL also where that can't be known: early in boot, or with KASLR. Warns if something else is where it should be.
 */
struct err *gdb_check_running(const struct vm_record *vm, const char *vmlinux, const char *build_id) err_must_check;
