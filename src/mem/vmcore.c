#include "mem/vmcore.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>

#include "base/util.h"
#include "mem/mem_private.h"

enum { COPY_BYTES = 1 << 20, PAGE_BYTES = 4096, NOTE_ALIGN = 4 };

static uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* --- The layout --- */

/* The last range that something at or above phys may be in. */
static size_t range_before(const struct vmcore_contents *c, uint64_t phys)
{
	size_t low = 0, high = c->ranges_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->ranges[middle].start < phys)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t backing_end(const struct vmcore_contents *c)
{
	uint64_t end = 0;

	for (size_t i = 0; i < c->ranges_n; i++)
		end = MAX(end, c->ranges[i].offset + c->ranges[i].size);
	return end;
}

/* Readers such as crash take the place of the image's segment for that of the kernel; of the rest they want to know none. */
static void add_piece(const struct vmcore_contents *c, const struct mem_range *r, const struct mem_mapping *piece,
		      struct vmcore_layout *l)
{
	if (l->n == VMCORE_SEGMENTS_MAX) {
		l->left_out++;
		return;
	}
	l->segments[l->n++] = (struct vmcore_segment){
		.virt = piece->virt,
		.phys = piece->virt - piece->phys == c->image ? piece->phys : VMCORE_NO_PHYS,
		.offset = r->offset + (piece->phys - r->start),
		.size = piece->size,
	};
}

/* What of it is in the RAM. */
static void add_map(const struct vmcore_contents *c, const struct mem_mapping *map, struct vmcore_layout *l)
{
	uint64_t end = map->phys + map->size;

	if (end <= map->phys)
		return;
	/* What the list of segments has is turned round in the end: so the highest piece comes first. */
	for (size_t i = range_before(c, end); i-- > 0;) {
		const struct mem_range *r = &c->ranges[i];
		uint64_t from = MAX(map->phys, r->start), to = MIN(end, r->start + r->size);

		if (r->start + r->size <= map->phys)
			break;
		add_piece(c, r, &(struct mem_mapping){ map->virt + (from - map->phys), from, to - from }, l);
	}
}

static void reverse(struct vmcore_segment *s, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct vmcore_segment other = s[i];

		s[i] = s[n - 1 - i];
		s[n - 1 - i] = other;
	}
}

void vmcore_plan(const struct vmcore_contents *c, struct vmcore_layout *ret)
{
	struct vmcore_layout l = { .n = 0 };

	l.segments = xcalloc(VMCORE_SEGMENTS_MAX, sizeof(*l.segments));
	for (size_t i = 0; i < c->ranges_n; i++) {
		const struct mem_range *r = &c->ranges[i];

		l.segments[l.n++] = (struct vmcore_segment){ c->direct_map + r->start, r->start, r->offset, r->size };
	}
	/* The highest ones have the image, the modules and the exceptions' stacks. */
	for (size_t i = 0; i < c->maps_n; i++)
		add_map(c, &c->maps[i], &l);
	reverse(l.segments + c->ranges_n, l.n - c->ranges_n);

	l.notes = sizeof(Elf64_Ehdr) + (l.n + 1) * sizeof(Elf64_Phdr);
	l.data = align_up(l.notes + c->notes_size, PAGE_BYTES);
	l.end = l.data + backing_end(c);
	for (size_t i = 0; i < l.n; i++)
		l.segments[i].offset += l.data;
	*ret = l;
}

void vmcore_layout_deinit(struct vmcore_layout *l)
{
	free(l->segments);
	*l = (struct vmcore_layout){ .segments = NULL };
}

/* --- Headers and notes --- */

void vmcore_put_headers(const struct vmcore_layout *l, uint64_t notes_size, struct buf *out)
{
	const Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)(l->n + 1),
	};
	const Elf64_Phdr notes = {
		.p_type = PT_NOTE,
		.p_offset = l->notes,
		.p_filesz = notes_size,
		.p_memsz = notes_size,
		.p_align = NOTE_ALIGN,
	};

	buf_append(out, &head, sizeof(head));
	buf_append(out, &notes, sizeof(notes));
	for (size_t i = 0; i < l->n; i++) {
		const struct vmcore_segment *s = &l->segments[i];
		const Elf64_Phdr load = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | PF_X,
			.p_offset = s->offset,
			.p_vaddr = s->virt,
			.p_paddr = s->phys,
			.p_filesz = s->size,
			.p_memsz = s->size,
			/* Not 0, and crash takes the file for one of netdump's, in which it doesn't look for KASLR. */
			.p_align = 0,
		};

		buf_append(out, &load, sizeof(load));
	}
}

