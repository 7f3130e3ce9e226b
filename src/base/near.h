/*
 * Names that somebody may have meant who wrote one that doesn't exist.
 */
#pragma once

#include "base/util.h"

enum { NEAR_MAX = 32, NEAR_NAME_MAX = 64 };

struct near_name {
	char name[NEAR_NAME_MAX + 1];
	int rank;
};

/* The nearest names so far, the nearest first. */
struct near {
	const char *wanted;
	size_t wanted_len;
	size_t max;
	size_t n;
	struct near_name names[NEAR_MAX];
};

/* wanted must stay. max: how many are kept, at most NEAR_MAX. */
void near_init(struct near *near, const char *wanted, size_t max);
/* A name that exists, of len bytes; longer ones than NEAR_NAME_MAX are passed over. The same may be offered often. */
void near_offer(struct near *near, const char *name, size_t len);
/* Adds them to ret. */
void near_take(const struct near *near, struct strv *ret);
