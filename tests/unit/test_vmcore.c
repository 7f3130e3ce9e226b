/*
 * Core files, written: what the page tables map, what lies where in the file, and what is copied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"
#include "mem/vmcore.h"

enum { PAGE = 4096, SIZE = 64 * PAGE, TOP = PAGE, ROOM = 100 };

#define DIRECT UINT64_C(0xffff888000000000)
#define IMAGE UINT64_C(0xffffffff80000000)

static uint8_t image[SIZE] __attribute__((aligned(16)));
static const struct mem_range whole = { 0, SIZE, 0 };

/* An entry of the table in a page of the image. */
static void put(size_t table, size_t index, uint64_t entry)
{
	memcpy(image + table * PAGE + index * 8, &entry, sizeof(entry));
}

static struct mem *open_image(const struct mem_range *ranges, size_t n, unsigned int levels)
{
	const struct mmu mmu = { TOP | 0x18, levels };
	struct mem *m = NULL;

	assert_null(mem_open_buffer(image, SIZE, ranges, n, &m));
	mem_set_mmu(m, &mmu);
	return m;
}

static int clear_image(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	return 0;
}

static void expect_map(const struct mem_mapping *map, uint64_t virt, uint64_t phys, uint64_t size)
{
	assert_int_equal(map->virt, virt);
	assert_int_equal(map->phys, phys);
	assert_int_equal(map->size, size);
}

/* --- Mappings --- */

static void mappings_come_from_above_and_in_one_piece(void **state)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1, 4);
	const uint64_t base = UINT64_C(0xffff800000000000);

	(void)state;
	/* Tables in pages 1 to 4; pages 20, 21 and 30 next to each other, a hole, and page 22. */
	put(1, 256, 2 * PAGE | 1);
	put(2, 0, 3 * PAGE | 1);
	put(3, 0, 4 * PAGE | 1);
	put(4, 0, 20 * PAGE | 1);
	put(4, 1, 21 * PAGE | 1 | UINT64_C(1) << 63);
	put(4, 2, 30 * PAGE | 1);
	put(4, 4, 22 * PAGE | 1);
	/* What is no RAM, and the lower half. */
	put(4, 5, UINT64_C(0xfee00000) | 1);
	put(1, 0, 2 * PAGE | 1);
	mem_mappings_list(m, 0, 0, ROOM, &maps);
	assert_true(maps.complete);
	assert_int_equal(maps.n, 3);
	expect_map(&maps.list[0], base + 4 * PAGE, 22 * PAGE, PAGE);
	expect_map(&maps.list[1], base + 2 * PAGE, 30 * PAGE, PAGE);
	expect_map(&maps.list[2], base, 20 * PAGE, 2 * PAGE);
}

static void large_pages_are_cut_to_what_is_ram(void **state)
{
	static const struct mem_range ranges[] = { { PAGE, 8 * PAGE, 0 }, { 16 * PAGE, 8 * PAGE, 8 * PAGE } };
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = NULL;
	const struct mmu mmu = { 2 * PAGE, 5 };

	(void)state;
	assert_null(mem_open_buffer(image, SIZE, ranges, 2, &m));
	mem_set_mmu(m, &mmu);
	/* Tables in the physical pages 2, 3 and 4, which are 1, 2 and 3 of the image; the last entry is of 1 GiB. */
	put(1, 511, 3 * PAGE | 1);
	put(2, 511, 4 * PAGE | 1);
	put(3, 511, 0x81);
	mem_mappings_list(m, 0, 0, ROOM, &maps);
	assert_int_equal(maps.n, 2);
	expect_map(&maps.list[0], UINT64_C(0xffffffffc0000000) + 16 * PAGE, 16 * PAGE, 8 * PAGE);
	expect_map(&maps.list[1], UINT64_C(0xffffffffc0000000) + PAGE, PAGE, 8 * PAGE);
}

