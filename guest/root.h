/*
 * Another root than the initramfs, and the host's folders in it.
 */
#pragma once

#include <stdbool.h>

#include "options.h"

/*
 * Makes what ktb.root= says the root: a folder of the host's below an overlay, or a disk. proc, sys and dev move along,
 * and the kernel's modules are in /lib/modules, whatever was there. Chooses the shell, unless it was named. If that
 * fails, says why, and all stays as it is.
 */
bool root_enter(struct options *o);

/* Mounts the host's folders where the options say. What can't be mounted is said. */
void root_mount_shares(const struct options *o);

/*
 * Becomes the program that ktb.init= names. Returns only if that fails, and says so.
 */
void root_run_init(const struct options *o);
