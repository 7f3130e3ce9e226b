/*
 * What runs in the VM before the kernel. QEMU's default, SeaBIOS, looks for devices, gives them addresses and starts their own
 * programs before it looks for something to boot. qboot, which comes with QEMU (for microvm machines), passes on the tables and
 * enters the kernel that QEMU was given; a kernel does all else itself. https://github.com/bonzini/qboot
 */
#pragma once

#include <stdbool.h>

/* As QEMU knows it (-bios). */
#define FIRMWARE_QBOOT "qboot.rom"

/* Whether this QEMU (a program, looked up as a shell would) has it, in its own data folder. */
bool firmware_has_qboot(const char *qemu);
