/*
 * Functions that this program does not call, and what to call instead. Forced into every file of src/ by the build.
 * What they have in common: no bound on what they write, no word about what went wrong, or state that is shared.
 */
#pragma once

/* The C library's headers may name them; so they are read first. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat strncpy strncat stpcpy /* buf_append, xasprintf */
#pragma GCC poison sprintf vsprintf gets                /* buf_printf, snprintf */
#pragma GCC poison atoi atol atoll atof                 /* parse_u64 */
#pragma GCC poison strtok                               /* strtok_r, strsep */
#pragma GCC poison system popen                         /* process_spawn */
#pragma GCC poison localtime gmtime ctime asctime       /* the _r variants */
#pragma GCC poison mktemp tmpnam tempnam                /* mkostemp */
#pragma GCC poison signal                               /* sigaction, loop_add_signal */
