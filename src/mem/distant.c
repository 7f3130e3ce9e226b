#include "mem/distant.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum {
	PAGE_SHIFT = 12,
	PAGE = 1 << PAGE_SHIFT,
	GRAIN = 32,
	GRAINS = PAGE / GRAIN,
	GAP_MAX = 2, /* grains that nobody wants, and that are fetched rather than to ask twice */
	WORD_BITS = 64,
	BUCKETS = 512,
	PAGES_MAX = 4096, /* then all is forgotten */
	WANTED_MAX = 64,  /* pages; then they are fetched */
	READERS = 4,      /* who go through memory at the same time */
};

struct page {
	struct page *next;
	uint64_t number;
	uint64_t has[GRAINS / WORD_BITS], wanted[GRAINS / WORD_BITS];
	bool fails;
	uint8_t bytes[PAGE];
};

/* One who read up to `end`, and gets so many bytes more. */
struct reader {
	uint64_t end;
	size_t ahead;
};

struct distant {
	mem_fetch fetch;
	void *user;
	bool fails; /* nothing can be fetched any more */
	struct page *buckets[BUCKETS];
	size_t pages;
	struct page *wanted[WANTED_MAX];
	size_t wanted_n;
	struct reader readers[READERS];
	size_t next_reader;
};

struct distant *distant_create(mem_fetch fetch, void *user)
{
	struct distant *d = xcalloc(1, sizeof(*d));

	d->fetch = fetch;
	d->user = user;
	return d;
}

void distant_forget(struct distant *d)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct page *p = steal(&d->buckets[i]); p;) {
			struct page *next = p->next;

			free(p);
			p = next;
		}
	}
	d->pages = d->wanted_n = 0;
	memset(d->readers, 0, sizeof(d->readers));
	d->fails = false;
}

void distant_destroy(struct distant *d)
{
	if (!d)
		return;
	distant_forget(d);
	free(d);
}

static bool has_bit(const uint64_t *bits, size_t i)
{
	return bits[i / WORD_BITS] >> i % WORD_BITS & 1;
}

