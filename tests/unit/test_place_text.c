/*
 * Places in code as the kernel prints them, and as users type them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kernel/place_text.h"

static void one_place(void **state)
{
	static const struct {
		const char *text, *name, *module;
		uint64_t offset, size;
	} places[] = {
		{ "vfs_read+0x12/0x2a0", "vfs_read", "", 0x12, 0x2a0 },
		{ "vfs_read+0x12", "vfs_read", "", 0x12, 0 },
		{ "vfs_read+18", "vfs_read", "", 18, 0 },
		{ "vfs_read", "vfs_read", "", 0, 0 },
		{ "fat_get_block+0x0/0x10 [fat]", "fat_get_block", "fat", 0, 0x10 },
		{ "f+0x0/0x10 [nls_iso8859_1 00ff]", "f", "nls_iso8859_1", 0, 0x10 },
		{ "alloc.isra.0+0xA/0xf", "alloc.isra.0", "", 10, 15 },
		{ "fat_fill [fat]", "fat_fill", "fat", 0, 0 },
		{ "0xffffffff81000010", "", "", UINT64_C(0xffffffff81000010), 0 },
		{ "ffffffff81000010", "", "", UINT64_C(0xffffffff81000010), 0 },
		{ "0x10", "", "", 0x10, 0 },
		{ "0xffffffff81000010+0x10", "", "", UINT64_C(0xffffffff81000020), 0 },
		{ "ffffffff81000010+16", "", "", UINT64_C(0xffffffff81000020), 0 },
		/* No address, for want of digits. */
		{ "beef", "beef", "", 0, 0 },
	};
	static const char *const bad[] = {
		"",        "0x",     "0x1ffffffffffffffff", "f+",       "f+0x",        "f+0x1/", "f+0x1/2",
		"f+0x1 [", "f +0x1", "f+0x1/0x2x",          "f+0x1 []", "f+0x1 [m x]", "+0x1",   "0x10+",
		"0x10+x",  "a b"
	};
	struct place_text p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		assert_true(place_text_parse(places[i].text, &p));
		assert_string_equal(p.name, places[i].name);
		assert_string_equal(p.module, places[i].module);
		assert_int_equal(p.offset, places[i].offset);
		assert_int_equal(p.size, places[i].size);
		assert_false(p.is_return);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(place_text_parse(bad[i], &p));
}

static size_t find(const char *line, size_t at, struct place_text *p)
{
	return place_text_next(line, strlen(line), &at, p) ? at : 0;
}

static void in_lines(void **state)
{
	static const char line[] = "[    1.234567]  ? a+0x1/0x2 [fat], b.cold+0x3/0x4 [x";
	struct place_text p;
	size_t at;

	(void)state;
	at = find(line, 0, &p);
	assert_string_equal(p.name, "a");
	assert_string_equal(p.module, "fat");
	assert_true(p.is_return);
	assert_int_equal(p.begin, strcspn(line, "?") + 2);
	assert_int_equal(at, strcspn(line, ","));
	at = find(line, at, &p);
	assert_string_equal(p.name, "b.cold");
	assert_string_equal(p.module, "");
	assert_int_equal(find(line, at, &p), 0);
}

static void where_the_cpu_was(void **state)
{
	struct place_text p;

	(void)state;
	assert_true(find("RIP: 0010:sysrq_handle_crash+0x16/0x20", 0, &p));
	assert_string_equal(p.name, "sysrq_handle_crash");
	assert_false(p.is_return);
	assert_true(find("RIP  [<ffffffff81234567>] f+0x1/0x2", 0, &p));
	assert_string_equal(p.name, "f");
	assert_false(p.is_return);
	assert_true(find("Workqueue: events work+0x0/0x20", 0, &p));
	assert_false(p.is_return);
}

static void addresses_where_there_is_no_symbol(void **state)
{
	static const char registers[] = "R13: ffffffff81234567 R14: 0000000000000000 R15: 0xffff888000000010";
	struct place_text p;
	size_t at;

	(void)state;
	at = find(registers, 0, &p);
	assert_string_equal(p.name, "");
	assert_int_equal(p.offset, UINT64_C(0xffffffff81234567));
	at = find(registers, at, &p);
	assert_int_equal(p.offset, UINT64_C(0xffff888000000010));
	assert_int_equal(at, strlen(registers));
	assert_int_equal(find(registers, at, &p), 0);
	/* The symbol says the same, and better. */
	at = find(" [<ffffffff81234567>] vfs_read+0x1/0x2", 0, &p);
	assert_string_equal(p.name, "vfs_read");
	assert_int_equal(find(" [<ffffffff81234567>] vfs_read+0x1/0x2", at, &p), 0);
	assert_int_equal(find("Code: 48 89 e5 ffffffff812345678 xffffffff81234567", 0, &p), 0);
}

static void names_that_are_too_long(void **state)
{
	char line[PLACE_NAME_MAX + 32];
	struct place_text p;

	(void)state;
	memset(line, 'a', sizeof(line));
	strcpy(line + PLACE_NAME_MAX, "+0x1/0x2");
	assert_true(place_text_parse(line, &p));
	assert_int_equal(strlen(p.name), PLACE_NAME_MAX);
	memset(line, 'a', sizeof(line));
	strcpy(line + PLACE_NAME_MAX + 1, "+0x1/0x2");
	assert_false(place_text_parse(line, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_place),
		cmocka_unit_test(in_lines),
		cmocka_unit_test(where_the_cpu_was),
		cmocka_unit_test(addresses_where_there_is_no_symbol),
		cmocka_unit_test(names_that_are_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
