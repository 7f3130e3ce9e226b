/*
 * Finding a kernel in memory, wherever it lies, and saying why there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/task.h"
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

/* --- Far away --- */

struct far {
	struct fake_kernel *f;
	struct fake_line line;
	struct mem *m;
};

static void open_far(struct far *x, uint64_t slide)
{
	x->f = fake_create(0x600000, slide);
	fake_symbol(x->f, FACT_IMAGE_END, FAKE_SIZE, 0);
	x->m = fake_distant_mem(x->f, &x->line);
}

static void close_far(struct far *x)
{
	mem_destroy(x->m);
	mem_destroy(x->line.beneath);
	free(x->f);
}

static void expect_far(uint64_t slide, uint64_t pc, size_t asked_max)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	uint64_t map;
	struct far x;

	open_far(&x, slide);
	assert_null(kernel_open_distant(x.m, FAKE_BUILD_ID, x.f->facts, &pc, 1, &k));
	assert_int_equal(kernel_slide(k), slide);
	assert_int_equal(kernel_phys(k), 0x600000);
	assert_true(kernel_is_confirmed(k));
	assert_true(kernel_direct_map(k, &map));
	assert_int_equal(map, FAKE_DIRECT);
	assert_in_range(x.line.asked, 1, asked_max);
	close_far(&x);
}

static void far_away_it_is_found_by_where_a_cpu_is(void **state)
{
	(void)state;
	expect_far(0, FAKE_TEXT + 0x50, 20);
	expect_far(0x1e00000, FAKE_TEXT + 0x1e00000 + 0x50, 20);
	/* In the last of the places. */
	expect_far(0x3f000000, FAKE_TEXT + 0x3f000000 + FAKE_SIZE - 1, 20);
}

static void or_else_wherever_it_can_be(void **state)
{
	(void)state;
	expect_far(0, UINT64_C(0xffffffffc0000000), 20);
	expect_far(0x1e00000, 0x401000, 600);
	expect_far(0x1e00000, FAKE_DIRECT, 600);
}

static void far_away_another_kernel_is_none(void **state)
{
	const uint64_t pc = FAKE_TEXT + 0x50;
	struct kernel *k = NULL;
	struct err *e;
	struct far x;

	(void)state;
	open_far(&x, 0);
	x.f->image[FAKE_ID]++;
	e = kernel_open_distant(x.m, FAKE_BUILD_ID, x.f->facts, &pc, 1, &k);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	assert_null(k);
	assert_in_range(x.line.asked, 1, 600);
	err_destroy(e);
	e = kernel_open_at(x.m, FAKE_BUILD_ID, x.f->facts, 0, &k);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	/* What was never there is not looked for for ever. */
	mem_forget(x.m);
	x.line.is_broken = true;
	x.line.asked = 0;
	e = kernel_open_distant(x.m, FAKE_BUILD_ID, x.f->facts, NULL, 0, &k);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	assert_int_equal(x.line.asked, 1);
	err_destroy(e);
	close_far(&x);
}

static void levels_are_what_the_kernel_says(void **state)
{
	enum { AT = 0x7078 };
	static const uint32_t shifts[] = { 39, 48 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		_cleanup_(kernel_destroy) struct kernel *k = NULL, *in_ram = NULL;
		_cleanup_(mem_destroy) struct mem *m = NULL;
		struct far x;

		open_far(&x, 0x200000);
		fake_symbol(x.f, FACT_PGDIR_SHIFT, AT, 4);
		fake_put32(x.f, AT, shifts[i]);
		assert_null(kernel_open_at(x.m, FAKE_BUILD_ID, x.f->facts, 0x200000, &k));
		assert_int_equal(kernel_levels(k), 4 + i);
		/* Its page tables have 4. */
		if (!i) {
			assert_null(open_fake(x.f, &in_ram, &m));
			assert_int_equal(kernel_levels(in_ram), 4);
		}
		close_far(&x);
	}
}

static void far_away_tasks_are_the_same(void **state)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	_cleanup_(task_list_deinit) struct task_list l = TASK_LIST_INIT;
	uint64_t phys = 0;
	struct far x;

	(void)state;
	open_far(&x, 0x200000);
	fake_process(x.f, "init");
	fake_process(x.f, "sh");
	assert_null(kernel_open_at(x.m, FAKE_BUILD_ID, x.f->facts, 0x200000, &k));
	x.line.asked = x.line.bytes = 0;
	assert_null(task_list_read(k, true, &l));
	assert_true(l.complete);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.tasks[0].comm, "init");
	assert_int_equal(l.tasks[1].known, TASK_KNOWS_ALL);
	/* Each a handful of questions, and much less than the whole. */
	assert_in_range(x.line.asked, 1, 40);
	assert_in_range(x.line.bytes, 1, 2 * FAKE_TASK_SIZE);
	/* Page tables are walked through the direct map. */
	assert_null(mem_translate(x.m, FAKE_TEXT + 0x200000 + 0x50, &phys));
	assert_int_equal(phys, 0x600050);
	close_far(&x);
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
		cmocka_unit_test(far_away_it_is_found_by_where_a_cpu_is),
		cmocka_unit_test(or_else_wherever_it_can_be),
		cmocka_unit_test(far_away_another_kernel_is_none),
		cmocka_unit_test(levels_are_what_the_kernel_says),
		cmocka_unit_test(far_away_tasks_are_the_same),
		cmocka_unit_test(vmcoreinfo_is_read_by_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
