/*
 * Modules of a kernel made by hand, as kernels of several ages keep them, whole and torn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/module.h"
#include "tests/unit/fake_kernel.h"

struct fixture {
	struct fake_kernel *fake;
	struct mem *mem;
	struct kernel *kernel;
	struct module_list list;
	size_t fat, vfat; /* where they are in the image; vfat uses fat */
};

static int setup(void **state)
{
	struct fixture *x = xcalloc(1, sizeof(*x));

	x->fake = fake_create(0x1400000, 0x600000);
	x->fat = fake_module(x->fake, "fat");
	x->vfat = fake_module(x->fake, "vfat");
	fake_use(x->fake, x->vfat, x->fat);
	x->mem = fake_mem(x->fake);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	module_list_deinit(&x->list);
	kernel_destroy(x->kernel);
	mem_destroy(x->mem);
	free(x->fake);
	free(x);
	return 0;
}

/* With the facts as they are now. */
static struct err *read_list(struct fixture *x)
{
	module_list_deinit(&x->list);
	kernel_destroy(x->kernel);
	x->kernel = NULL;
	assert_null(kernel_open(x->mem, FAKE_BUILD_ID, x->fake->facts, &x->kernel));
	return module_list_read(x->kernel, &x->list);
}

static void reads_modules(void **state)
{
	struct fixture *x = *state;
	uint64_t area = fake_direct(x->fake, FAKE_MODULE_AREAS);
	const struct module *m;

	fake_put64(x->fake, x->fat + FAKE_MODULE_TAINTS, UINT64_C(1) << 12 | 1);
	fake_put64(x->fake, x->fat + FAKE_MODULE_INIT, 1);
	fake_put64(x->fake, x->fat + FAKE_MODULE_PERCPU, 0x40);
	fake_put32(x->fake, x->fat + FAKE_MODULE_PERCPU_SIZE, 8);
	assert_null(read_list(x));
	assert_true(x->list.complete);
	assert_int_equal(x->list.n, 2);
	m = &x->list.modules[0];
	assert_int_equal(m->known,
			 MODULE_KNOWS_USES | MODULE_KNOWS_USERS | MODULE_KNOWS_TAINTS | MODULE_KNOWS_SECTIONS);
	assert_int_equal(m->address, fake_direct(x->fake, x->fat));
	assert_string_equal(m->name, "fat");
	assert_int_equal(m->state, MODULE_STATE_LIVE);
	assert_int_equal(m->uses, 1);
	assert_int_equal(m->users.n, 1);
	assert_string_equal(m->users.v[0], "vfat");
	assert_true(m->permanent);
	assert_int_equal(m->taints, 0x1001);
	assert_int_equal(m->areas_n, 2);
	assert_int_equal(m->areas[0].start, area);
	assert_int_equal(m->areas[0].size, 0x100);
	assert_int_equal(m->areas[1].start, area + 0x200);
	assert_int_equal(m->size, 0x180);
	assert_int_equal(m->percpu, 0x40);
	assert_int_equal(m->percpu_size, 8);
	assert_string_equal(m->build_id, "0101010101010101010101010101010101010101");
	assert_int_equal(m->sections_n, 2);
	assert_string_equal(m->sections[0].name, ".text");
	assert_int_equal(m->sections[0].address, area);
	m = &x->list.modules[1];
	assert_string_equal(m->name, "vfat");
	assert_int_equal(m->uses, 0);
	assert_int_equal(m->users.n, 0);
	assert_false(m->permanent);
}

static void finds_the_module_of_an_address(void **state)
{
	struct fixture *x = *state;
	uint64_t area = fake_direct(x->fake, FAKE_MODULE_AREAS);

	assert_null(read_list(x));
	assert_ptr_equal(module_at(&x->list, area), &x->list.modules[0]);
	assert_ptr_equal(module_at(&x->list, area + 0x27f), &x->list.modules[0]);
	assert_ptr_equal(module_at(&x->list, area + 0x300), &x->list.modules[1]);
	assert_null(module_at(&x->list, area - 1));
	assert_null(module_at(&x->list, area + 0x100));
	assert_null(module_at(&x->list, area + 0x280));
}

