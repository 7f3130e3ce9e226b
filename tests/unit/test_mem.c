/*
 * Guest memory: physical ranges, page tables of all shapes, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"
#include "mem/flattened.h"
#include "mem/mem.h"
#include "mem/notes.h"
#include "vm/ram.h"

#include "expect_fault.h"

enum { PAGE = 4096, SIZE = 32 * PAGE };

static uint8_t image[SIZE] __attribute__((aligned(16)));

static void put64(size_t at, uint64_t value)
{
	memcpy(image + at, &value, sizeof(value));
}

/* Its bytes say where they are. */
static struct mem *open_image(const struct mem_range *ranges, size_t n)
{
	struct mem *m = NULL;

	for (size_t i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i / PAGE);
	assert_null(mem_open_buffer(image, SIZE, ranges, n, &m));
	return m;
}

static void reads_physical_ranges(void **state)
{
	static const struct mem_range ranges[] = { { 0, 4 * PAGE, 0 }, { 1 << 20, 4 * PAGE, 4 * PAGE } };
	_cleanup_(mem_destroy) struct mem *m = open_image(ranges, 2);
	uint8_t bytes[2 * PAGE];

	(void)state;
	assert_int_equal(mem_end(m), (1 << 20) + 4 * PAGE);
	assert_int_equal(mem_size(m), 8 * PAGE);
	assert_false(mem_is_core(m));
	assert_null(mem_read_phys(m, PAGE - 1, bytes, 2));
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[1], 1);
	assert_null(mem_read_phys(m, 1 << 20, bytes, PAGE + 1));
	assert_int_equal(bytes[0], 4);
	assert_int_equal(bytes[PAGE], 5);
	expect_fault(mem_read_phys(m, 4 * PAGE - 1, bytes, 2), "no memory at the physical");
	expect_fault(mem_read_phys(m, (1 << 20) - 1, bytes, 1), "0xfffff");
	expect_fault(mem_read_phys(m, UINT64_MAX, bytes, 1), "no memory");
	assert_null(mem_read_phys(m, UINT64_MAX, bytes, 0));
}

static void ranges_next_to_each_other_are_read_through(void **state)
{
	static const struct mem_range ranges[] = { { 0, PAGE, PAGE }, { PAGE, PAGE, 0 } };
	_cleanup_(mem_destroy) struct mem *m = open_image(ranges, 2);
	uint8_t bytes[2];

	(void)state;
	assert_null(mem_read_phys(m, PAGE - 1, bytes, 2));
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[1], 0);
}

static void bad_ranges_are_refused(void **state)
{
	static const struct mem_range bad[][2] = {
		{ { 0, SIZE + 1, 0 }, { 0, 0, 0 } },      { { 0, PAGE, SIZE }, { 0, 0, 0 } },
		{ { 0, PAGE, UINT64_MAX }, { 0, 0, 0 } }, { { 0, 0, 0 }, { 0, 0, 0 } },
		{ { UINT64_MAX, PAGE, 0 }, { 0, 0, 0 } }, { { 0, 2 * PAGE, 0 }, { PAGE, PAGE, 2 * PAGE } },
	};
	struct mem *m = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(err_destroy) struct err *e = mem_open_buffer(image, SIZE, bad[i], bad[i][1].size ? 2 : 1, &m);

		assert_int_equal(err_code(e), ERR_BAD_DATA);
	}
	assert_null(m);
}

/*
 * Tables in pages 1 (top) to 5; an address with the index 3 at every level. Returns it, sign-extended.
 */
static uint64_t make_tables(unsigned int levels, unsigned int leaf, uint64_t target)
{
	uint64_t address = 0;

	for (unsigned int level = levels, page = 1; level >= leaf; level--, page++) {
		memset(image + (size_t)page * PAGE, 0, PAGE);
		put64((size_t)page * PAGE + 3 * 8,
		      level > leaf ? (page + 1) * PAGE | 1 : target | 1 | (leaf > 1 ? 0x80 : 0));
	}
	for (unsigned int level = 1; level <= levels; level++)
		address |= UINT64_C(3) << (12 + 9 * (level - 1));
	return address;
}