static void put_padded(const void *data, size_t len, struct buf *out)
{
	buf_append(out, data, len);
	while (len++ % NOTE_ALIGN)
		buf_putc(out, '\0');
}

void vmcore_put_note(const char *name, uint32_t type, const void *data, size_t len, struct buf *out)
{
	const Elf64_Nhdr head = {
		.n_namesz = (Elf64_Word)strlen(name) + 1,
		.n_descsz = (Elf64_Word)len,
		.n_type = type,
	};

	buf_append(out, &head, sizeof(head));
	put_padded(name, head.n_namesz, out);
	put_padded(data, len, out);
}

/* --- Memory --- */

static struct err *write_at(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "write");
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static bool is_empty(const uint8_t *data, size_t len)
{
	return !data[0] && memcmp(data, data + 1, len - 1) == 0;
}

/* Writes the pages that are not empty, those next to each other in one go. */
static struct err *write_pages(int fd, const uint8_t *data, size_t len, uint64_t at, uint64_t *written)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i += PAGE_BYTES) {
		size_t n = MIN(len - i, (size_t)PAGE_BYTES);

		if (!is_empty(data + i, n)) {
			*written += n;
			continue;
		}
		TRY(write_at(fd, data + start, i - start, at + start));
		start = i + n;
	}
	return write_at(fd, data + start, len - start, at + start);
}

/* The next stretch that the file has something in; *end is its end. False: there is none. */
static bool next_data(int fd, uint64_t size, uint64_t *start, uint64_t *end)
{
	off_t data = lseek(fd, (off_t)*start, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return false;
	/* A file system that knows no holes. */
	*start = data < 0 ? *start : (uint64_t)data;
	hole = lseek(fd, (off_t)*start, SEEK_HOLE);
	*end = hole < 0 ? size : MIN((uint64_t)hole, size);
	return *start < *end;
}

struct err *vmcore_copy_memory(struct mem *m, int fd, uint64_t at, vmcore_progress progress, void *user,
			       uint64_t *ret_written)
{
	_cleanup_(free) uint8_t *buffer = xmalloc(COPY_BYTES);
	uint64_t start = 0, end, written = 0;

	if (m->fd < 0)
		return err_create(ERR_UNSUPPORTED, "this memory can't be copied: it is not a VM's");
	while (next_data(m->fd, m->base_size, &start, &end)) {
		while (start < end) {
			size_t n = (size_t)MIN(end - start, (uint64_t)COPY_BYTES);
			ssize_t got = pread(m->fd, buffer, n, (off_t)start);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				return err_os(got ? errno : EIO, "read the guest's memory");
			TRY(write_pages(fd, buffer, (size_t)got, at + start, &written));
			start += (uint64_t)got;
			TRY(progress(start, m->base_size, user));
		}
	}
	*ret_written = written;
	return NULL;
}

/* A page that can't be read is one without content. */
static void read_page(struct mem *m, uint64_t address, uint8_t *ret, uint64_t *missing)
{
	struct err *e = mem_read_phys(m, address, ret, PAGE_BYTES);

	if (!e)
		return;
	err_destroy(e);
	memset(ret, 0, PAGE_BYTES);
	*missing += PAGE_BYTES;
}

struct err *vmcore_copy_core(struct mem *m, const struct mem_range *ranges, size_t n, int fd, uint64_t at,
			     vmcore_progress progress, void *user, uint64_t *ret_missing)
{
	_cleanup_(free) uint8_t *buffer = xmalloc(COPY_BYTES);
	uint64_t total = n ? ranges[n - 1].offset + ranges[n - 1].size : 0, missing = 0, written = 0;

	for (size_t i = 0; i < n; i++) {
		const struct mem_range *r = &ranges[i];

		for (uint64_t done = 0; done < r->size; done += COPY_BYTES) {
			size_t len = (size_t)MIN(r->size - done, (uint64_t)COPY_BYTES);

			for (size_t page = 0; page < len; page += PAGE_BYTES)
				read_page(m, r->start + done + page, buffer + page, &missing);
			TRY(write_pages(fd, buffer, len, at + r->offset + done, &written));
			TRY(progress(r->offset + done + len, total, user));
		}
	}
	*ret_missing = missing;
	return NULL;
}
