/*
 * A module as a library of a debugger: which of its sections are where, and the element that says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "debuginfo/alloc_sections.h"
#include "target/linux_library.h"

static char text[] = ".text", init[] = ".init.text", info[] = ".modinfo", percpu[] = ".data..percpu";

static const struct alloc_section sections[] = { { text, 0x100 }, { init, 0x40 }, { info, 0x80 }, { percpu, 0x10 } };

static struct section_place places[] = { { text, 0xffffffffc0000000 }, { init, 0xffffffffc0005000 } };

static struct module make(void)
{
	return (struct module){
		.areas = { { 0xffffffffc0000000, 0x1000 }, { 0xffffffffc0005000, 0x1000 } },
		.areas_n = 2,
		.sections = places,
		.sections_n = ARRAY_SIZE(places),
		.percpu = 0x2db18,
		.percpu_size = 0x10,
	};
}

static void expect_xml(const struct module *m, const char *path, uint64_t *hole, const char *expected)
{
	struct module_area found[ARRAY_SIZE(sections)];
	_cleanup_(buf_deinit) struct buf xml = BUF_INIT;

	linux_module_places(sections, ARRAY_SIZE(sections), m, found);
	linux_library_xml(path, sections, found, ARRAY_SIZE(sections), m, hole, &xml);
	assert_string_equal(buf_str(&xml), expected);
}

/* Each has an address, and where nothing is, it is one where nothing can be. */
static void each_section_has_its_address(void **state)
{
	uint64_t hole = 0xffffffffffe00000;
	struct module m = make();

	(void)state;
	expect_xml(&m, "/m.ko", &hole,
		   "<library name=\"/m.ko\"><section address=\"0xffffffffc0000000\"/>"
		   "<section address=\"0xffffffffc0005000\"/><section address=\"0xffffffffffe00000\"/>"
		   "<section address=\"0x2db18\"/></library>\n");
	assert_true(linux_is_nowhere(0xffffffffffe00000));
	assert_true(hole > 0xffffffffffe00080);
	assert_false(linux_is_nowhere(0xffffffffc0005000));
	assert_false(linux_is_nowhere(0));
	assert_false(linux_is_nowhere(UINT64_MAX));
}

/* Its init function has run: the kernel has the section's address yet, and somebody else may have the memory. */
static void what_was_freed_is_nowhere(void **state)
{
	struct module_area found[ARRAY_SIZE(sections)];
	struct module m = make();

	(void)state;
	m.areas_n = 1;
	linux_module_places(sections, ARRAY_SIZE(sections), &m, found);
	assert_int_equal(found[0].start, 0xffffffffc0000000);
	assert_int_equal(found[0].size, 0x100);
	assert_int_equal(found[1].size, 0);
}

static void a_section_beyond_its_area_is_nowhere(void **state)
{
	struct module_area found[ARRAY_SIZE(sections)];
	struct module m = make();

	(void)state;
	m.areas[1].size = 0x3f;
	linux_module_places(sections, ARRAY_SIZE(sections), &m, found);
	assert_int_equal(found[1].size, 0);
	m.areas[0].start = UINT64_MAX;
	linux_module_places(sections, ARRAY_SIZE(sections), &m, found);
	assert_int_equal(found[0].size, 0);
}

/* There is never an address for somebody else's memory, be there ever so much of it. */
static void the_hole_has_an_end(void **state)
{
	const struct alloc_section large[] = { { text, UINT64_MAX }, { init, 0x1fe000 }, { info, 1 }, { percpu, 0 } };
	struct module_area found[ARRAY_SIZE(large)] = { { 0, 0 } };
	uint64_t hole = 0xffffffffffe00000;
	struct module m = { .name = "m" };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_(buf_deinit) struct buf xml = BUF_INIT;
		const char *at;

		linux_library_xml("m", large, found, ARRAY_SIZE(large), &m, &hole, &xml);
		at = buf_str(&xml);
		while ((at = strstr(at, "0x"))) {
			assert_true(linux_is_nowhere(strtoull(at, NULL, 16)));
			at++;
		}
	}
}

static void names_are_escaped(void **state)
{
	uint64_t hole = 0xffffffffffe00000;
	_cleanup_(buf_deinit) struct buf xml = BUF_INIT;
	struct module m = make();

	(void)state;
	linux_library_xml("/a\"<b>&'c", sections, NULL, 0, &m, &hole, &xml);
	assert_string_equal(buf_str(&xml), "<library name=\"/a&#34;&#60;b&#62;&#38;&#39;c\"></library>\n");
	buf_clear(&xml);
	linux_library_xml("/\001\033\177x", sections, NULL, 0, &m, &hole, &xml);
	for (const char *c = buf_str(&xml); *c; c++)
		assert_true((unsigned char)*c >= 0x20 || *c == '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_section_has_its_address),
		cmocka_unit_test(what_was_freed_is_nowhere),
		cmocka_unit_test(a_section_beyond_its_area_is_nowhere),
		cmocka_unit_test(the_hole_has_an_end),
		cmocka_unit_test(names_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
