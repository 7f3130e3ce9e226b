/*
 * Our walk through page tables against libaddrxlat's, over many addresses: tables of 4 and of 5 levels made of random entries,
 * absent ones, large pages, execute-disable and PAT bits, and places without memory among them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libkdumpfile/addrxlat.h>

#include "base/util.h"
#include "mem/mem.h"

enum { PAGE = 4096, ENTRIES = 512, LEVELS = 5, TABLES = 12, PAGES = 1 + LEVELS * TABLES, ADDRESSES = 300000 };

static uint64_t image[PAGES * ENTRIES];

/* xorshift64*: the same numbers each time. */
static uint64_t next_random(void)
{
	static uint64_t state = 42;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

static bool one_in(unsigned int n)
{
	return next_random() >> 33 < (UINT64_C(1) << 31) / n;
}

/* The tables of level n lie behind each other, and those of all levels, from page 1 on. */
static uint64_t table_at(unsigned int level, uint64_t i)
{
	return (1 + (uint64_t)(level - 1) * TABLES + i % TABLES) * PAGE;
}

static uint64_t make_entry(unsigned int level)
{
	uint64_t flags = (one_in(8) ? 0 : 1) | (next_random() & 0x66), high = one_in(2) ? UINT64_C(1) << 63 : 0;
	uint64_t address = next_random() & UINT64_C(0x000ffffffffff000);

	if (level == 1)
		return address | high | flags | (next_random() & 0x80);
	if (level <= 3 && one_in(4))
		return address | high | flags | 0x80;
	/* Some lead nowhere. */
	return (one_in(50) ? address : table_at(level - 1, next_random() >> 8)) | high | flags;
}

static void fill(void)
{
	for (unsigned int level = 1; level <= LEVELS; level++) {
		for (uint64_t i = 0; i < TABLES; i++) {
			for (size_t e = 0; e < ENTRIES; e++)
				image[table_at(level, i) / sizeof(*image) + e] = make_entry(level);
		}
	}
}

static void put_page(const addrxlat_buffer_t *buf)
{
	(void)buf;
}

static addrxlat_status get_page(const addrxlat_cb_t *cb, addrxlat_buffer_t *buf)
{
	(void)cb;
	if (buf->addr.addr >= sizeof(image))
		return ADDRXLAT_ERR_NODATA;
	buf->addr.addr &= ~(addrxlat_addr_t)(PAGE - 1);
	buf->ptr = (const uint8_t *)image + buf->addr.addr;
	buf->size = PAGE;
	buf->byte_order = ADDRXLAT_LITTLE_ENDIAN;
	buf->put_page = put_page;
	return ADDRXLAT_OK;
}

static unsigned long read_caps(const addrxlat_cb_t *cb)
{
	(void)cb;
	return ADDRXLAT_CAPS(ADDRXLAT_MACHPHYSADDR);
}

/* One whose upper bits are copies of the highest one in use. */
static uint64_t make_address(unsigned int levels)
{
	unsigned int unused = 64 - (12 + 9 * levels);

	return (uint64_t)((int64_t)(next_random() << unused) >> unused);
}

static void compare(unsigned int levels)
{
	const struct mem_range whole = { 0, sizeof(image), 0 };
	const struct mmu mmu = { table_at(levels, 0), levels };
	const addrxlat_meth_t meth = {
		.kind = ADDRXLAT_PGT,
		.target_as = ADDRXLAT_MACHPHYSADDR,
		.param.pgt = { .root = { table_at(levels, 0), ADDRXLAT_MACHPHYSADDR },
			       .pf = { ADDRXLAT_PTE_X86_64, (unsigned short)(levels + 1), { 12, 9, 9, 9, 9, 9 } } },
	};
	_cleanup_(mem_destroy) struct mem *m = NULL;
	addrxlat_ctx_t *ctx = addrxlat_ctx_new();
	addrxlat_cb_t *cb = addrxlat_ctx_add_cb(ctx);
	unsigned int translated = 0;

	cb->get_page = get_page;
	cb->read_caps = read_caps;
	assert_null(mem_open_buffer(image, sizeof(image), &whole, 1, &m));
	mem_set_mmu(m, &mmu);
	for (unsigned int i = 0; i < ADDRESSES; i++) {
		uint64_t address = make_address(levels), ours = 0;
		addrxlat_step_t step = { .ctx = ctx, .meth = &meth, .base = { address, ADDRXLAT_KVADDR } };
		bool theirs = addrxlat_walk(&step) == ADDRXLAT_OK;
		_cleanup_(err_destroy) struct err *e = mem_translate(m, address, &ours);

		if (theirs != !e || (theirs && step.base.addr != ours))
			fail_msg("0x%llx: libaddrxlat says 0x%llx (%s), and we 0x%llx (%s)",
				 (unsigned long long)address, (unsigned long long)step.base.addr,
				 theirs ? "ok" : addrxlat_ctx_get_err(ctx), (unsigned long long)ours,
				 e ? err_message(e) : "ok");
		translated += theirs;
		addrxlat_ctx_clear_err(ctx);
	}
	/* Neither all nor none. */
	assert_in_range(translated, ADDRESSES / 10, ADDRESSES - ADDRESSES / 10);
	addrxlat_ctx_decref(ctx);
}

static void four_levels(void **state)
{
	(void)state;
	fill();
	compare(4);
}

static void five_levels(void **state)
{
	(void)state;
	fill();
	compare(5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_levels),
		cmocka_unit_test(five_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
