#include "mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"
#include "mem/distant.h"
#include "mem/mem_private.h"

/* x86-64 maps at most so much (Documentation/arch/x86/x86_64/mm.rst, with 4 levels). */
#define DISTANT_END (UINT64_C(1) << 46)
/* More than anybody waits for. */
#define DISTANT_SIZE (UINT64_C(64) << 20)

static struct err *check_ranges(const struct mem_range *ranges, size_t n, uint64_t size)
{
	if (!n || n > MEM_RANGES_MAX)
		return err_create(ERR_BAD_DATA, "guest memory of %zu ranges can't be read", n);
	for (size_t i = 0; i < n; i++) {
		const struct mem_range *r = &ranges[i];

		if (!r->size || r->offset > size || r->size > size - r->offset || r->start + r->size < r->start)
			return err_create(ERR_BAD_DATA, "guest memory at 0x%llx is not all in its file of %llu bytes",
					  (unsigned long long)r->start, (unsigned long long)size);
		if (i && r->start < ranges[i - 1].start + ranges[i - 1].size)
			return err_create(ERR_BAD_DATA, "guest memory at 0x%llx is there twice",
					  (unsigned long long)r->start);
	}
	return NULL;
}

static struct mem *create(const void *base, size_t size, const struct mem_range *ranges, size_t n)
{
	struct mem *m = xcalloc(1, sizeof(*m));

	m->base = base;
	m->base_size = size;
	m->fd = -1;
	m->ranges_n = n;
	memcpy(m->ranges, ranges, n * sizeof(*ranges));
	return m;
}

struct err *mem_open_buffer(const void *data, size_t size, const struct mem_range *ranges, size_t n, struct mem **ret)
{
	TRY(check_ranges(ranges, n, size));
	*ret = create(data, size, ranges, n);
	return NULL;
}

struct err *mem_open_ram(int fd, const struct mem_range *ranges, size_t n, struct mem **ret)
{
	struct stat st;
	void *base;

	if (fstat(fd, &st) < 0)
		return err_os(errno, "look at the guest's memory");
	TRY(check_ranges(ranges, n, (uint64_t)st.st_size));
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return err_os(errno, "map the guest's memory");
	*ret = create(base, (size_t)st.st_size, ranges, n);
	(*ret)->mapped = true;
	(*ret)->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return NULL;
}

struct err *mem_open_core(const char *path, struct mem **ret)
{
	struct core *core;

	TRY(core_open(path, &core));
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->fd = -1;
	(*ret)->core = core;
	return NULL;
}

struct mem *mem_open_distant(mem_fetch fetch, void *user)
{
	struct mem *m = xcalloc(1, sizeof(*m));

	m->fd = -1;
	m->distant = distant_create(fetch, user);
	return m;
}

void mem_forget(struct mem *m)
{
	distant_forget(m->distant);
}

void mem_set_direct_map(struct mem *m, uint64_t address)
{
	m->direct_map = address;
}

struct mem *mem_share(struct mem *m)
{
	m->owners++;
	return m;
}

void mem_destroy(struct mem *m)
{
	if (!m || m->owners--)
		return;
	if (m->mapped)
		munmap((void *)(uintptr_t)m->base, m->base_size);
	closep(&m->fd);
	core_destroy(m->core);
	distant_destroy(m->distant);
	free(m);
}

bool mem_is_core(const struct mem *m)
{
	return m->core != NULL;
}

bool mem_is_distant(const struct mem *m)
{
	return m->distant != NULL;
}

uint64_t mem_end(const struct mem *m)
{
	const struct mem_range *last;

	if (m->distant)
		return DISTANT_END;
	if (m->core)
		return core_end(m->core);
	last = &m->ranges[m->ranges_n - 1];
	return last->start + last->size;
}

uint64_t mem_size(const struct mem *m)
{
	uint64_t size = 0;

	if (m->distant)
		return DISTANT_SIZE;
	if (m->core)
		return core_end(m->core);
	for (size_t i = 0; i < m->ranges_n; i++)
		size += m->ranges[i].size;
	return size;
}

const char *mem_core_vmcoreinfo(struct mem *m)
{
	return m->core ? core_vmcoreinfo(m->core) : NULL;
}