static void what_is_known_is_skipped_and_what_is_too_much_is_said(void **state)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL }, few = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1, 4);
	const uint64_t base = UINT64_C(0xffff800000000000);

	(void)state;
	put(1, 256, 2 * PAGE | 1);
	put(2, 0, 3 * PAGE | 1);
	put(3, 0, 4 * PAGE | 1);
	for (size_t i = 0; i < 512; i++)
		put(4, i, (i % 64) * PAGE | 1);
	mem_mappings_list(m, base, 64 * PAGE, ROOM, &maps);
	assert_true(maps.complete);
	assert_int_equal(maps.n, 7);
	assert_int_equal(maps.list[6].virt, base + 64 * PAGE);
	mem_mappings_list(m, 0, 0, 3, &few);
	assert_false(few.complete);
	assert_int_equal(few.n, 3);
	assert_int_equal(few.list[0].virt, base + 448 * PAGE);
}

/* Each entry of each table leads to the table itself: 512^4 ways, but one table. */
static void tables_that_lead_in_circles_come_to_an_end(void **state)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1, 4);

	(void)state;
	for (size_t i = 0; i < 512; i++)
		put(1, i, PAGE | 1);
	mem_mappings_list(m, 0, 0, ROOM, &maps);
	assert_true(maps.complete);
	assert_int_equal(maps.n, 0);
}

static void without_tables_there_are_none(void **state)
{
	_cleanup_(mem_mappings_deinit) struct mem_mappings maps = { .list = NULL };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1, 0);

	(void)state;
	mem_mappings_list(m, 0, 0, ROOM, &maps);
	assert_true(maps.complete);
	assert_int_equal(maps.n, 0);
}

/* --- The layout --- */

static const struct mem_range two[] = { { 0, 16 * PAGE, 0 }, { UINT64_C(1) << 32, 32 * PAGE, 16 * PAGE } };

static void every_segment_lies_where_its_memory_does(void **state)
{
	const struct mem_mapping maps[] = {
		{ IMAGE + 4 * PAGE, 4 * PAGE, 2 * PAGE },                 /* the image */
		{ 0xffffc90000010000, (UINT64_C(1) << 32) + PAGE, PAGE }, /* above 4 GiB */
		{ 0xffffc90000000000, 15 * PAGE, 2 * PAGE },              /* not all in RAM */
		{ 0xffffc80000000000, UINT64_C(1) << 40, PAGE },          /* not at all */
		{ 0xffffc70000000000, PAGE, 0 },                          /* nothing */
		{ 0xffffc60000000000, UINT64_MAX - PAGE + 1, PAGE },      /* nonsense */
	};
	const struct vmcore_contents c = { two, 2, DIRECT, IMAGE, maps, ARRAY_SIZE(maps), 100 };
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };

	(void)state;
	vmcore_plan(&c, &l);
	assert_int_equal(l.n, 5);
	assert_int_equal(l.left_out, 0);
	assert_int_equal(l.notes, sizeof(Elf64_Ehdr) + 6 * sizeof(Elf64_Phdr));
	assert_int_equal(l.data, PAGE);
	assert_int_equal(l.end, PAGE + 48 * PAGE);
	assert_int_equal(l.segments[0].virt, DIRECT);
	assert_int_equal(l.segments[0].phys, 0);
	assert_int_equal(l.segments[0].offset, PAGE);
	assert_int_equal(l.segments[0].size, 16 * PAGE);
	assert_int_equal(l.segments[1].virt, DIRECT + (UINT64_C(1) << 32));
	assert_int_equal(l.segments[1].phys, UINT64_C(1) << 32);
	assert_int_equal(l.segments[1].offset, 17 * PAGE);
	assert_int_equal(l.segments[2].virt, 0xffffc90000000000);
	assert_int_equal(l.segments[2].offset, 16 * PAGE);
	assert_int_equal(l.segments[2].size, PAGE);
	assert_int_equal(l.segments[3].virt, 0xffffc90000010000);
	assert_int_equal(l.segments[3].phys, VMCORE_NO_PHYS);
	assert_int_equal(l.segments[3].offset, 18 * PAGE);
	assert_int_equal(l.segments[4].virt, IMAGE + 4 * PAGE);
	assert_int_equal(l.segments[4].phys, 4 * PAGE);
	assert_int_equal(l.segments[4].offset, 5 * PAGE);
}

