/*
 * VMCOREINFO: what a kernel says about itself, for the readers of its dumps. Lines KEY=VALUE (the kernel's
 * kernel/vmcore_info.c, before 6.9 kernel/crash_core.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a key, up to the end of its line; NULL if there is none. Pure; text needs no NUL. */
const char *vmcoreinfo_find(const char *text, size_t len, const char *key, size_t *ret_len);
/* A value that is a number in this base. False if there is none. */
bool vmcoreinfo_number(const char *text, size_t len, const char *key, unsigned int base, uint64_t *ret);
