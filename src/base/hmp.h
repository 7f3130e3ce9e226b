/*
 * Lines for QEMU's monitor for people (HMP), which can run programs and write files on the host: which of them a debugger may
 * send. Pure. Source: hmp-commands.hx of QEMU.
 */
#pragma once

#include <stdbool.h>

/* Whether a line does nothing to the host. */
bool hmp_is_harmless(const char *line);
/* Whether the line's command is the one of that name. */
bool hmp_is_command(const char *line, const char *name);
/* What is said of a line that is not harmless; without an end of line. The caller frees it. */
char *hmp_refusal(const char *line);
