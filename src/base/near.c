#include "base/near.h"

#include <limits.h>

void near_init(struct near *near, const char *wanted, size_t max)
{
	near->wanted = wanted;
	near->wanted_len = strlen(wanted);
	near->max = MIN(max, (size_t)NEAR_MAX);
	near->n = 0;
}

/*
 * How far a is from the wanted name; INT_MAX: not near. A slip of the fingers comes first, then names that go on where
 * the wanted one ends, then those that have it somewhere inside, then those of which it is a longer form.
 */
static int rank_name(const char *name, size_t len, const char *wanted, size_t wanted_len)
{
	size_t slips = MIN(MAX(wanted_len / 4, (size_t)1), (size_t)4);
	size_t difference = len > wanted_len ? len - wanted_len : wanted_len - len;
	enum { SLIP = 10, PREFIX = 25, INSIDE = 100, SHORTER = 200 };
	int best = INT_MAX;

	if (difference <= slips) {
		int distance = edit_distance(name, wanted);

		if (distance <= (int)slips)
			best = SLIP * distance;
	}
	if (wanted_len >= 3 && len > wanted_len && skip_prefix(name, wanted))
		best = MIN(best, PREFIX + (int)difference);
	else if (wanted_len >= 3 && len > wanted_len && strstr(name, wanted))
		best = MIN(best, INSIDE + (int)difference);
	else if (len >= 5 && 2 * len > wanted_len && wanted_len > len && strstr(wanted, name))
		best = MIN(best, SHORTER + (int)difference);
	return best;
}

static bool comes_before(int rank, const char *name, const struct near_name *other)
{
	return rank < other->rank || (rank == other->rank && strcmp(name, other->name) < 0);
}

static void insert(struct near *near, const char *name, int rank)
{
	size_t at = near->n;

	for (size_t i = 0; i < near->n; i++) {
		if (streq(near->names[i].name, name))
			return;
	}
	while (at > 0 && comes_before(rank, name, &near->names[at - 1]))
		at--;
	if (at == near->max)
		return;
	if (near->n < near->max)
		near->n++;
	memmove(&near->names[at + 1], &near->names[at], (near->n - 1 - at) * sizeof(*near->names));
	near->names[at].rank = rank;
	memcpy(near->names[at].name, name, strlen(name) + 1);
}

void near_offer(struct near *near, const char *name, size_t len)
{
	char copy[NEAR_NAME_MAX + 1];
	int rank;

	if (!len || len > NEAR_NAME_MAX || !near->max)
		return;
	memcpy(copy, name, len);
	copy[len] = '\0';
	rank = rank_name(copy, len, near->wanted, near->wanted_len);
	if (rank != INT_MAX)
		insert(near, copy, rank);
}

void near_take(const struct near *near, struct strv *ret)
{
	for (size_t i = 0; i < near->n; i++)
		strv_add(ret, near->names[i].name);
}