static void set_bit(uint64_t *bits, size_t i)
{
	bits[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

static struct page *page_at(struct distant *d, uint64_t address)
{
	uint64_t number = address >> PAGE_SHIFT;
	struct page **bucket, *p;

	for (p = d->buckets[number % BUCKETS]; p; p = p->next) {
		if (p->number == number)
			return p;
	}
	if (d->pages == PAGES_MAX) {
		bool fails = d->fails;

		distant_forget(d);
		d->fails = fails;
	}
	bucket = &d->buckets[number % BUCKETS];
	p = xcalloc(1, sizeof(*p));
	p->number = number;
	p->next = *bucket;
	*bucket = p;
	d->pages++;
	return p;
}

/* --- Fetching --- */

/* False: not all of it could be read. */
static bool fetch_grains(struct distant *d, struct page *p, size_t first, size_t n)
{
	uint64_t address = (p->number << PAGE_SHIFT) + first * GRAIN;
	struct err *e;

	if (d->fails)
		return false;
	e = d->fetch(d->user, address, p->bytes + first * GRAIN, n * GRAIN);
	/* One who doesn't answer, or answers too slowly, isn't asked for each page anew. */
	d->fails = e && err_code(e) != ERR_FAULT;
	if (e && err_code(e) == ERR_FAULT)
		p->fails = true;
	for (size_t i = 0; !e && i < n; i++)
		set_bit(p->has, first + i);
	err_ignore(e);
	return !e;
}

static bool is_due(const struct page *p, size_t grain)
{
	return has_bit(p->wanted, grain) && !has_bit(p->has, grain);
}

/* The end of the run that begins with a grain that is due. */
static size_t end_of_run(const struct page *p, size_t first)
{
	size_t end = first + 1;

	for (size_t i = end; i < GRAINS && i <= end + GAP_MAX; i++) {
		if (is_due(p, i))
			end = i + 1;
	}
	return end;
}

static void bring_page(struct distant *d, struct page *p)
{
	for (size_t i = 0; i < GRAINS && !p->fails; i++) {
		size_t end;

		if (!is_due(p, i))
			continue;
		end = end_of_run(p, i);
		if (!fetch_grains(d, p, i, end - i))
			break;
		i = end - 1;
	}
	memset(p->wanted, 0, sizeof(p->wanted));
}

void distant_bring(struct distant *d)
{
	for (size_t i = 0; i < d->wanted_n; i++)
		bring_page(d, d->wanted[i]);
	d->wanted_n = 0;
}

static void want_grains(struct distant *d, struct page *p, size_t first, size_t end)
{
	bool is_new = !p->wanted[0] && !p->wanted[1];

	_Static_assert(GRAINS == 2 * WORD_BITS, "a page's grains are two words of bits");
	for (size_t i = first; i < end; i++) {
		if (!has_bit(p->has, i))
			set_bit(p->wanted, i);
	}
	if (!is_new || (!p->wanted[0] && !p->wanted[1]))
		return;
	d->wanted[d->wanted_n++] = p;
	if (d->wanted_n == WANTED_MAX)
		distant_bring(d);
}

/* The user's half of the address space is no kernel's, whatever can be read there. */
static bool is_within(uint64_t address, size_t len)
{
	return address >> 63 && len <= UINT64_MAX - address;
}

void distant_want(struct distant *d, uint64_t address, size_t len)
{
	if (!is_within(address, len))
		return;
	while (len) {
		size_t at = address % PAGE, n = MIN(len, PAGE - at);

		want_grains(d, page_at(d, address), at / GRAIN, (at + n + GRAIN - 1) / GRAIN);
		address += n;
		len -= n;
	}
}

/* --- Reading --- */

/* How much is worth being fetched besides. */
static size_t read_ahead(struct distant *d, uint64_t address, size_t len)
{
	struct reader *r = NULL;

	for (size_t i = 0; i < READERS && !r; i++) {
		if (d->readers[i].end == address)
			r = &d->readers[i];
	}
	if (r) {
		r->ahead = MIN(2 * (r->ahead + len), (size_t)PAGE);
	} else {
		r = &d->readers[d->next_reader++ % READERS];
		r->ahead = 0;
	}
	r->end = address + len;
	return r->ahead;
}

static bool is_there(const struct page *p, size_t at, size_t len)
{
	for (size_t i = at / GRAIN; i < (at + len + GRAIN - 1) / GRAIN; i++) {
		if (!has_bit(p->has, i))
			return false;
	}
	return true;
}

/* ahead: bytes; fetches: what isn't there is fetched. */
static bool read_in_page(struct distant *d, uint64_t address, void *ret, size_t len, size_t ahead, bool fetches)
{
	size_t at = address % PAGE, end = MIN(at + len + ahead, (size_t)PAGE);
	struct page *p = page_at(d, address);

	if (fetches && !is_there(p, at, len)) {
		want_grains(d, p, at / GRAIN, (end + GRAIN - 1) / GRAIN);
		distant_bring(d);
	}
	if (!is_there(p, at, len))
		return false;
	memcpy(ret, p->bytes + at, len);
	return true;
}

static bool read_pages(struct distant *d, uint64_t address, void *ret, size_t len, size_t ahead, bool fetches)
{
	uint8_t *to = ret;

	if (!is_within(address, len))
		return false;
	while (len) {
		size_t n = MIN(len, (size_t)(PAGE - address % PAGE));

		if (!read_in_page(d, address, to, n, ahead, fetches))
			return false;
		address += n;
		to += n;
		len -= n;
	}
	return true;
}

bool distant_read(struct distant *d, uint64_t address, void *ret, size_t len)
{
	return read_pages(d, address, ret, len, read_ahead(d, address, len), true);
}

bool distant_take(struct distant *d, uint64_t address, void *ret, size_t len)
{
	return read_pages(d, address, ret, len, 0, false);
}
