/*
 * What addresses of a kernel made by hand are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/address.h"
#include "tests/unit/fake_kernel.h"

struct fixture {
	struct fake_kernel *fake;
	struct mem *mem;
	struct kernel *kernel;
	struct address_map map;
	struct address a; /* the last one */
	uint64_t text;    /* where the image is */
};

static int setup(void **state)
{
	struct fixture *x = xcalloc(1, sizeof(*x));
	size_t task;

	x->fake = fake_create(0x1400000, 0x600000);
	fake_module(x->fake, "fat");
	task = fake_process(x->fake, "init");
	fake_put64(x->fake, task + FAKE_TASK_STACK, UINT64_C(0xffffc90000004000));
	x->mem = fake_mem(x->fake);
	x->text = FAKE_TEXT + x->fake->slide;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	address_map_deinit(&x->map);
	kernel_destroy(x->kernel);
	mem_destroy(x->mem);
	free(x->fake);
	free(x);
	return 0;
}

/* With everything as it is now. */
static enum address_kind identify(struct fixture *x, uint64_t address)
{
	struct module_list modules = MODULE_LIST_INIT;

	address_map_deinit(&x->map);
	kernel_destroy(x->kernel);
	x->kernel = NULL;
	assert_null(kernel_open(x->mem, FAKE_BUILD_ID, x->fake->facts, &x->kernel));
	assert_null(module_list_read(x->kernel, &modules));
	address_map_init(&x->map, x->kernel, &modules);
	address_identify(&x->map, address, &x->a);
	return x->a.kind;
}

static void image_and_modules(void **state)
{
	struct fixture *x = *state;
	uint64_t area = fake_direct(x->fake, FAKE_MODULE_AREAS);

	assert_int_equal(identify(x, x->text + 0x40), ADDRESS_IMAGE);
	assert_true(x->a.is_mapped);
	assert_int_equal(x->a.phys, 0x1400040);
	assert_int_equal(x->a.start, x->text);
	assert_int_equal(x->a.size, FAKE_SIZE);
	assert_int_not_equal(identify(x, x->text + FAKE_SIZE), ADDRESS_IMAGE);
	assert_int_equal(identify(x, area + 0x210), ADDRESS_MODULE);
	assert_string_equal(x->a.module->name, "fat");
	assert_int_equal(x->a.start, area + 0x200);
	assert_int_equal(x->a.size, 0x80);
}

static void per_cpu_variables(void **state)
{
	struct fixture *x = *state;
	uint64_t second = fake_direct(x->fake, FAKE_PER_CPU + 0x1000), address;

	assert_int_equal(identify(x, second + 0x10), ADDRESS_PER_CPU);
	assert_int_equal(x->a.cpu, 1);
	assert_true(x->a.has_linked);
	assert_int_equal(x->a.linked, 0x10);
	assert_true(address_of_per_cpu(x->kernel, 0x10, 1, &address));
	assert_int_equal(address, second + 0x10);
	assert_false(address_of_per_cpu(x->kernel, 0x10, 2, &address));
	assert_false(address_of_per_cpu(x->kernel, FAKE_PER_CPU_SIZE, 1, &address));
	/* What alloc_percpu() gives is behind it; a module's too. */
	assert_int_equal(identify(x, second + FAKE_PER_CPU_SIZE), ADDRESS_PER_CPU);
	assert_false(x->a.has_linked);
	assert_null(x->a.module);
	fake_put64(x->fake, FAKE_MODULES + FAKE_MODULE_PERCPU, FAKE_PER_CPU_SIZE);
	fake_put32(x->fake, FAKE_MODULES + FAKE_MODULE_PERCPU_SIZE, 8);
	assert_int_equal(identify(x, second + FAKE_PER_CPU_SIZE), ADDRESS_PER_CPU);
	assert_string_equal(x->a.module->name, "fat");
}

/* Symbols that are addresses in the image move with it. */
static void per_cpu_variables_of_later_kernels(void **state)
{
	struct fixture *x = *state;
	uint64_t second = fake_direct(x->fake, FAKE_PER_CPU + 0x1000), address;

	fake_symbol(x->fake, FACT_PER_CPU_START, 0x1000, 0);
	fake_symbol(x->fake, FACT_PER_CPU_END, 0x1800, 0);
	for (size_t cpu = 0; cpu < 2; cpu++)
		fake_put64(x->fake, FAKE_PER_CPU_OFFSET + cpu * 8,
			   fake_direct(x->fake, FAKE_PER_CPU + cpu * 0x1000) - x->text - 0x1000);
	assert_int_equal(identify(x, second + 0x10), ADDRESS_PER_CPU);
	assert_int_equal(x->a.linked, FAKE_TEXT + 0x1010);
	assert_true(address_of_per_cpu(x->kernel, FAKE_TEXT + 0x1010, 1, &address));
	assert_int_equal(address, second + 0x10);
}

