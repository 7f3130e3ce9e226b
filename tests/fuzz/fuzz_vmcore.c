/*
 * Fuzzes what a core file is planned from: page tables and mappings. The first byte is the number of levels and how many
 * mappings are made up; the rest are these, and then the image of a small memory whose page tables begin at page 1.
 * Whatever they say, each segment is in the file, and memory that it names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "mem/vmcore.h"

enum { PAGE = 4096, PAGES = 24, MAPS_MAX = 15, MAPPINGS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mem_range ranges[] = { { 0, 16 * PAGE, 0 }, { 64 * PAGE, 8 * PAGE, 16 * PAGE } };

static void check(const struct vmcore_contents *c)
{
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };
	_cleanup_(buf_deinit) struct buf head = BUF_INIT;

	vmcore_plan(c, &l);
	vmcore_put_headers(&l, c->notes_size, &head);
	if (head.len != l.notes || l.notes + c->notes_size > l.data || l.data % PAGE ||
	    l.end != l.data + PAGES * PAGE || l.n + l.left_out > c->ranges_n + c->maps_n * c->ranges_n)
		abort();
	for (size_t i = 0; i < l.n; i++) {
		const struct vmcore_segment *s = &l.segments[i];

		if (!s->size || s->offset < l.data || s->size > l.end - s->offset)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t image[PAGES * PAGE];
	_cleanup_(mem_mappings_deinit) struct mem_mappings found = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = NULL;
	struct mem_mapping maps[MAPS_MAX];
	struct vmcore_contents c = { ranges, 2, 0, 0, maps, 0, 0 };
	struct mmu mmu = { PAGE, 4 };

	if (!size)
		return 0;
	mmu.levels += data[0] & 1;
	c.maps_n = MIN((size_t)data[0] >> 4, (size - 1) / sizeof(*maps));
	memcpy(maps, data + 1, c.maps_n * sizeof(*maps));
	c.notes_size = data[0] * UINT64_C(100);
	check(&c);

	data += 1 + c.maps_n * sizeof(*maps);
	size -= 1 + c.maps_n * sizeof(*maps);
	memset(image, 0, sizeof(image));
	memcpy(image + PAGE, data, MIN(size, sizeof(image) - PAGE));
	if (mem_open_buffer(image, sizeof(image), ranges, 2, &m))
		abort();
	mem_set_mmu(m, &mmu);
	mem_mappings_list(m, 0, 0, MAPPINGS, &found);
	if (found.n > MAPPINGS)
		abort();
	for (size_t i = 0; i < found.n; i++) {
		uint64_t phys = UINT64_MAX;

		if (found.list[i].virt >> 63 == 0 || (i && found.list[i].virt >= found.list[i - 1].virt))
			abort();
		/* The first address of each is what it is to those who ask the tables themselves. */
		err_ignore(mem_translate(m, found.list[i].virt, &phys));
		if (phys != found.list[i].phys)
			abort();
	}
	c.maps = found.list;
	c.maps_n = found.n;
	check(&c);
	return 0;
}