static void translates(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };

	(void)state;
	for (unsigned int levels = 4; levels <= 5; levels++) {
		for (unsigned int leaf = 1; leaf <= 3; leaf++) {
			_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
			/* Bit 12 of a large page is no part of its address; execute-disable is none either. */
			uint64_t high = UINT64_C(1) << 63, target = leaf > 1 ? high | 0x1000 : high | 20 * PAGE;
			uint64_t address = make_tables(levels, leaf, target), phys = 0, within;
			const struct mmu mmu = { PAGE | 0x18, levels };

			mem_set_mmu(m, &mmu);
			within = address & ((UINT64_C(1) << (12 + 9 * (leaf - 1))) - 1);
			assert_null(mem_translate(m, address + 5, &phys));
			assert_int_equal(phys, leaf > 1 ? within + 5 : 20 * PAGE + 5);
		}
	}
}

/* Where its entry lies is remembered; what it says is asked each time, and with other tables all of it. */
static void large_pages_may_change(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };

	(void)state;
	for (unsigned int leaf = 2; leaf <= 3; leaf++) {
		_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
		/* The first address of the page that has it is that of physical memory. */
		uint64_t within = (UINT64_C(1) << (12 + 9 * (leaf - 1))) - 1,
			 address = make_tables(4, leaf, 0) & ~within;
		size_t entry = (size_t)(5 - leaf) * PAGE + 3 * 8;
		const struct mmu mmu = { PAGE, 4 };
		struct mmu_page page;
		uint8_t byte;

		mem_set_mmu(m, &mmu);
		for (unsigned int i = 0; i < 2; i++) {
			assert_true(mem_try_read(m, address + 20 * PAGE, &byte, 1));
			assert_int_equal(byte, 20);
		}
		/* Memory that isn't there. */
		put64(entry, (within + 1) | 0x81);
		assert_false(mem_try_read(m, address + 20 * PAGE, &byte, 1));
		/* Small pages in its place. */
		memset(image + 20 * (size_t)PAGE, 0, PAGE);
		put64(entry, 20 * PAGE | 1);
		assert_false(mem_try_read(m, address + 20 * PAGE, &byte, 1));
		put64(entry, 0x81);
		assert_true(mem_try_read(m, address + 21 * PAGE, &byte, 1));
		assert_int_equal(byte, 21);
		put64(entry, 0);
		assert_false(mem_try_read(m, address + 21 * PAGE, &byte, 1));
		/* What is asked of any address space begins at the top, and so does all that comes behind mem_set_mmu(). */
		put64(entry, 0x81);
		assert_true(mem_try_read(m, address + 21 * PAGE, &byte, 1));
		put64(PAGE + 3 * 8, 0);
		assert_int_equal(mmu_translate(m, &mmu, address + 21 * PAGE, &page), MMU_NOT_PRESENT);
		mem_set_mmu(m, &mmu);
		assert_false(mem_try_read(m, address + 21 * PAGE, &byte, 1));
	}
}

static void reads_virtual_memory(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
	uint64_t address = make_tables(4, 1, 20 * PAGE);
	const struct mmu mmu = { PAGE, 4 };
	uint8_t bytes[2];

	(void)state;
	put64(4 * PAGE + 4 * 8, 10 * PAGE | 1);
	expect_fault(mem_read(m, address, bytes, 1), "page tables were not found");
	mem_set_mmu(m, &mmu);
	assert_null(mem_read(m, address + PAGE - 1, bytes, 2));
	assert_int_equal(bytes[0], 20);
	assert_int_equal(bytes[1], 10);
	expect_fault(mem_read(m, address + 2 * PAGE - 1, bytes, 2), "is not mapped (level 1)");
	assert_false(mem_try_read(m, address + 2 * PAGE - 1, bytes, 2));
	expect_fault(mem_read(m, UINT64_C(1) << 39, bytes, 1), "is not mapped (level 4)");
	expect_fault(mem_read(m, UINT64_C(1) << 47, bytes, 1), "is no address");
	expect_fault(mem_read(m, UINT64_C(0xfffe) << 47, bytes, 1), "is no address");
}

struct gathered {
	uint8_t first, other[2], over[2], nothing, missing, before;
};