/* As in a core that was filtered: of one mapping, what is there. */
static void a_mapping_over_holes_is_several_segments(void **state)
{
	static const struct mem_range pages[] = { { PAGE, PAGE, 0 },
						  { 3 * PAGE, 2 * PAGE, PAGE },
						  { 6 * PAGE, PAGE, 3 * PAGE } };
	const struct mem_mapping map = { 0xffffc90000000000, 2 * PAGE, 5 * PAGE };
	const struct vmcore_contents c = { pages, ARRAY_SIZE(pages), DIRECT, IMAGE, &map, 1, 0 };
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };

	(void)state;
	vmcore_plan(&c, &l);
	assert_int_equal(l.n, 5);
	assert_int_equal(l.segments[3].virt, 0xffffc90000000000 + PAGE);
	assert_int_equal(l.segments[3].offset, l.data + PAGE);
	assert_int_equal(l.segments[3].size, 2 * PAGE);
	assert_int_equal(l.segments[4].virt, 0xffffc90000000000 + 4 * PAGE);
	assert_int_equal(l.segments[4].offset, l.data + 3 * PAGE);
	assert_int_equal(l.segments[4].size, PAGE);
}

static void there_is_a_bound_and_the_highest_ones_stay(void **state)
{
	const size_t n = VMCORE_SEGMENTS_MAX + 10;
	_cleanup_(free) struct mem_mapping *maps = xcalloc(n, sizeof(*maps));
	const struct vmcore_contents c = { two, 2, DIRECT, IMAGE, maps, n, 0 };
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };

	(void)state;
	for (size_t i = 0; i < n; i++)
		maps[i] = (struct mem_mapping){ UINT64_MAX - (2 * i + 2) * PAGE + 1, 0, PAGE };
	vmcore_plan(&c, &l);
	assert_int_equal(l.n, VMCORE_SEGMENTS_MAX);
	assert_int_equal(l.left_out, 12);
	assert_int_equal(l.segments[l.n - 1].virt, maps[0].virt);
	assert_true(l.n + 1 < PN_XNUM);
}

