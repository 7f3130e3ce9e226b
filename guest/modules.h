/*
 * The modules that a kernel from elsewhere needs before anything else works.
 */
#pragma once

/*
 * Loads those that MODULES_LIST in the initramfs names, if there is such a list: a path a line, each behind those that it
 * needs. What can't be loaded is said.
 */
void modules_load(void);

#define MODULES_LIST "/etc/ktb-modules"
