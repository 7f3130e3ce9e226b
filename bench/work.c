/*
 * In a guest: a fixed piece of work, numbers and memory. Prints how long it took, in ns. usage: work TIMES
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WORDS = 1 << 21 };

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	long times = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	uint64_t *words = calloc(WORDS, sizeof(*words)), x = 1;
	long long begin;

	if (!words)
		return 1;
	begin = now_ns();
	for (long i = 0; i < times; i++) {
		for (size_t k = 0; k < WORDS; k++) {
			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
			words[x >> 43] += x;
		}
	}
	printf("%lld\n", now_ns() - begin);
	return words[x >> 43] ? 0 : 1;
}