/* Over the borders of pages, to lower addresses too; what isn't there is left out. */
static void gathers_pieces(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };
	static const struct mem_piece pieces[] = {
		{ PAGE - 2, 1, offsetof(struct gathered, first) },   { PAGE + 8, 2, offsetof(struct gathered, other) },
		{ PAGE - 1, 2, offsetof(struct gathered, over) },    { PAGE, 0, offsetof(struct gathered, nothing) },
		{ 2 * PAGE, 1, offsetof(struct gathered, missing) }, { 4, 1, offsetof(struct gathered, before) },
	};
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
	uint64_t address = make_tables(4, 1, 20 * PAGE);
	const struct mmu mmu = { PAGE, 4 };
	struct gathered g = { 0 };

	(void)state;
	put64(4 * PAGE + 4 * 8, 10 * PAGE | 1);
	mem_set_mmu(m, &mmu);
	mem_prefetch(m, address, pieces, ARRAY_SIZE(pieces));
	assert_int_equal(mem_gather(m, address, pieces, ARRAY_SIZE(pieces), &g), 0x27);
	assert_int_equal(g.first, 20);
	assert_int_equal(g.other[1], 10);
	assert_int_equal(g.over[0], 20);
	assert_int_equal(g.over[1], 10);
	assert_int_equal(g.nothing, 0);
	assert_int_equal(g.missing, 0);
	assert_int_equal(g.before, 20);
}

/* A large page that goes beyond the memory there is: what is in it counts, and no more. */
static void gathers_from_the_end_of_memory(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };
	static const struct mem_piece pieces[] = {
		{ SIZE - 1, 1, 0 }, { SIZE - 1, 2, 1 }, { SIZE, 1, 3 }, { 5 * PAGE, 1, 4 }
	};
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
	uint64_t address = make_tables(4, 2, 0) & ~((UINT64_C(1) << 21) - 1);
	const struct mmu mmu = { PAGE, 4 };
	uint8_t bytes[8] = { 0 };

	(void)state;
	mem_set_mmu(m, &mmu);
	mem_prefetch(m, address, pieces, ARRAY_SIZE(pieces));
	assert_int_equal(mem_gather(m, address, pieces, ARRAY_SIZE(pieces), bytes), 0x9);
	assert_int_equal(bytes[0], image[SIZE - 1]);
	assert_int_equal(bytes[4], image[5 * PAGE]);
}

static void a_table_that_changes_is_seen_to(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
	uint64_t address = make_tables(4, 1, 20 * PAGE);
	const struct mmu mmu = { PAGE, 4 };
	uint8_t byte;

	(void)state;
	mem_set_mmu(m, &mmu);
	assert_null(mem_read(m, address, &byte, 1));
	assert_int_equal(byte, 20);
	put64(4 * PAGE + 3 * 8, 21 * PAGE | 1);
	assert_null(mem_read(m, address, &byte, 1));
	assert_int_equal(byte, 21);
	/* At another level. */
	put64(6 * PAGE + 3 * 8, 22 * PAGE | 1);
	put64(3 * PAGE + 3 * 8, 6 * PAGE | 1);
	assert_null(mem_read(m, address, &byte, 1));
	assert_int_equal(byte, 22);
	put64(3 * PAGE + 3 * 8, 4 * PAGE | 1);
	put64(4 * PAGE + 3 * 8, 0);
	expect_fault(mem_read(m, address, &byte, 1), "is not mapped");
}

static void hostile_tables_are_faults(void **state)
{
	static const struct mem_range whole = { 0, SIZE, 0 };
	_cleanup_(mem_destroy) struct mem *m = open_image(&whole, 1);
	uint64_t address = make_tables(4, 1, 20 * PAGE);
	const struct mmu mmu = { PAGE, 4 }, three = { PAGE, 3 }, outside = { UINT64_C(1) << 40, 4 };
	uint8_t byte;

	(void)state;
	mem_set_mmu(m, &mmu);
	/* The page, a table, a large page at the top. */
	put64(4 * PAGE + 3 * 8, UINT64_C(0xfffffffffffff000) | 1);
	expect_fault(mem_read(m, address, &byte, 1), "no memory");
	put64(3 * PAGE + 3 * 8, SIZE | 1);
	expect_fault(mem_read(m, address, &byte, 1), "no memory");
	put64(PAGE + 3 * 8, 0x81);
	expect_fault(mem_read(m, address, &byte, 1), "broken");
	/* Tables that lead to themselves are just tables. */
	put64(PAGE + 3 * 8, PAGE | 1);
	assert_null(mem_read(m, address, &byte, 1));
	assert_int_equal(byte, 0);
	mem_set_mmu(m, &three);
	expect_fault(mem_read(m, address, &byte, 1), "page tables were not found");
	mem_set_mmu(m, &outside);
	expect_fault(mem_read(m, address, &byte, 1), "no memory");
}