bool mem_core_registers(struct mem *m, uint32_t cpu, struct cpu_registers *ret)
{
	return m->core && core_registers(m->core, cpu, ret);
}

/* The range that has the address, and how much of it is left from there; NULL: none. */
static const struct mem_range *find_range(const struct mem *m, uint64_t address, uint64_t *ret_left)
{
	for (size_t i = 0; i < m->ranges_n; i++) {
		const struct mem_range *r = &m->ranges[i];

		if (address - r->start < r->size) {
			*ret_left = r->size - (address - r->start);
			return r;
		}
	}
	return NULL;
}

/* Copies what another machine may just be writing: small values in one access each, whatever memcpy() would do. */
static void copy(void *to, const uint8_t *from, size_t len)
{
	if (len == sizeof(uint64_t) && !((uintptr_t)from % sizeof(uint64_t))) {
		uint64_t value = __atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);

		memcpy(to, &value, sizeof(value));
	} else if (len == sizeof(uint32_t) && !((uintptr_t)from % sizeof(uint32_t))) {
		uint32_t value = __atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);

		memcpy(to, &value, sizeof(value));
	} else {
		memcpy(to, from, len);
	}
}

static bool copy_direct(struct mem *m, uint64_t address, void *ret, size_t len)
{
	return m->direct_map && address < DISTANT_END && distant_read(m->distant, m->direct_map + address, ret, len);
}

