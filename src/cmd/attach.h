/*
 * What of the host the configuration gives to a VM, looked at before anything else is done: is it there, is it safe,
 * is the port free?
 */
#pragma once

#include "config/config.h"
#include "vm/attach.h"

/*
 * *ret is what vm.share, vm.image, vm.root and vm.forward say. ERR_NOT_FOUND for what isn't there, ERR_USAGE for what
 * can't be; ERR_OS with EADDRINUSE for a port that is taken, with who has it.
 */
struct err *attach_prepare(const struct config *cfg, struct attach *ret) err_must_check;

/* Tells the user which ports were found for those that may be any. For a VM that runs: another one finds others. */
void attach_tell_ports(const struct attach *a);

/* What init is to be told on the kernel's command line: root, init, shares. */
void attach_words(const struct config *cfg, const struct attach *a, struct strv *words);

/* Whether the guest's process 1 is a program that knows nothing of ktb. */
bool attach_has_own_init(const struct config *cfg);
