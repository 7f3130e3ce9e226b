#include "kbuild/name_map.h"

#include <stdint.h>
#include <string.h>

#include "base/util.h"

enum { NAME_MAP_FIRST = 64 };

struct name_map_slot {
	const char *name; /* NULL: free */
	void *value;
	uint32_t hash;
};

void name_map_deinit(struct name_map *m)
{
	free(m->slots);
	*m = (struct name_map){ 0 };
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t hash_name(const char *name, size_t len)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619;
	return h;
}

void *name_map_get(const struct name_map *m, const char *name, size_t len)
{
	uint32_t hash = hash_name(name, len);

	for (size_t i = 0; i < m->cap; i++) {
		const struct name_map_slot *s = &m->slots[(hash + i) & (m->cap - 1)];

		if (!s->name)
			return NULL;
		if (s->hash == hash && strncmp(s->name, name, len) == 0 && !s->name[len])
			return s->value;
	}
	return NULL;
}

static void put(struct name_map *m, struct name_map_slot slot)
{
	size_t i = slot.hash & (m->cap - 1);

	while (m->slots[i].name)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = slot;
	m->n++;
}

static void grow(struct name_map *m)
{
	struct name_map old = *m;

	m->cap = old.cap ? 2 * old.cap : NAME_MAP_FIRST;
	m->slots = xcalloc(m->cap, sizeof(*m->slots));
	m->n = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].name)
			put(m, old.slots[i]);
	name_map_deinit(&old);
}

void name_map_add(struct name_map *m, const char *name, void *value)
{
	if (2 * (m->n + 1) > m->cap)
		grow(m);
	put(m, (struct name_map_slot){ name, value, hash_name(name, strlen(name)) });
}