static void headers_are_what_elf_wants(void **state)
{
	const struct mem_mapping map = { IMAGE, 0, PAGE };
	const struct vmcore_contents c = { two, 2, DIRECT, IMAGE, &map, 1, 20 };
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	Elf64_Ehdr head;
	Elf64_Phdr p[4];

	(void)state;
	vmcore_plan(&c, &l);
	vmcore_put_headers(&l, 20, &b);
	assert_int_equal(b.len, l.notes);
	memcpy(&head, b.data, sizeof(head));
	memcpy(p, b.data + head.e_phoff, sizeof(p));
	assert_memory_equal(head.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(head.e_type, ET_CORE);
	assert_int_equal(head.e_machine, EM_X86_64);
	assert_int_equal(head.e_phnum, 4);
	assert_int_equal(p[0].p_type, PT_NOTE);
	assert_int_equal(p[0].p_offset, l.notes);
	assert_int_equal(p[0].p_filesz, 20);
	assert_int_equal(p[3].p_type, PT_LOAD);
	assert_int_equal(p[3].p_vaddr, IMAGE);
	assert_int_equal(p[3].p_paddr, 0);
	assert_int_equal(p[3].p_offset, l.data);
	assert_int_equal(p[3].p_filesz, PAGE);
	assert_int_equal(p[3].p_memsz, PAGE);
}

static void notes_are_padded(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	Elf64_Nhdr head;

	(void)state;
	vmcore_put_note("VMCOREINFO", 0, "A=1\nB", 5, &b);
	vmcore_put_note("CORE", 1, "1234", 4, &b);
	assert_int_equal(b.len, 12 + 12 + 8 + 12 + 8 + 4);
	memcpy(&head, b.data, sizeof(head));
	assert_int_equal(head.n_namesz, 11);
	assert_int_equal(head.n_descsz, 5);
	assert_memory_equal(b.data + 12, "VMCOREINFO\0\0A=1\nB\0\0\0", 20);
	memcpy(&head, b.data + 32, sizeof(head));
	assert_int_equal(head.n_type, 1);
	assert_memory_equal(b.data + 44,
			    "CORE\0\0\0\0"
			    "1234",
			    12);
}

/* --- Copies --- */

static struct err *go_on(uint64_t done, uint64_t total, void *user)
{
	uint64_t *last = user;

	assert_true(done > *last && done <= total);
	*last = done;
	return NULL;
}

static struct err *refuse(uint64_t done, uint64_t total, void *user)
{
	(void)done;
	(void)total;
	(void)user;
	return err_create(ERR_CLOSED, "enough");
}

static void what_is_empty_becomes_a_hole(void **state)
{
	static const struct mem_range range = { 0, 1024 * PAGE, 0 };
	_cleanup_(close) int ram = memfd_create("ram", MFD_CLOEXEC), core = memfd_create("core", MFD_CLOEXEC);
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(err_destroy) struct err *refused = NULL;
	uint64_t written = 0, last = 0;
	uint8_t zeros[PAGE] = { 0 };
	struct stat st;
	char text[8];

	(void)state;
	assert_int_equal(ftruncate(ram, 1024 * PAGE), 0);
	assert_int_equal(ftruncate(core, 1025 * PAGE), 0);
	assert_int_equal(pwrite(ram, "first", 5, 0), 5);
	assert_int_equal(pwrite(ram, zeros, PAGE, PAGE), PAGE);
	assert_int_equal(pwrite(ram, "third", 5, 3 * PAGE - 5), 5);
	assert_int_equal(pwrite(ram, "last", 4, 1024 * PAGE - 4), 4);
	assert_null(mem_open_ram(ram, &range, 1, &m));
	assert_null(vmcore_copy_memory(m, core, PAGE, go_on, &last, &written));
	assert_int_equal(written, 3 * PAGE);
	assert_int_equal(fstat(core, &st), 0);
	assert_int_equal(st.st_size, 1025 * PAGE);
	assert_int_equal(st.st_blocks * 512, 3 * PAGE);
	assert_int_equal(pread(core, text, 5, PAGE), 5);
	assert_memory_equal(text, "first", 5);
	assert_int_equal(pread(core, text, 5, 4 * PAGE - 5), 5);
	assert_memory_equal(text, "third", 5);
	assert_int_equal(pread(core, text, 4, 1025 * PAGE - 4), 4);
	assert_memory_equal(text, "last", 4);
	refused = vmcore_copy_memory(m, core, PAGE, refuse, NULL, &written);
	assert_int_equal(err_code(refused), ERR_CLOSED);
}

static void a_disk_that_is_full_is_an_error(void **state)
{
	static const struct mem_range range = { 0, PAGE, 0 };
	_cleanup_(close) int ram = memfd_create("ram", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	_cleanup_(mem_destroy) struct mem *m = NULL, *buffer = open_image(&whole, 1, 4);
	_cleanup_(err_destroy) struct err *e = NULL, *none = NULL;
	uint64_t written = 77, last = 0;

	(void)state;
	assert_int_equal(ftruncate(ram, PAGE), 0);
	assert_int_equal(pwrite(ram, "x", 1, 0), 1);
	assert_null(mem_open_ram(ram, &range, 1, &m));
	e = vmcore_copy_memory(m, full, 0, go_on, &last, &written);
	assert_int_equal(err_errno(e), ENOSPC);
	none = vmcore_copy_memory(buffer, full, 0, go_on, &last, &written);
	assert_int_equal(err_code(none), ERR_UNSUPPORTED);
	assert_int_equal(written, 77);
}

/* --- Cores of cores --- */

/* An ELF core with a note and these segments, each with the memory that is there in a file where it begins at 0. */
static int make_core(const struct vmcore_segment *segments, size_t n, uint64_t memory)
{
	const struct vmcore_layout l = { .segments = (struct vmcore_segment *)(uintptr_t)segments,
					 .n = n,
					 .notes = 64 + (n + 1) * 56 };
	_cleanup_(buf_deinit) struct buf head = BUF_INIT;
	int fd = memfd_create("core", MFD_CLOEXEC);

	vmcore_put_headers(&l, 20, &head);
	vmcore_put_note("CORE", 77, "note", 4, &head);
	head.len -= 4;
	assert_int_equal(pwrite(fd, head.data, head.len, 0), head.len);
	assert_int_equal(ftruncate(fd, (off_t)(n * PAGE + memory)), 0);
	return fd;
}

static struct mem *open_core(int fd)
{
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct mem *m = NULL;

	assert_null(mem_open_core(path, &m));
	return m;
}

static void a_core_says_what_memory_it_has(void **state)
{
	static const struct vmcore_segment segments[] = {
		{ DIRECT + 8 * PAGE, 8 * PAGE, 4 * PAGE + 8 * PAGE, 2 * PAGE },
		{ 0xffffc90000000000, VMCORE_NO_PHYS, 4 * PAGE, PAGE },
		{ DIRECT + PAGE, PAGE, 4 * PAGE + PAGE, 3 * PAGE },
		{ IMAGE + 2 * PAGE, 2 * PAGE, 4 * PAGE + 2 * PAGE, PAGE },
	};
	_cleanup_(close) int fd = make_core(segments, ARRAY_SIZE(segments), 10 * PAGE);
	_cleanup_(close) int to = memfd_create("copy", MFD_CLOEXEC);
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(free) struct mem_range *ranges = NULL;
	_cleanup_(buf_deinit) struct buf notes = BUF_INIT;
	uint64_t joined = 77, missing = 77, last = 0;
	size_t n = 0;
	char text[4];

	(void)state;
	assert_int_equal(pwrite(fd, "high", 4, 4 * PAGE + 9 * PAGE), 4);
	m = open_core(fd);
	assert_null(mem_core_ranges(m, &ranges, &n, &joined));
	assert_int_equal(n, 2);
	assert_int_equal(joined, 0);
	assert_int_equal(ranges[0].start, PAGE);
	assert_int_equal(ranges[0].size, 3 * PAGE);
	assert_int_equal(ranges[0].offset, 0);
	assert_int_equal(ranges[1].start, 8 * PAGE);
	assert_int_equal(ranges[1].size, 2 * PAGE);
	assert_int_equal(ranges[1].offset, 3 * PAGE);
	mem_core_notes(m, &notes);
	assert_int_equal(notes.len, 20);
	assert_memory_equal(notes.data + 12, "CORE", 5);
	assert_null(vmcore_copy_core(m, ranges, n, to, PAGE, go_on, &last, &missing));
	assert_int_equal(missing, 0);
	assert_int_equal(last, 5 * PAGE);
	assert_int_equal(pread(to, text, 4, PAGE + 4 * PAGE), 4);
	assert_memory_equal(text, "high", 4);
}

/* As one that was filtered: every second page. */
static void too_many_pieces_are_joined(void **state)
{
	const size_t pieces = MEM_CORE_RANGES_MAX + 1000;
	_cleanup_(free) struct vmcore_segment *segments = xcalloc(pieces, sizeof(*segments));
	_cleanup_(free) struct mem_range *ranges = NULL;
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(close) int fd = -1, to = memfd_create("copy", MFD_CLOEXEC);
	uint64_t joined = 0, missing = 0, last = 0;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < pieces; i++)
		segments[i] = (struct vmcore_segment){ DIRECT + 2 * i * PAGE, 2 * i * PAGE, pieces * PAGE, PAGE };
	fd = make_core(segments, pieces, PAGE);
	m = open_core(fd);
	assert_null(mem_core_ranges(m, &ranges, &n, &joined));
	assert_in_range(n, 1, MEM_CORE_RANGES_MAX);
	assert_int_equal(joined, (pieces - 1) * PAGE);
	assert_null(vmcore_copy_core(m, ranges, n, to, 0, go_on, &last, &missing));
	assert_int_equal(last, ranges[n - 1].offset + ranges[n - 1].size);
}

static void a_core_that_lies_is_refused(void **state)
{
	static const struct vmcore_segment high = { DIRECT, UINT64_C(1) << 50, PAGE, PAGE },
					   elsewhere = { DIRECT, VMCORE_NO_PHYS, PAGE, PAGE };
	_cleanup_(close) int fd = make_core(&high, 1, PAGE), none = make_core(&elsewhere, 1, PAGE);
	_cleanup_(mem_destroy) struct mem *m = open_core(fd), *empty = open_core(none), *ram = open_image(&whole, 1, 4);
	_cleanup_(err_destroy) struct err *e = NULL, *e2 = NULL, *e3 = NULL;
	struct mem_range *ranges = NULL;
	uint64_t joined;
	size_t n;

	(void)state;
	e = mem_core_ranges(m, &ranges, &n, &joined);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	e2 = mem_core_ranges(empty, &ranges, &n, &joined);
	assert_int_equal(err_code(e2), ERR_BAD_DATA);
	e3 = mem_core_ranges(ram, &ranges, &n, &joined);
	assert_int_equal(err_code(e3), ERR_UNSUPPORTED);
	assert_null(ranges);
}

#define ON_IMAGE(test) cmocka_unit_test_setup(test, clear_image)

/* Wherever a file ends, that is an error, or less to be read. What is mapped behind its end would be the end of us. */
static void cores_that_were_cut_off(void **state)
{
	_cleanup_(close) int fd = memfd_create("core", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(vmcore_layout_deinit) struct vmcore_layout l = { .segments = NULL };
	_cleanup_(buf_deinit) struct buf note = BUF_INIT, file = BUF_INIT;
	struct vmcore_contents c = { &whole, 1, DIRECT, IMAGE, NULL, 0, 0 };

	(void)state;
	vmcore_put_note("VMCOREINFO", 0, image, (size_t)3 * PAGE, &note);
	c.notes_size = note.len;
	vmcore_plan(&c, &l);
	vmcore_put_headers(&l, note.len, &file);
	buf_append(&file, note.data, note.len);
	for (size_t size = 0; size <= file.len; size += 500) {
		struct mem *m = NULL;
		uint8_t byte;
		struct err *e;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, file.data, size, 0), size);
		e = mem_open_core(path, &m);
		assert_true(size || e);
		if (m) {
			mem_core_vmcoreinfo(m);
			err_ignore(mem_read_phys(m, 0, &byte, 1));
		}
		err_ignore(e);
		mem_destroy(m);
	}
	for (size_t size = 8; size < PAGE; size += 100) {
		struct mem *m = NULL;
		struct err *e;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		assert_int_equal(pwrite(fd, "KDUMP   \x06", 9, 0), 9);
		e = mem_open_core(path, &m);
		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		err_destroy(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_IMAGE(mappings_come_from_above_and_in_one_piece),
		ON_IMAGE(large_pages_are_cut_to_what_is_ram),
		ON_IMAGE(what_is_known_is_skipped_and_what_is_too_much_is_said),
		ON_IMAGE(tables_that_lead_in_circles_come_to_an_end),
		ON_IMAGE(without_tables_there_are_none),
		cmocka_unit_test(every_segment_lies_where_its_memory_does),
		cmocka_unit_test(a_mapping_over_holes_is_several_segments),
		cmocka_unit_test(there_is_a_bound_and_the_highest_ones_stay),
		cmocka_unit_test(headers_are_what_elf_wants),
		cmocka_unit_test(notes_are_padded),
		cmocka_unit_test(what_is_empty_becomes_a_hole),
		cmocka_unit_test(a_disk_that_is_full_is_an_error),
		cmocka_unit_test(a_core_says_what_memory_it_has),
		cmocka_unit_test(too_many_pieces_are_joined),
		cmocka_unit_test(a_core_that_lies_is_refused),
		cmocka_unit_test(cores_that_were_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
