/*
 * In a guest: a fixed piece of work, numbers and memory. usage: work TIMES
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 1 << 21 };

int main(int argc, char **argv)
{
	long times = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	uint64_t *words = calloc(WORDS, sizeof(*words)), x = 1;

	if (!words)
		return 1;
	for (long i = 0; i < times; i++) {
		for (size_t k = 0; k < WORDS; k++) {
			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
			words[x >> 43] += x;
		}
	}
	printf("%llu\n", (unsigned long long)words[x >> 43]);
	return 0;
}
