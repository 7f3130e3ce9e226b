/*
 * The logs of a VM: what the supervisor of one in the background says, and what is kept of all of them when the VM is gone.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "supervisor/rundir.h"

/*
 * From here on stdout and stderr are ktb.log in the run directory, and stdin is empty. What is logged has a bound: a file
 * that has grown too long becomes ktb.log.1, and what was that goes. `dir` must stay as long as the process logs.
 */
struct err *vm_logs_leave_terminal(const struct rundir *dir) err_must_check;

/* Copies them to logs/ in the cache: NAME.log (the console's), NAME.ktb.log. tell: says where. Failing is only warned of. */
void vm_logs_keep(const struct rundir *dir, const char *name, bool tell);