/* Two areas, what stays and what is for initialization. */
static void reads_the_layout_before_6_4(void **state)
{
	struct fixture *x = *state;

	x->fake->facts[FACT_MODULE_MEM].found = false;
	fake_member(x->fake, FACT_MODULE_CORE_BASE, FAKE_MODULE_MEM, 8);
	fake_member(x->fake, FACT_MODULE_CORE_SIZE, FAKE_MODULE_MEM + 8, 4);
	fake_member(x->fake, FACT_MODULE_INIT_BASE, FAKE_MODULE_MEM + 16, 8);
	fake_member(x->fake, FACT_MODULE_INIT_SIZE, FAKE_MODULE_MEM + 24, 4);
	fake_put32(x->fake, x->fat + FAKE_MODULE_MEM + 24, 0); /* initialized */
	assert_null(read_list(x));
	assert_int_equal(x->list.modules[0].areas_n, 1);
	assert_int_equal(x->list.modules[0].size, 0x100);
	assert_int_equal(x->list.modules[1].areas_n, 2);
}

/* Where the attribute itself has the address. */
static void reads_sections_of_later_kernels(void **state)
{
	struct fixture *x = *state;

	x->fake->facts[FACT_SECTION_ATTRIBUTE].found = false;
	x->fake->facts[FACT_SECTION_NAME].found = false;
	x->fake->facts[FACT_SECTION_ADDRESS].found = false;
	fake_member(x->fake, FACT_SECTION_NAME_BARE, FAKE_SECTION_ATTRS, 8);
	fake_member(x->fake, FACT_SECTION_PRIVATE, FAKE_SECTION_ATTRS + FAKE_SECTION_PRIVATE, 8);
	for (size_t i = 0; i < 2; i++)
		fake_put64(x->fake,
			   x->fat + FAKE_SECTIONS + FAKE_SECTION_ATTRS + i * FAKE_SECTION_SIZE + FAKE_SECTION_ADDRESS,
			   0xdead);
	assert_null(read_list(x));
	assert_int_equal(x->list.modules[0].sections_n, 2);
	assert_string_equal(x->list.modules[0].sections[1].name, ".note.gnu.build-id");
	assert_int_equal(x->list.modules[0].sections[0].address, fake_direct(x->fake, FAKE_MODULE_AREAS));
	assert_string_equal(x->list.modules[0].build_id, "0101010101010101010101010101010101010101");
}

static void a_kept_build_id_comes_first(void **state)
{
	struct fixture *x = *state;

	fake_member(x->fake, FACT_MODULE_BUILD_ID, 0xf0, 4);
	fake_put32(x->fake, x->fat + 0xf0, 0x04030201);
	assert_null(read_list(x));
	assert_string_equal(x->list.modules[0].build_id, "01020304");
	assert_string_equal(x->list.modules[1].build_id, "0202020202020202020202020202020202020202");
}

static void states(void **state)
{
	struct fixture *x = *state;

	fake_put32(x->fake, x->fat, 1);
	fake_put32(x->fake, x->vfat, 2);
	fake_put32(x->fake, x->vfat + FAKE_MODULE_REFERENCES, 0);
	fake_put32(x->fake, fake_module(x->fake, "unformed"), 3);
	fake_put32(x->fake, fake_module(x->fake, "strange"), 77);
	assert_null(read_list(x));
	assert_int_equal(x->list.n, 3);
	assert_int_equal(x->list.modules[0].state, MODULE_STATE_COMING);
	assert_int_equal(x->list.modules[1].state, MODULE_STATE_GOING);
	assert_int_equal(x->list.modules[1].uses, -1);
	assert_string_equal(x->list.modules[2].name, "strange");
	assert_int_equal(x->list.modules[2].state, MODULE_STATE_UNKNOWN);
}

static void a_torn_list_is_not_complete(void **state)
{
	struct fixture *x = *state;

	/* As list_del() leaves it. */
	fake_put64(x->fake, x->vfat + FAKE_MODULE_LINKS + 8, UINT64_C(0xdead000000000122));
	assert_null(read_list(x));
	assert_false(x->list.complete);
	assert_int_equal(x->list.n, 1);
}

