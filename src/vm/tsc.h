/*
 * How fast this machine's time-stamp counter is. Under TCG the guest's is the same one.
 */
#pragma once

#include <stdint.h>

/* A moment, in both times. */
struct tsc_moment {
	uint64_t ns, ticks;
};

void tsc_moment_take(struct tsc_moment *ret);

/*
 * Ticks per second, to the nearest MHz so that it is the same each time; 0: this machine has no such counter. Measured from the
 * moment on, and waits until that is some milliseconds ago.
 */
uint64_t tsc_frequency(const struct tsc_moment *since);
