/*
 * What debuggers are given of a module's file: its sections, and copies in which addresses are cleared, or set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "debuginfo/alloc_sections.h"

/* Sections: none, .data (8), .text (16), .bss (32), .empty (0), .comment (4, takes no memory), names. */
enum { DATA = 1, TEXT, BSS, EMPTY, COMMENT, NAMES, SECTIONS_N };

#define NAMES_TEXT "\0.data\0.text\0.bss\0.empty\0.comment\0"

struct file {
	Elf64_Ehdr head;
	Elf64_Shdr sections[SECTIONS_N];
	char bytes[64];
};

static struct file make_file(void)
{
	struct file f = {
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_REL,
			  .e_version = EV_CURRENT,
			  .e_shoff = offsetof(struct file, sections),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = SECTIONS_N,
			  .e_shstrndx = NAMES },
		.sections = {
			[DATA] = { .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_WRITE, .sh_size = 8 },
			[TEXT] = { .sh_name = 7, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_size = 16 },
			[BSS] = { .sh_name = 13, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_WRITE, .sh_size = 32 },
			[EMPTY] = { .sh_name = 18, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC },
			[COMMENT] = { .sh_name = 25, .sh_type = SHT_PROGBITS, .sh_size = 4 },
			[NAMES] = { .sh_type = SHT_STRTAB, .sh_size = sizeof(NAMES_TEXT) },
		},
		.bytes = NAMES_TEXT,
	};

	for (int i = 1; i < SECTIONS_N; i++)
		f.sections[i].sh_offset = offsetof(struct file, bytes);
	return f;
}

static struct file file_in(const struct buf *b)
{
	struct file f;

	assert_true(b->len >= sizeof(f));
	memcpy(&f, b->data, sizeof(f));
	return f;
}

static void lists_what_takes_memory(void **state)
{
	_cleanup_(alloc_sections_deinit) struct alloc_sections s = ALLOC_SECTIONS_INIT;
	char path[] = "/tmp/ktb-test-sections-XXXXXX";
	struct file f = make_file();
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_null(write_all(fd, &f, sizeof(f)));
	close(fd);
	assert_null(alloc_sections_read(path, &s));
	unlink(path);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.v[0].name, ".data");
	assert_string_equal(s.v[1].name, ".text");
	assert_int_equal(s.v[1].size, 16);
	assert_string_equal(s.v[3].name, ".empty");
	assert_int_equal(s.v[3].size, 0);
}

static void clears_addresses(void **state)
{
	struct file f = make_file();

	(void)state;
	assert_false(alloc_sections_clear_addresses(&f, sizeof(f)));
	f.sections[TEXT].sh_addr = 0x10;
	assert_true(alloc_sections_clear_addresses(&f, sizeof(f)));
	assert_int_equal(f.sections[TEXT].sh_addr, 0);
}

static const uint64_t addresses[] = { 0xffffffffc0001000, 0xffffffffc0002000, 0xffffffffc0003000, 0xffffffffffe00000 };

static bool place(const struct file *f, size_t len, size_t n, struct buf *ret, uint64_t *ret_base)
{
	buf_clear(ret);
	buf_append(ret, f, len);
	return alloc_sections_place(ret, addresses, n, ret_base);
}

static void places_sections_and_makes_code_a_segment(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct file f = make_file();
	Elf64_Phdr segment;
	uint64_t base;

	(void)state;
	assert_true(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
	assert_int_equal(base, addresses[1]);
	f = file_in(&b);
	assert_int_equal(f.sections[DATA].sh_addr, addresses[0]);
	assert_int_equal(f.sections[TEXT].sh_addr, addresses[1]);
	assert_int_equal(f.sections[BSS].sh_addr, addresses[2]);
	assert_int_equal(f.sections[EMPTY].sh_addr, addresses[3]);
	assert_int_equal(f.sections[COMMENT].sh_addr, 0);
	assert_int_equal(f.head.e_type, ET_REL);
	assert_int_equal(f.head.e_phnum, 1);
	assert_int_equal(f.head.e_phoff + sizeof(segment), b.len);
	memcpy(&segment, b.data + f.head.e_phoff, sizeof(segment));
	assert_int_equal(segment.p_type, PT_LOAD);
	assert_int_equal(segment.p_flags, PF_R | PF_X);
	assert_int_equal(segment.p_vaddr, addresses[1]);
	assert_int_equal(segment.p_memsz, 16);
	assert_int_equal(segment.p_filesz, 16);
	assert_int_equal(segment.p_offset, f.sections[TEXT].sh_offset);
}

static void makes_data_a_segment_where_there_is_no_code(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct file f = make_file();
	uint64_t base;

	(void)state;
	f.sections[TEXT].sh_size = f.sections[DATA].sh_size = 0;
	assert_true(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
	assert_int_equal(base, addresses[2]);
	f.sections[BSS].sh_size = 0;
	assert_false(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
}

static void refuses_what_is_something_else(void **state)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct file f = make_file();
	uint64_t base;

	(void)state;
	assert_false(place(&f, sizeof(f), 3, &b, &base));
	assert_false(place(&f, sizeof(f), 0, &b, &base));
	for (size_t len = 0; len < offsetof(struct file, bytes); len++)
		assert_false(place(&f, len, ARRAY_SIZE(addresses), &b, &base));
	f.head.e_type = ET_EXEC;
	assert_false(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
	f = make_file();
	f.head.e_ident[EI_CLASS] = ELFCLASS32;
	assert_false(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
	f = make_file();
	f.head.e_shoff = UINT64_MAX;
	assert_false(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
	f = make_file();
	f.sections[COMMENT].sh_flags = SHF_ALLOC;
	assert_false(place(&f, sizeof(f), ARRAY_SIZE(addresses), &b, &base));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lists_what_takes_memory),
	cmocka_unit_test(clears_addresses),
	cmocka_unit_test(places_sections_and_makes_code_a_segment),
	cmocka_unit_test(makes_data_a_segment_where_there_is_no_code),
	cmocka_unit_test(refuses_what_is_something_else),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
