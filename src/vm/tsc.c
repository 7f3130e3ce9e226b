#include "vm/tsc.h"

#include <time.h>

#include "base/util.h"

#ifdef __x86_64__

#include <x86intrin.h>

enum { SPAN_MS = 4, TRIES = 5 };

#define MHZ UINT64_C(1000000)

void tsc_moment_take(struct tsc_moment *ret)
{
	uint64_t narrowest = UINT64_MAX;

	/* Whoever is interrupted between the two clocks has no moment. */
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = now_ns(), ticks = __rdtsc(), after = now_ns();

		if (after - before >= narrowest)
			continue;
		narrowest = after - before;
		*ret = (struct tsc_moment){ before + narrowest / 2, ticks };
	}
}

uint64_t tsc_frequency(const struct tsc_moment *since)
{
	struct tsc_moment now;

	tsc_moment_take(&now);
	while (now.ns - since->ns < SPAN_MS * NSEC_PER_MSEC) {
		const struct timespec rest = { .tv_nsec = (long)(SPAN_MS * NSEC_PER_MSEC - (now.ns - since->ns)) };

		nanosleep(&rest, NULL);
		tsc_moment_take(&now);
	}
	return (uint64_t)((double)(now.ticks - since->ticks) / (double)(now.ns - since->ns) * NSEC_PER_SEC / MHZ +
			  0.5) *
	       MHZ;
}

#else

void tsc_moment_take(struct tsc_moment *ret)
{
	*ret = (struct tsc_moment){ .ns = now_ns() };
}

uint64_t tsc_frequency(const struct tsc_moment *since)
{
	(void)since;
	return 0;
}

#endif
