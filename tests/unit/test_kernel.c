/*
 * Finding a kernel in memory, wherever it lies, and saying why there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/vmcoreinfo.h"
#include "tests/unit/fake_kernel.h"

static struct err *open_fake(struct fake_kernel *f, struct kernel **ret, struct mem **ret_mem)
{
	*ret_mem = fake_mem(f);
	return kernel_open(*ret_mem, FAKE_BUILD_ID, f->facts, ret);
}

static void expect_place(uint64_t phys, uint64_t slide)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(phys, slide);
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(kernel_destroy) struct kernel *k = NULL;

	assert_null(open_fake(f, &k, &m));
	assert_int_equal(kernel_phys(k), phys);
	assert_int_equal(kernel_slide(k), slide);
	assert_int_equal(kernel_levels(k), 4);
	assert_true(kernel_is_confirmed(k));
}

static void finds_it_at_its_usual_place(void **state)
{
	(void)state;
	expect_place(0x200000, 0);
}

static void finds_it_elsewhere(void **state)
{
	(void)state;
	expect_place(0x400000, 0x200000);
	expect_place(0x1c00000, 0);
	expect_place(0x123400000, 0x1e00000);
}

static void one_that_has_not_described_itself_is_not_confirmed(void **state)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(0x400000, 0x200000);
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(kernel_destroy) struct kernel *k = NULL;

	(void)state;
	fake_put64(f, FAKE_VMCOREINFO_DATA, 0);
	assert_null(open_fake(f, &k, &m));
	assert_int_equal(kernel_slide(k), 0x200000);
	assert_false(kernel_is_confirmed(k));
}

static void expect_error(struct fake_kernel *f, enum err_code code, const char *text, const char *text2)
{
	_cleanup_(mem_destroy) struct mem *m = NULL;
	struct kernel *k = NULL;
	_cleanup_(err_destroy) struct err *e = open_fake(f, &k, &m);

	assert_non_null(e);
	assert_null(k);
	assert_int_equal(err_code(e), code);
	assert_non_null(strstr(err_message(e), text));
	assert_non_null(strstr(err_message(e), text2));
}

static void another_kernel_shows_both_build_ids(void **state)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(0x200000, 0);
	char *id = (char *)f->image + FAKE_VMCOREINFO;

	(void)state;
	f->image[FAKE_ID] ^= 1;
	id = strstr(id, "BUILD-ID=") + strlen("BUILD-ID=");
	id[0] = 'f';
	expect_error(f, ERR_BAD_DATA, FAKE_BUILD_ID, "f0112233445566778899aabbccddeeff00112233");
	/* What isn't fit to be shown is not. */
	id[1] = '\033';
	expect_error(f, ERR_NOT_FOUND, FAKE_BUILD_ID, "decompressor");
}

static void an_image_that_does_not_run_is_not_a_kernel(void **state)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(0x200000, 0);

	(void)state;
	fake_put64(f, FAKE_PMD + 8, 0);
	expect_error(f, ERR_NOT_FOUND, FAKE_BUILD_ID, "page tables");
}

static void a_wrong_slide_in_vmcoreinfo_is_refused(void **state)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(0x400000, 0x200000);

	(void)state;
	memcpy(strstr((char *)f->image + FAKE_VMCOREINFO, "KERNELOFFSET=") + 13, "400000", 6);
	expect_error(f, ERR_NOT_FOUND, FAKE_BUILD_ID, "");
}

static void nothing_is_found_in_nothing(void **state)
{
	_cleanup_(free) struct fake_kernel *f = fake_create(0x200000, 0);

	(void)state;
	memset(f->image, 0, sizeof(f->image));
	expect_error(f, ERR_NOT_FOUND, "decompressor", FAKE_BUILD_ID);
}

static bool is_at(const struct kernel *k, void *user)
{
	return kernel_phys(k) == *(const uint64_t *)user;
}

static bool is_seen(const struct kernel *k, void *user)
{
	return kernel_is_seen_by(k, user);
}

/* A reset has left the last one's image in memory, in front of the next one's. */
static void of_two_images_the_real_one_is_taken(void **state)
{
	_cleanup_(free) struct fake_kernel *old = fake_create(0x400000, 0x200000),
					   *next = fake_create(0x1800000, 0x600000);
	_cleanup_(free) uint8_t *both = xmalloc(2 * FAKE_SIZE);
	const struct mem_range ranges[] = { { old->phys, FAKE_SIZE, 0 }, { next->phys, FAKE_SIZE, FAKE_SIZE } };
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(kernel_destroy) struct kernel *k = NULL, *any = NULL, *none = NULL;
	uint64_t nowhere = 1;

	(void)state;
	memcpy(both, old->image, FAKE_SIZE);
	memcpy(both + FAKE_SIZE, next->image, FAKE_SIZE);
	assert_null(mem_open_buffer(both, 2 * FAKE_SIZE, ranges, 2, &m));
	assert_null(kernel_look(m, FAKE_BUILD_ID, old->facts, NULL, NULL, &any));
	assert_int_equal(kernel_slide(any), 0x200000);
	assert_null(kernel_look(m, FAKE_BUILD_ID, old->facts, is_at, &next->phys, &k));
	assert_int_equal(kernel_slide(k), 0x600000);
	assert_null(kernel_look(m, FAKE_BUILD_ID, old->facts, is_at, &nowhere, &none));
	assert_null(none);
	/* By what a CPU sees. */
	for (size_t i = 0; i < 2; i++) {
		const struct fake_kernel *f = i ? next : old;
		struct mmu tables = { f->phys + FAKE_PGD, 4 };
		_cleanup_(kernel_destroy) struct kernel *seen = NULL;

		assert_null(kernel_look(m, FAKE_BUILD_ID, f->facts, is_seen, &tables, &seen));
		assert_non_null(seen);
		assert_int_equal(kernel_phys(seen), f->phys);
	}
	assert_false(kernel_is_seen_by(k, &(struct mmu){ 0, 0 }));
}

static void vmcoreinfo_is_read_by_lines(void **state)
{
	static const char text[] = "A=1\nAB=2f\nEMPTY=\nLAST=99999999999999999999";
	uint64_t value = 0;
	size_t n = 0;

	(void)state;
	assert_memory_equal(vmcoreinfo_find(text, sizeof(text) - 1, "AB", &n), "2f", 2);
	assert_int_equal(n, 2);
	assert_null(vmcoreinfo_find(text, sizeof(text) - 1, "B", &n));
	assert_null(vmcoreinfo_find(text, 0, "A", &n));
	assert_true(vmcoreinfo_number(text, sizeof(text) - 1, "AB", 16, &value));
	assert_int_equal(value, 0x2f);
	assert_false(vmcoreinfo_number(text, sizeof(text) - 1, "AB", 10, &value));
	assert_false(vmcoreinfo_number(text, sizeof(text) - 1, "EMPTY", 10, &value));
	assert_false(vmcoreinfo_number(text, sizeof(text) - 1, "LAST", 10, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it_at_its_usual_place),
		cmocka_unit_test(finds_it_elsewhere),
		cmocka_unit_test(one_that_has_not_described_itself_is_not_confirmed),
		cmocka_unit_test(another_kernel_shows_both_build_ids),
		cmocka_unit_test(an_image_that_does_not_run_is_not_a_kernel),
		cmocka_unit_test(a_wrong_slide_in_vmcoreinfo_is_refused),
		cmocka_unit_test(nothing_is_found_in_nothing),
		cmocka_unit_test(of_two_images_the_real_one_is_taken),
		cmocka_unit_test(vmcoreinfo_is_read_by_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