static void ram_is_mapped_and_holes_stay_holes(void **state)
{
	static const struct mem_range range = { 0, 16 * PAGE, 0 };
	_cleanup_(close) int fd = memfd_create("ram", MFD_CLOEXEC);
	_cleanup_(mem_destroy) struct mem *m = NULL;
	struct stat st;
	uint64_t value = 1;

	(void)state;
	assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
	assert_null(mem_open_ram(fd, &range, 1, &m));
	for (uint64_t at = 0; at < 16 * PAGE; at += PAGE) {
		assert_null(mem_peek_phys(m, at, &value, sizeof(value)));
		assert_int_equal(value, 0);
	}
	expect_fault(mem_peek_phys(m, 16 * PAGE - 1, &value, sizeof(value)), "no memory");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	/* What the guest writes is seen. */
	assert_int_equal(pwrite(fd, "x", 1, PAGE), 1);
	assert_null(mem_read_phys(m, PAGE, &value, sizeof(value)));
	assert_int_equal(value, 'x');
}

static void a_core_that_is_none_is_an_error(void **state)
{
	struct mem *m = NULL;
	_cleanup_(err_destroy) struct err *none = mem_open_core("/nonexistent", &m), *own = NULL;

	(void)state;
	assert_int_equal(err_code(none), ERR_OS);
	own = mem_open_core("/dev/null", &m);
	assert_int_equal(err_code(own), ERR_BAD_DATA);
	assert_null(m);
}

static size_t put_piece(uint8_t *at, uint64_t offset, const char *text)
{
	uint64_t head[] = { htobe64(offset), htobe64(strlen(text)) };

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), text, strlen(text));
	return sizeof(head) + strlen(text);
}

static struct err *rearrange(const uint8_t *data, size_t n, int *ret)
{
	_cleanup_(close) int fd = memfd_create("flattened", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, n), n);
	return flattened_rearrange(fd, "core", ret);
}

static void a_flattened_core_is_rearranged(void **state)
{
	uint8_t data[FLATTENED_HEAD + 256] = "makedumpfile";
	size_t n = FLATTENED_HEAD, end;
	_cleanup_(close) int fd = -1;
	int none = -1;
	char text[16] = "";

	(void)state;
	assert_true(flattened_is(data, sizeof(data)));
	assert_false(flattened_is("KDUMP   ", 8));
	n += put_piece(data + n, 10, "second");
	n += put_piece(data + n, 0, "first ");
	end = n;
	n += put_piece(data + n, UINT64_MAX, "");
	assert_null(rearrange(data, n, &fd));
	assert_int_equal(pread(fd, text, sizeof(text), 0), 16);
	assert_memory_equal(text, "first \0\0\0\0second", 16);
	/* Cut off, or with a piece that can't be. */
	for (size_t i = 0; i < n; i += 7) {
		_cleanup_(err_destroy) struct err *e = rearrange(data, i, &none);

		assert_int_equal(err_code(e), ERR_BAD_DATA);
	}
	put_piece(data + end, UINT64_MAX - 1, "");
	_cleanup_(err_destroy) struct err *e = rearrange(data, n, &none);

	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_int_equal(none, -1);
}

/* hw/i386/pc_q35.c of QEMU. */
static void ram_lies_where_qemu_puts_it(void **state)
{
	const uint64_t gib = UINT64_C(1) << 30;
	struct mem_range r[VM_RAM_RANGES_MAX];

	(void)state;
	assert_int_equal(vm_ram_ranges(512 * MIB, r), 1);
	assert_int_equal(r[0].size, 512 * MIB);
	assert_int_equal(vm_ram_ranges(2815 * MIB, r), 1);
	assert_int_equal(vm_ram_ranges(2816 * MIB, r), 2);
	assert_int_equal(r[0].size, 2 * gib);
	assert_int_equal(r[1].start, 4 * gib);
	assert_int_equal(r[1].size, 768 * MIB);
	assert_int_equal(r[1].offset, 2 * gib);
	assert_int_equal(vm_ram_ranges(5 * gib, r), 2);
	assert_int_equal(r[1].size, 3 * gib);
	/* CPUs see something else where graphics memory and firmware are. */
	assert_int_equal(vm_ram_ranges_of_cpus(5 * gib, r), 3);
	assert_int_equal(r[0].size, 0xa0000);
	assert_int_equal(r[1].start, MIB);
	assert_int_equal(r[1].offset, MIB);
	assert_int_equal(r[1].size, 2 * gib - MIB);
	assert_int_equal(r[2].start, 4 * gib);
	assert_int_equal(r[2].offset, 2 * gib);
}

