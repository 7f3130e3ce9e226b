/*
 * What is in a core file, for those who copy it. An ELF file says it in its segments, which are read here: what libkdumpfile
 * (0.5.1) makes of them ends early where segments have the same memory. Of all others it has a map of pages.
 */
#include <gelf.h>
#include <unistd.h>

#include "base/elf_file.h"
#include "base/util.h"
#include "mem/mem_private.h"

enum { PAGE_BYTES = 4096, NOTES_MAX = 16 << 20 };

/* No machine has memory up there, and a file that lies must not have us count through it. */
#define END_MAX (UINT64_C(1) << 44)

struct ranges {
	struct mem_range *list;
	size_t n, cap;
	uint64_t gap; /* as much between two may be joined */
};

/* --- Ranges --- */

static int by_start(const void *a, const void *b)
{
	const struct mem_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void add(struct ranges *r, uint64_t start, uint64_t size)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 64;
		r->list = xreallocarray(r->list, r->cap, sizeof(*r->list));
	}
	r->list[r->n++] = (struct mem_range){ .start = start, .size = size };
}

/* Those that touch, overlap, or have no more than the gap between them, are one. They are sorted. */
static void join(struct ranges *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct mem_range *last = n ? &r->list[n - 1] : NULL;
		const struct mem_range next = r->list[i];

		if (!last || next.start > last->start + last->size + r->gap)
			r->list[n++] = next;
		else
			last->size = MAX(last->size, next.start + next.size - last->start);
	}
	r->n = n;
}

static uint64_t sum(const struct ranges *r)
{
	uint64_t size = 0;

	for (size_t i = 0; i < r->n; i++)
		size += r->list[i].size;
	return size;
}

static struct err *too_high(uint64_t address)
{
	return err_create(ERR_UNSUPPORTED, "the core has memory at 0x%llx, where no machine has any",
			  (unsigned long long)address);
}

static struct err *add_segment(struct ranges *r, const GElf_Phdr *p)
{
	uint64_t start = p->p_paddr / PAGE_BYTES * PAGE_BYTES, end;

	/* Of others it is only said at which virtual address they are. */
	if (p->p_type != PT_LOAD || p->p_paddr == UINT64_MAX || !p->p_filesz)
		return NULL;
	if (p->p_paddr >= END_MAX || p->p_filesz > END_MAX - p->p_paddr)
		return too_high(p->p_paddr);
	end = (p->p_paddr + p->p_filesz + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	add(r, start, end - start);
	return NULL;
}

static struct err *segments_of(Elf *elf, struct ranges *r)
{
	GElf_Phdr p;
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return err_create(ERR_BAD_DATA, "the core's segments can't be read: %s", elf_errmsg(-1));
	for (size_t i = 0; i < n; i++) {
		if (gelf_getphdr(elf, (int)i, &p))
			TRY(add_segment(r, &p));
	}
	return NULL;
}

/* A file that was filtered may have every second page. */
static void coarsen(struct ranges *r)
{
	while (r->n > MEM_CORE_RANGES_MAX) {
		r->gap = r->gap ? 2 * r->gap : PAGE_BYTES;
		join(r);
	}
}

static struct err *pages_of(const struct core *c, struct ranges *r, uint64_t *there)
{
	for (uint64_t start = 0, end; core_next_pages(c, &start, &end); start = end) {
		if (end > END_MAX / PAGE_BYTES)
			return too_high(start * PAGE_BYTES);
		add(r, start * PAGE_BYTES, (end - start) * PAGE_BYTES);
		*there += (end - start) * PAGE_BYTES;
		if (r->n == 2 * (size_t)MEM_CORE_RANGES_MAX)
			coarsen(r);
	}
	return NULL;
}

static struct err *find(struct mem *m, struct ranges *r, uint64_t *there)
{
	_cleanup_(elf_end) Elf *elf = NULL;

	elf_version(EV_CURRENT);
	elf = elf_begin(core_fd(m->core), ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return pages_of(m->core, r, there);
	TRY(segments_of(elf, r));
	if (r->n)
		qsort(r->list, r->n, sizeof(*r->list), by_start);
	join(r);
	*there = sum(r);
	return NULL;
}

struct err *mem_core_ranges(struct mem *m, struct mem_range **ret, size_t *ret_n, uint64_t *ret_joined)
{
	_cleanup_(free) struct mem_range *list = NULL;
	struct ranges r = { .list = NULL };
	uint64_t there = 0, at = 0;
	struct err *e;

	if (!m->core)
		return err_create(ERR_UNSUPPORTED, "this memory is not a core's");
	e = find(m, &r, &there);
	list = r.list;
	TRY(e);
	if (!r.n)
		return err_create(ERR_BAD_DATA, "the core has no memory in it");
	coarsen(&r);
	join(&r);
	for (size_t i = 0; i < r.n; i++) {
		list[i].offset = at;
		at += list[i].size;
	}
	*ret = steal(&list);
	*ret_n = r.n;
	*ret_joined = at - there;
	return NULL;
}

/* --- Notes --- */

static void notes_of(Elf *elf, int fd, struct buf *ret)
{
	GElf_Phdr p;
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		ssize_t got;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_NOTE || p.p_filesz > NOTES_MAX - ret->len ||
		    p.p_offset > INT64_MAX)
			continue;
		got = pread(fd, buf_reserve(ret, p.p_filesz), p.p_filesz, (off_t)p.p_offset);
		buf_commit(ret, got > 0 ? (size_t)got : 0);
	}
}

void mem_core_notes(struct mem *m, struct buf *ret)
{
	_cleanup_(elf_end) Elf *elf = NULL;
	const uint8_t *notes;
	size_t size;

	if (!m->core)
		return;
	notes = core_notes(m->core, &size);
	if (notes)
		buf_append(ret, notes, size);
	elf_version(EV_CURRENT);
	elf = elf_begin(core_fd(m->core), ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		notes_of(elf, core_fd(m->core), ret);
}