static void stacks(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(identify(x, UINT64_C(0xffffc90000007fff)), ADDRESS_STACK);
	assert_true(x->a.has_task);
	assert_int_equal(x->a.task.pid, 1);
	assert_string_equal(x->a.task.comm, "init");
	assert_int_equal(x->a.start, UINT64_C(0xffffc90000004000));
	assert_int_equal(x->a.size, 0x4000);
	assert_false(x->a.is_mapped);
}

static void slabs(void **state)
{
	struct fixture *x = *state;
	uint64_t slab = fake_direct(x->fake, FAKE_SLAB);

	assert_int_equal(identify(x, slab + 2 * FAKE_CACHE_EACH + FAKE_CACHE_PAD + 5), ADDRESS_SLAB);
	assert_string_equal(x->a.cache, "things");
	assert_true(x->a.is_object);
	assert_int_equal(x->a.start, slab + 2 * FAKE_CACHE_EACH + FAKE_CACHE_PAD);
	assert_int_equal(x->a.size, FAKE_CACHE_OBJECT);
	/* Before it, behind it, and where the last of the 15 objects ends. */
	assert_int_equal(identify(x, slab + 5), ADDRESS_SLAB);
	assert_false(x->a.is_object);
	assert_int_equal(identify(x, slab + FAKE_CACHE_PAD + FAKE_CACHE_OBJECT), ADDRESS_SLAB);
	assert_false(x->a.is_object);
	assert_int_equal(identify(x, slab + 15 * FAKE_CACHE_EACH + FAKE_CACHE_PAD), ADDRESS_SLAB);
	assert_false(x->a.is_object);
	/* Any other page. */
	assert_int_equal(identify(x, fake_direct(x->fake, FAKE_CACHE)), ADDRESS_DIRECT);
	assert_int_equal(x->a.phys, 0x1400000 + FAKE_CACHE);
}

/* A type in place of the flag, and a slab of several pages, of which the first is described. */
static void slabs_of_later_kernels(void **state)
{
	struct fixture *x = *state;
	size_t page = FAKE_PAGES + FAKE_SLAB / 4096 * FAKE_PAGE_SIZE, before = page - FAKE_PAGE_SIZE;
	char *text = (char *)x->fake->image + FAKE_VMCOREINFO;

	memcpy(strstr(text, "NUMBER(PG_slab)"), "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376\n", 44);
	fake_put64(x->fake, FAKE_VMCOREINFO_SIZE, strlen(text));
	fake_put64(x->fake, page + FAKE_PAGE_HEAD, fake_direct(x->fake, before) | 1);
	fake_put32(x->fake, before + FAKE_PAGE_TYPE, 0xf5000000);
	fake_put64(x->fake, before + FAKE_PAGE_CACHE, fake_direct(x->fake, FAKE_CACHE));
	fake_put32(x->fake, before + FAKE_PAGE_OBJECTS, 32);
	assert_int_equal(identify(x, fake_direct(x->fake, FAKE_SLAB + FAKE_CACHE_PAD)), ADDRESS_SLAB);
	assert_true(x->a.is_object);
	assert_int_equal(x->a.start, fake_direct(x->fake, FAKE_SLAB + FAKE_CACHE_PAD));
	fake_put32(x->fake, before + FAKE_PAGE_TYPE, 0xf4000000);
	assert_int_equal(identify(x, fake_direct(x->fake, FAKE_SLAB)), ADDRESS_DIRECT);
}

static void whose_task_struct(void **state)
{
	struct fixture *x = *state;
	size_t page = FAKE_PAGES + FAKE_TASKS / 4096 * FAKE_PAGE_SIZE;

	memcpy(x->fake->image + FAKE_CACHE + FAKE_CACHE_NAME, "task_struct", 12);
	fake_put32(x->fake, FAKE_CACHE + 8, FAKE_TASK_SIZE);
	fake_put32(x->fake, FAKE_CACHE + 12, FAKE_TASK_SIZE);
	fake_put64(x->fake, page, UINT64_C(1) << FAKE_PG_SLAB);
	fake_put64(x->fake, page + FAKE_PAGE_CACHE, fake_direct(x->fake, FAKE_CACHE));
	fake_put32(x->fake, page + FAKE_PAGE_OBJECTS, 4);
	assert_int_equal(identify(x, fake_direct(x->fake, FAKE_TASKS + FAKE_TASK_COMM)), ADDRESS_SLAB);
	assert_true(x->a.has_task);
	assert_int_equal(x->a.task.pid, 1);
	assert_int_equal(identify(x, fake_direct(x->fake, FAKE_TASKS + FAKE_TASK_SIZE)), ADDRESS_SLAB);
	assert_false(x->a.has_task);
}

