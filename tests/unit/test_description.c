/*
 * Which registers a stub says that it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "target/description.h"

struct file {
	const char *name, *text;
};

static struct err *fetch(const char *annex, struct buf *ret, void *user)
{
	for (const struct file *f = user; f->name; f++) {
		if (streq(f->name, annex)) {
			buf_puts(ret, f->text);
			return NULL;
		}
	}
	return err_create(ERR_NOT_FOUND, "no file %s", annex);
}

/* As QEMU 7.2 has it, shortened. */
static const struct file qemu[] = {
	{ "target.xml",
	  "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>i386:x86-64"
	  "</architecture><xi:include href=\"i386-64bit.xml\"/></target>" },
	{ "i386-64bit.xml",
	  "<!-- x86_64 64bit -->\n<feature name=\"org.gnu.gdb.i386.core\">\n"
	  "  <flags id=\"x64_eflags\" size=\"4\">\n\t<field name=\"ID\" start=\"21\" end=\"21\"/></flags>\n"
	  "  <reg name=\"rax\" bitsize=\"64\" type=\"int64\" regnum=\"0\"/>\n"
	  "  <reg name=\"rbx\" bitsize=\"64\" type=\"int64\"/>\n"
	  "  <reg name=\"eflags\" bitsize=\"32\" type=\"x64_eflags\"/>\n"
	  "  <!--reg name=\"cs_base\" bitsize=\"64\" type=\"int64\"/>\n"
	  "  <reg name=\"ss_base\" bitsize=\"64\" type=\"int64\"/-->\n"
	  "  <reg name=\"st0\" bitsize=\"80\" type=\"i387_ext\"/>\n"
	  "  <reg\tname='cr3'\nbitsize='64' type='x64_cr3'/></feature>" },
	{ NULL, NULL },
};

static void finds_registers(void **state)
{
	_cleanup_(description_deinit) struct description d = DESCRIPTION_INIT;
	const struct description_register *r;
	uint8_t bytes[64] = { 0 };
	uint64_t value;

	(void)state;
	assert_null(description_read(fetch, (void *)(uintptr_t)qemu, &d));
	assert_int_equal(d.n, 5);
	assert_int_equal(d.size, 8 + 8 + 4 + 10 + 8);
	assert_null(description_find(&d, "ss_base"));
	r = description_find(&d, "cr3");
	assert_non_null(r);
	assert_int_equal(r->number, 4);
	assert_int_equal(r->offset, 30);
	assert_ptr_equal(description_at(&d, 4), r);
	assert_null(description_at(&d, 5));
	description_set(r, bytes, 0x123456789abcdef0);
	assert_int_equal(bytes[30], 0xf0);
	assert_true(description_value(r, bytes, sizeof(bytes), &value));
	assert_int_equal(value, 0x123456789abcdef0);
	assert_false(description_value(r, bytes, 37, &value));
	/* It is larger than a number. */
	assert_false(description_value(description_find(&d, "st0"), bytes, sizeof(bytes), &value));
	assert_false(description_value(NULL, bytes, sizeof(bytes), &value));
}

static void expect_refused(const char *text, const char *why)
{
	const struct file files[] = { { "target.xml", text }, { NULL, NULL } };
	_cleanup_(description_deinit) struct description d = DESCRIPTION_INIT;
	_cleanup_(err_destroy) struct err *e = description_read(fetch, (void *)(uintptr_t)files, &d);

	assert_non_null(e);
	assert_non_null(strstr(err_message(e), why));
}

static void refuses_what_makes_no_sense(void **state)
{
	(void)state;
	expect_refused("", "no registers");
	expect_refused("<target><!-- <reg name=\"a\" bitsize=\"8\"/> ", "no registers");
	expect_refused("<reg name=\"a\" bitsize=\"8\"", "no registers");
	expect_refused("<reg name=\"a\"/>", "without name or size");
	expect_refused("<reg bitsize=\"8\"/>", "without name or size");
	expect_refused("<reg name=\"a\" bitsize=\"7\"/>", "without name or size");
	expect_refused("<reg name=\"a\" bitsize=\"99999999999999999999\"/>", "without name or size");
	expect_refused("<reg name=\"a\" bitsize=\"8\" regnum=\"5000\"/>", "bad number");
	expect_refused("<reg name=\"a\" bitsize=\"8\" regnum=\"1\"/><reg name=\"b\" bitsize=\"8\" regnum=\"1\"/>",
		       "two registers of the number 1");
	expect_refused("<xi:include href=\"target.xml\"/>", "too many files");
	expect_refused("<xi:include href=\"other.xml\"/>", "no file other.xml");
	expect_refused("<xi:include/><xi:include />", "nothing by name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_registers),
		cmocka_unit_test(refuses_what_makes_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
