#include "kbuild/pool.h"

#include <string.h>

#include "base/util.h"

enum { POOL_BLOCK = 64 << 10, POOL_ALIGN = _Alignof(max_align_t) };

struct pool_block {
	struct pool_block *next;
	size_t size;
	_Alignas(max_align_t) char data[];
};

void pool_deinit(struct pool *p)
{
	while (p->blocks) {
		struct pool_block *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
	p->left = 0;
}

static void add_block(struct pool *p, size_t size)
{
	struct pool_block *b = xcalloc(1, sizeof(*b) + size);

	b->size = size;
	b->next = p->blocks;
	p->blocks = b;
	p->left = size;
}

void *pool_alloc(struct pool *p, size_t size)
{
	void *at;

	size = (size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
	if (size > p->left)
		add_block(p, MAX(size, (size_t)POOL_BLOCK));
	at = p->blocks->data + (p->blocks->size - p->left);
	p->left -= size;
	return at;
}

char *pool_strndup(struct pool *p, const char *s, size_t n)
{
	char *copy = pool_alloc(p, n + 1);

	memcpy(copy, s, n);
	return copy;
}