static void a_list_that_goes_round_ends(void **state)
{
	struct fixture *x = *state;
	uint64_t fat = fake_direct(x->fake, x->fat + FAKE_MODULE_LINKS),
		 vfat = fake_direct(x->fake, x->vfat + FAKE_MODULE_LINKS);

	fake_put64(x->fake, x->vfat + FAKE_MODULE_LINKS, fat);
	fake_put64(x->fake, x->fat + FAKE_MODULE_LINKS + 8, vfat);
	fake_put64(x->fake, FAKE_MODULE_LIST, fat);
	fake_put64(x->fake, FAKE_MODULE_LIST + 8, vfat);
	assert_null(read_list(x));
	assert_false(x->list.complete);
}

static void what_cannot_be_read_is_not_known(void **state)
{
	struct fixture *x = *state;

	fake_put64(x->fake, x->fat + FAKE_MODULE_SECTIONS, UINT64_C(0xffff000000000000));
	fake_put64(x->fake, x->fat + FAKE_MODULE_SOURCE_LIST, 0);
	fake_put64(x->fake, x->fat + FAKE_MODULE_MEM, 0x1000);
	assert_null(read_list(x));
	assert_true(x->list.complete);
	assert_int_equal(x->list.modules[0].known, MODULE_KNOWS_USES | MODULE_KNOWS_TAINTS);
	assert_int_equal(x->list.modules[0].users.n, 0);
	assert_int_equal(x->list.modules[0].sections_n, 0);
	assert_int_equal(x->list.modules[0].areas_n, 1);
	assert_string_equal(x->list.modules[0].build_id, "");
	/* What is no pointer. */
	fake_put64(x->fake, x->vfat + FAKE_SECTIONS + FAKE_SECTION_LIST, fake_direct(x->fake, FAKE_ID));
	assert_null(read_list(x));
	assert_int_equal(x->list.modules[1].known & MODULE_KNOWS_SECTIONS, 0);
}

static void a_note_that_is_none(void **state)
{
	struct fixture *x = *state;

	fake_put32(x->fake, x->fat + FAKE_NOTE + 4, 65);
	fake_put32(x->fake, x->vfat + FAKE_NOTE + 12, 0x554e48);
	assert_null(read_list(x));
	assert_string_equal(x->list.modules[0].build_id, "");
	assert_string_equal(x->list.modules[1].build_id, "");
}

static void no_modules_are_no_error(void **state)
{
	struct fixture *x = *state;

	fake_put64(x->fake, FAKE_MODULE_LIST, FAKE_TEXT + x->fake->slide + FAKE_MODULE_LIST);
	fake_put64(x->fake, FAKE_MODULE_LIST + 8, FAKE_TEXT + x->fake->slide + FAKE_MODULE_LIST);
	assert_null(read_list(x));
	assert_true(x->list.complete);
	assert_int_equal(x->list.n, 0);
}

static void says_what_the_kernel_lacks(void **state)
{
	struct fixture *x = *state;
	struct err *e;

	x->fake->facts[FACT_MODULES].found = false;
	e = read_list(x);
	assert_int_equal(err_code(e), ERR_UNSUPPORTED);
	assert_non_null(strstr(err_message(e), "vmlinux knows no modules"));
	err_destroy(e);
	fake_symbol(x->fake, FACT_MODULES, 0x10000000, 16);
	e = read_list(x);
	assert_int_equal(err_code(e), ERR_FAULT);
	err_destroy(e);
}

static void taints_have_letters(void **state)
{
	char letters[MODULE_TAINTS_MAX + 1];

	(void)state;
	module_taint_letters(0, letters);
	assert_string_equal(letters, "");
	module_taint_letters(UINT64_C(1) << 12 | UINT64_C(1) << 13, letters);
	assert_string_equal(letters, "OE");
	module_taint_letters(UINT64_MAX, letters);
	assert_int_equal(strlen(letters), 64);
	assert_memory_equal(letters, "PFSRMBUDAWCIOELKXTNJ?", 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_modules, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_the_module_of_an_address, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_the_layout_before_6_4, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_sections_of_later_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kept_build_id_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(states, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_list_is_not_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_that_goes_round_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_known, setup, teardown),
		cmocka_unit_test_setup_teardown(a_note_that_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(no_modules_are_no_error, setup, teardown),
		cmocka_unit_test_setup_teardown(says_what_the_kernel_lacks, setup, teardown),
		cmocka_unit_test(taints_have_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