/* --- Notes --- */

static size_t put_note(uint8_t *to, uint32_t type, const char *name, uint64_t first, uint32_t size)
{
	const uint32_t head[] = { 5, size, type };

	memset(to, 0, 20 + size);
	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), name, 5);
	/* struct elf_prstatus: 27 registers from byte 112 on. */
	for (uint64_t i = 0; size == 336 && i < 27; i++)
		memcpy(to + 20 + 112 + 8 * i, &(uint64_t){ first + i }, 8);
	return 20 + size;
}

static void notes_have_registers(void **state)
{
	uint8_t notes[1024];
	struct cpu_registers r;
	size_t n = put_note(notes, 1, "CORE", 1000, 336);

	(void)state;
	n += put_note(notes + n, 0, "QEMU", 0, 64);
	n += put_note(notes + n, 1, "CORE", 2000, 336);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		uint64_t first = 1000 * (cpu + 1);

		assert_true(notes_registers(notes, n, cpu, &r));
		assert_int_equal(r.r.values[REGISTER_R15], first);
		assert_int_equal(r.r.values[REGISTER_RBP], first + 4);
		assert_int_equal(r.r.values[REGISTER_RDI], first + 14);
		assert_int_equal(r.r.values[REGISTER_RIP], first + 16);
		assert_int_equal(r.cs, first + 17);
		assert_int_equal(r.r.values[REGISTER_RSP], first + 19);
		assert_int_equal(r.r.known, (1U << REGISTERS_N) - 1);
	}
	assert_false(notes_registers(notes, n, 2, &r));
	for (size_t cut = 0; cut < 356; cut++)
		assert_false(notes_registers(notes, cut, 0, &r));
	notes[4] = notes[5] = notes[6] = notes[7] = 0xff;
	assert_false(notes_registers(notes, n, 0, &r));
}

static void notes_of_a_compressed_core(void **state)
{
	static uint8_t head[NOTES_HEAD] = "KDUMP   ";
	const uint64_t place[] = { 0x1068, 0x1308 };
	uint64_t offset, size;

	(void)state;
	memcpy(head + 8, &(uint32_t){ 6 }, 4);
	memcpy(head + 428, &(uint32_t){ 4096 }, 4);
	assert_false(notes_place(head, sizeof(head), &offset, &size));
	memcpy(head + 4096 + 48, place, sizeof(place));
	assert_true(notes_place(head, sizeof(head), &offset, &size));
	assert_int_equal(offset, 0x1068);
	assert_int_equal(size, 0x1308);
	assert_false(notes_place(head, sizeof(head) - 1, &offset, &size));
	head[0] = 'L';
	assert_false(notes_place(head, sizeof(head), &offset, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_have_registers),
		cmocka_unit_test(notes_of_a_compressed_core),
		cmocka_unit_test(reads_physical_ranges),
		cmocka_unit_test(ranges_next_to_each_other_are_read_through),
		cmocka_unit_test(bad_ranges_are_refused),
		cmocka_unit_test(translates),
		cmocka_unit_test(large_pages_may_change),
		cmocka_unit_test(reads_virtual_memory),
		cmocka_unit_test(gathers_pieces),
		cmocka_unit_test(gathers_from_the_end_of_memory),
		cmocka_unit_test(a_table_that_changes_is_seen_to),
		cmocka_unit_test(hostile_tables_are_faults),
		cmocka_unit_test(ram_is_mapped_and_holes_stay_holes),
		cmocka_unit_test(a_core_that_is_none_is_an_error),
		cmocka_unit_test(a_flattened_core_is_rearranged),
		cmocka_unit_test(ram_lies_where_qemu_puts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