/* Physical memory that may go over the border of two ranges. */
static bool copy_phys(struct mem *m, uint64_t address, void *ret, size_t len)
{
	uint8_t *to = ret;

	if (m->distant)
		return copy_direct(m, address, ret, len);
	if (m->core)
		return core_read(m->core, address, ret, len);
	while (len) {
		uint64_t left;
		const struct mem_range *r = find_range(m, address, &left);
		size_t n = (size_t)MIN((uint64_t)len, left);

		if (!r)
			return false;
		copy(to, m->base + r->offset + (address - r->start), n);
		to += n;
		address += n;
		len -= n;
	}
	/* What is read next is read later. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return true;
}

bool mem_load_u64(struct mem *m, uint64_t address, uint64_t *ret)
{
	const struct mem_range *r;
	uint64_t left;

	if (m->distant)
		return copy_direct(m, address, ret, sizeof(*ret));
	if (m->core)
		return core_read(m->core, address, ret, sizeof(*ret));
	r = find_range(m, address, &left);
	if (!r || left < sizeof(*ret))
		return false;
	copy(ret, m->base + r->offset + (address - r->start), sizeof(*ret));
	return true;
}

static struct err *no_memory(uint64_t address, size_t len)
{
	return err_create(ERR_FAULT, "the guest has no memory at the physical addresses 0x%llx to 0x%llx",
			  (unsigned long long)address, (unsigned long long)(address + (len ? len - 1 : 0)));
}

struct err *mem_read_phys(struct mem *m, uint64_t address, void *ret, size_t len)
{
	return copy_phys(m, address, ret, len) ? NULL : no_memory(address, len);
}

/* Through the file: a hole in it reads as zeros and stays a hole. */
struct err *mem_peek_phys(struct mem *m, uint64_t address, void *ret, size_t len)
{
	const struct mem_range *r;
	uint64_t left;

	if (m->fd < 0)
		return mem_read_phys(m, address, ret, len);
	r = find_range(m, address, &left);
	if (!r || left < len || pread(m->fd, ret, len, (off_t)(r->offset + (address - r->start))) != (ssize_t)len)
		return no_memory(address, len);
	return NULL;
}

void mem_set_mmu(struct mem *m, const struct mmu *mmu)
{
	m->mmu = *mmu;
	memset(m->memos, 0, sizeof(m->memos));
}

/* Copies page by page; where it ends early, *ret_at and *ret_page say why. */
static enum mmu_fault read_pages(struct mem *m, uint64_t address, void *ret, size_t len, uint64_t *ret_at,
				 struct mmu_page *ret_page)
{
	uint8_t *to = ret;

	while (len) {
		enum mmu_fault fault = mmu_translate_own(m, address, ret_page);
		size_t n;

		*ret_at = address;
		if (fault != MMU_OK)
			return fault;
		n = (size_t)MIN((uint64_t)len, ret_page->left);
		if (!copy_phys(m, ret_page->phys, to, n))
			return MMU_NO_MEMORY;
		to += n;
		address += n;
		len -= n;
	}
	return MMU_OK;
}

static struct err *not_fetched(uint64_t address, size_t len)
{
	return err_create(ERR_FAULT, "the kernel gives nothing of its memory at 0x%llx to 0x%llx",
			  (unsigned long long)address, (unsigned long long)(address + (len ? len - 1 : 0)));
}

struct err *mem_read(struct mem *m, uint64_t address, void *ret, size_t len)
{
	struct mmu_page page = { 0 };
	uint64_t at = address;
	enum mmu_fault fault;

	if (m->distant)
		return distant_read(m->distant, address, ret, len) ? NULL : not_fetched(address, len);
	fault = read_pages(m, address, ret, len, &at, &page);
	return fault == MMU_OK ? NULL : mmu_error(fault, at, &page);
}

bool mem_try_read(struct mem *m, uint64_t address, void *ret, size_t len)
{
	struct mmu_page page;
	uint64_t at;

	if (m->distant)
		return distant_read(m->distant, address, ret, len);
	return read_pages(m, address, ret, len, &at, &page) == MMU_OK;
}

struct err *mem_translate(struct mem *m, uint64_t address, uint64_t *ret)
{
	struct mmu_page page = { 0 };
	enum mmu_fault fault = mmu_translate(m, &m->mmu, address, &page);

	if (fault != MMU_OK)
		return mmu_error(fault, address, &page);
	*ret = page.phys;
	return NULL;
}

/* A page that was looked up: what is at virtual addresses from `base` on is at `host`, `left` bytes of it. */
struct window {
	uint64_t base, left;
	const uint8_t *host;
};

static bool window_has(const struct window *w, uint64_t at, uint64_t size)
{
	return at >= w->base && at - w->base < w->left && size <= w->left - (at - w->base);
}

/* The page that has the address, as much of it as is in one range of memory. */
static void window_open(struct mem *m, uint64_t at, struct window *ret)
{
	const struct mem_range *r;
	struct mmu_page page;
	uint64_t left, before;

	*ret = (struct window){ .base = at };
	if (m->core || m->distant || mmu_translate_own(m, at, &page) != MMU_OK)
		return;
	r = find_range(m, page.phys, &left);
	if (!r)
		return;
	before = MIN((UINT64_C(1) << mmu_shift(page.level)) - page.left, page.phys - r->start);
	*ret = (struct window){
		.base = at - before,
		.left = before + MIN(left, page.left),
		.host = m->base + r->offset + (page.phys - r->start) - before,
	};
}

static uint32_t gather_distant(struct mem *m, uint64_t address, const struct mem_piece *pieces, size_t n, void *ret)
{
	uint32_t done = 0;

	for (size_t i = 0; i < n; i++)
		distant_want(m->distant, address + pieces[i].offset, pieces[i].size);
	distant_bring(m->distant);
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].size &&
		    distant_take(m->distant, address + pieces[i].offset, (uint8_t *)ret + pieces[i].to, pieces[i].size))
			done |= UINT32_C(1) << i;
	}
	return done;
}

uint32_t mem_gather(struct mem *m, uint64_t address, const struct mem_piece *pieces, size_t n, void *ret)
{
	struct window w = { 0 };
	uint32_t done = 0;

	if (m->distant)
		return gather_distant(m, address, pieces, n, ret);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = address + pieces[i].offset;
		uint8_t *to = (uint8_t *)ret + pieces[i].to;

		if (!pieces[i].size)
			continue;
		if (!window_has(&w, at, pieces[i].size))
			window_open(m, at, &w);
		if (window_has(&w, at, pieces[i].size)) {
			copy(to, w.host + (at - w.base), pieces[i].size);
			done |= UINT32_C(1) << i;
		} else if (mem_try_read(m, at, to, pieces[i].size)) {
			done |= UINT32_C(1) << i;
		}
	}
	/* What is read next is read later. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return done;
}

void mem_prefetch(struct mem *m, uint64_t address, const struct mem_piece *pieces, size_t n)
{
	struct window w;

	window_open(m, address, &w);
	for (size_t i = 0; i < n; i++) {
		if (window_has(&w, address + pieces[i].offset, pieces[i].size))
			__builtin_prefetch(w.host + (address + pieces[i].offset - w.base));
	}
}
