/*
 * What is looked at before a VM is started.
 */
#pragma once

#include "config/config.h"

/* Before minutes are spent on a build: is the name free, is the port, is QEMU there? */
struct err *vm_check_early(const struct config *cfg) err_must_check;
