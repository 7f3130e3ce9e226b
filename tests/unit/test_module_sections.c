/*
 * Sections that take memory, of files that are what they should be and of others; and their addresses, cleared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "debuginfo/alloc_sections.h"

enum { SECTIONS = 5, NAMES = 64 };

/* A relocatable file of these sections: none, .text, .empty, .names (which takes no memory), .data. */
struct file {
	Elf64_Ehdr head;
	Elf64_Shdr sections[SECTIONS];
	char names[NAMES];
};

static void make(struct file *f)
{
	static const char names[] = "\0.text\0.empty\0.names\0.data";

	*f = (struct file){ 0 };
	memcpy(f->names, names, sizeof(names));
	memcpy(f->head.e_ident, ELFMAG, SELFMAG);
	f->head.e_ident[EI_CLASS] = ELFCLASS64;
	f->head.e_ident[EI_DATA] = ELFDATA2LSB;
	f->head.e_ident[EI_VERSION] = EV_CURRENT;
	f->head.e_type = ET_REL;
	f->head.e_machine = EM_X86_64;
	f->head.e_version = EV_CURRENT;
	f->head.e_ehsize = sizeof(f->head);
	f->head.e_shoff = offsetof(struct file, sections);
	f->head.e_shentsize = sizeof(Elf64_Shdr);
	f->head.e_shnum = SECTIONS;
	f->head.e_shstrndx = 3;
	f->sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC, .sh_size = 0x30 };
	f->sections[2] = (Elf64_Shdr){ .sh_name = 7, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC, .sh_addr = 0x46 };
	f->sections[3] = (Elf64_Shdr){
		.sh_name = 14, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct file, names), .sh_size = NAMES
	};
	f->sections[4] = (Elf64_Shdr){
		.sh_name = 21, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_WRITE, .sh_addr = 0x1000, .sh_size = 8
	};
}

static struct err *read_bytes(const void *data, size_t len, struct alloc_sections *ret)
{
	char path[] = "/tmp/ktb-test-sections.XXXXXX";
	int fd = mkstemp(path);
	struct err *e;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	e = alloc_sections_read(path, ret);
	close(fd);
	unlink(path);
	return e;
}

static void expect_broken(const void *data, size_t len)
{
	struct alloc_sections s = ALLOC_SECTIONS_INIT;
	_cleanup_(err_destroy) struct err *e = read_bytes(data, len, &s);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_null(s.v);
}

static void those_that_take_memory_are_listed(void **state)
{
	_cleanup_(alloc_sections_deinit) struct alloc_sections s = ALLOC_SECTIONS_INIT;
	struct file f;

	(void)state;
	make(&f);
	assert_null(read_bytes(&f, sizeof(f), &s));
	assert_int_equal(s.n, 3);
	assert_string_equal(s.v[0].name, ".text");
	assert_int_equal(s.v[0].size, 0x30);
	assert_string_equal(s.v[1].name, ".empty");
	assert_int_equal(s.v[1].size, 0);
	assert_string_equal(s.v[2].name, ".data");
}

static void what_is_no_file_of_that_kind_is_refused(void **state)
{
	struct alloc_sections s = ALLOC_SECTIONS_INIT;
	struct file f;
	struct err *e;

	(void)state;
	expect_broken("", 0);
	expect_broken("\177ELF", 4);
	expect_broken("nonsense, and a lot of it", 25);
	make(&f);
	f.sections[2].sh_name = 0x7fffffff;
	expect_broken(&f, sizeof(f));
	make(&f);
	f.head.e_shstrndx = 1;
	expect_broken(&f, sizeof(f));
	e = alloc_sections_read("/nonesuch/file", &s);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_OS);
	err_destroy(e);
}

static void addresses_are_cleared(void **state)
{
	struct file f, clean;

	(void)state;
	make(&f);
	make(&clean);
	clean.sections[2].sh_addr = clean.sections[4].sh_addr = 0;
	assert_true(alloc_sections_clear_addresses(&f, sizeof(f)));
	assert_memory_equal(&f, &clean, sizeof(f));
	assert_false(alloc_sections_clear_addresses(&f, sizeof(f)));
	assert_memory_equal(&f, &clean, sizeof(f));
}

/* And nothing is written to those that are another kind of file, or broken. */
static void expect_untouched(const struct file *f, size_t len)
{
	/* To the byte, so that what is read or written behind it is seen. */
	_cleanup_(free) uint8_t *bytes = xmalloc(len ? len : 1);

	memcpy(bytes, f, len);
	assert_false(alloc_sections_clear_addresses(bytes, len));
	assert_memory_equal(bytes, f, len);
}

static void others_are_left_alone(void **state)
{
	struct file f;

	(void)state;
	make(&f);
	expect_untouched(&f, 0);
	expect_untouched(&f, sizeof(f.head) - 1);
	expect_untouched(&f, sizeof(f.head));
	expect_untouched(&f, offsetof(struct file, names) - 1);
	f.head.e_type = ET_EXEC;
	expect_untouched(&f, sizeof(f));
	make(&f);
	f.head.e_ident[EI_CLASS] = ELFCLASS32;
	expect_untouched(&f, sizeof(f));
	make(&f);
	f.head.e_ident[EI_DATA] = ELFDATA2MSB;
	expect_untouched(&f, sizeof(f));
	make(&f);
	f.head.e_shentsize = 1;
	expect_untouched(&f, sizeof(f));
	make(&f);
	f.head.e_shnum = UINT16_MAX;
	expect_untouched(&f, sizeof(f));
	make(&f);
	f.head.e_shnum = 0;
	expect_untouched(&f, sizeof(f));
	for (uint64_t beyond = sizeof(f) - 1; beyond; beyond = beyond << 1 | 1) {
		make(&f);
		f.head.e_shoff = beyond;
		expect_untouched(&f, sizeof(f));
		if (beyond == UINT64_MAX)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_take_memory_are_listed),
		cmocka_unit_test(what_is_no_file_of_that_kind_is_refused),
		cmocka_unit_test(addresses_are_cleared),
		cmocka_unit_test(others_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
