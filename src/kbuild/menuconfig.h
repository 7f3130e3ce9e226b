/*
 * The kernel's own editor for its configuration, on a copy of one.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "kbuild/toolchain.h"

/*
 * Runs `make menuconfig` on this terminal, in a folder of its own below `cache` that is gone afterwards, on a copy of the
 * text of a .config. What the user left there is appended to *ret; the same text if he saved nothing.
 *
 * ERR_PREREQ if something is missing that menuconfig is built with, ERR_CLOSED if a signal (Ctrl-C is one) ended it:
 * then nothing was saved. ERR_OS if make failed; it has said why on the terminal.
 */
struct err *menuconfig_run(const char *tree, const struct toolchain *toolchain, const char *cache,
			   const struct buf *config, struct buf *ret) err_must_check;