static void vmalloc(void **state)
{
	struct fixture *x = *state;

	fake_put64(x->fake, FAKE_TASKS + FAKE_TASK_STACK, 0);
	assert_int_equal(identify(x, FAKE_VMALLOC + 0x5000), ADDRESS_VMALLOC);
	assert_int_equal(x->a.start, FAKE_VMALLOC + 0x4000);
	assert_int_equal(x->a.size, 0x4000);
	assert_int_equal(x->a.caller, x->text + 0x123);
	assert_int_equal(identify(x, FAKE_VMALLOC), ADDRESS_VMALLOC);
	assert_int_equal(x->a.size, 0);
	/* A list that goes round without its head. */
	fake_put64(x->fake, FAKE_AREA + FAKE_AREA_LINKS, fake_direct(x->fake, FAKE_AREA + FAKE_AREA_LINKS));
	fake_put64(x->fake, FAKE_AREA + FAKE_AREA_LINKS + 8, fake_direct(x->fake, FAKE_AREA + FAKE_AREA_LINKS));
	fake_put64(x->fake, FAKE_AREA_LIST, fake_direct(x->fake, FAKE_AREA + FAKE_AREA_LINKS));
	assert_int_equal(identify(x, FAKE_VMALLOC), ADDRESS_VMALLOC);
}

/* Several lists of areas. */
static void vmalloc_of_later_kernels(void **state)
{
	struct fixture *x = *state;

	fake_put64(x->fake, FAKE_TASKS + FAKE_TASK_STACK, 0);
	x->fake->facts[FACT_VMAP_AREA_LIST].found = false;
	fake_symbol(x->fake, FACT_VMAP_NODES, 0x7080, 8);
	fake_symbol(x->fake, FACT_VMAP_NODES_N, 0x7088, 4);
	fake_type(x->fake, FACT_VMAP_NODE, 0x20);
	fake_member(x->fake, FACT_VMAP_NODE_AREAS, 0x10, 16);
	/* The list that is there is the second node's; the first one's is empty. */
	fake_put64(x->fake, 0x7080, x->text + FAKE_AREA_LIST - 0x30);
	fake_put32(x->fake, 0x7088, 2);
	fake_put64(x->fake, FAKE_AREA_LIST - 0x20, x->text + FAKE_AREA_LIST - 0x20);
	fake_put64(x->fake, FAKE_AREA_LIST - 0x18, x->text + FAKE_AREA_LIST - 0x20);
	fake_symbol(x->fake, FACT_MODULES, 0x7090, 16);
	fake_put64(x->fake, 0x7090, x->text + 0x7090);
	fake_put64(x->fake, 0x7098, x->text + 0x7090);
	assert_int_equal(identify(x, FAKE_VMALLOC + 0x5000), ADDRESS_VMALLOC);
	assert_int_equal(x->a.caller, x->text + 0x123);
}

static void pages_and_the_rest(void **state)
{
	struct fixture *x = *state;

	/* Somewhere where it is not the direct map as well. */
	fake_put64(x->fake, FAKE_VMEMMAP_BASE, UINT64_C(0xffffea0000000000));
	assert_int_equal(identify(x, UINT64_C(0xffffea0000000000) + 5 * FAKE_PAGE_SIZE + 8), ADDRESS_PAGE);
	assert_int_equal(x->a.described, 5 * 4096);
	assert_int_equal(x->a.start, UINT64_C(0xffffea0000000000) + 5 * FAKE_PAGE_SIZE);
	assert_int_equal(identify(x, 0x1000), ADDRESS_USER);
	assert_int_equal(identify(x, UINT64_C(0xfffffffffffff000)), ADDRESS_OTHER);
	assert_false(x->a.is_mapped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(image_and_modules, setup, teardown),
		cmocka_unit_test_setup_teardown(per_cpu_variables, setup, teardown),
		cmocka_unit_test_setup_teardown(per_cpu_variables_of_later_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(stacks, setup, teardown),
		cmocka_unit_test_setup_teardown(slabs, setup, teardown),
		cmocka_unit_test_setup_teardown(slabs_of_later_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(whose_task_struct, setup, teardown),
		cmocka_unit_test_setup_teardown(vmalloc, setup, teardown),
		cmocka_unit_test_setup_teardown(vmalloc_of_later_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(pages_and_the_rest, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
