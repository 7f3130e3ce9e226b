#include "kernel/address.h"

#include "kernel/cpu.h"
#include "kernel/kernel_private.h"
#include "kernel/percpu.h"
#include "kernel/vmcoreinfo.h"

enum { POINTER = 8, PAGE_BYTES = 4096, PAGE_TYPE_SHIFT = 24, COMPOUND_TAIL = 1 };

void address_map_init(struct address_map *m, const struct kernel *k, struct module_list *modules)
{
	*m = (struct address_map){ .k = k, .modules = *modules };
	*modules = (struct module_list)MODULE_LIST_INIT;
}

void address_map_deinit(struct address_map *m)
{
	module_list_deinit(&m->modules);
	task_list_deinit(&m->tasks);
}

static bool within(uint64_t address, uint64_t start, uint64_t size)
{
	return address - start < size;
}

/* --- The image, modules --- */

static bool is_image(const struct kernel *k, uint64_t address, struct address *ret)
{
	ret->start = symbol(k, FACT_TEXT);
	ret->size = has(k, FACT_IMAGE_END) ? k->facts[FACT_IMAGE_END].value - k->facts[FACT_TEXT].value : 0;
	return within(address, ret->start, ret->size);
}

static bool is_module(const struct address_map *m, uint64_t address, struct address *ret)
{
	ret->module = module_at(&m->modules, address);
	for (size_t i = 0; ret->module && i < ret->module->areas_n; i++) {
		const struct module_area *a = &ret->module->areas[i];

		if (within(address, a->start, a->size)) {
			ret->start = a->start;
			ret->size = a->size;
		}
	}
	return ret->module;
}

/* --- Per-CPU variables --- */

bool address_of_per_cpu(const struct kernel *k, uint64_t linked, uint32_t cpu, uint64_t *ret)
{
	return percpu_is_variable(k, linked) && percpu_try_address(k, linked, cpu, ret);
}

/* A module has its own behind those of the kernel. What it has as percpu is added to a CPU's offset too. */
static const struct module *module_of_per_cpu(const struct address_map *m, uint64_t at)
{
	for (size_t i = 0; i < m->modules.n; i++) {
		const struct module *module = &m->modules.modules[i];

		if (within(at, module->percpu, module->percpu_size))
			return module;
	}
	return NULL;
}

static bool is_per_cpu(const struct address_map *m, uint64_t address, struct address *ret)
{
	const struct kernel *k = m->k;
	uint64_t start = k->facts[FACT_PER_CPU_START].value, size = k->facts[FACT_PER_CPU_END].value - start,
		 unit = size, first;

	if (has(k, FACT_PER_CPU_UNIT) && read_number(k, symbol(k, FACT_PER_CPU_UNIT), 4, &unit))
		unit = MAX(unit, size);
	for (uint32_t cpu = 0; cpu < cpu_count(k); cpu++) {
		if (!address_of_per_cpu(k, start, cpu, &first) || !is_kernel_address(first) ||
		    !within(address, first, unit))
			continue;
		ret->cpu = cpu;
		ret->start = first;
		ret->size = unit;
		ret->linked = address - first + start;
		ret->has_linked = within(ret->linked, start, size);
		ret->module = module_of_per_cpu(m, ret->linked);
		return true;
	}
	return false;
}

/* --- Stacks --- */

static const struct task_list *tasks_of(struct address_map *m)
{
	struct err *e = NULL;

	if (!m->tasks_read)
		e = task_list_read(m->k, true, &m->tasks);
	m->tasks_read = true;
	err_ignore(e);
	return &m->tasks;
}

static bool take_stack(const struct stack_range *range, uint64_t address, struct address *ret)
{
	if (address < range->start || address >= range->end)
		return false;
	ret->stack = range->name;
	ret->start = range->start;
	ret->size = range->end - range->start;
	return true;
}

static bool is_stack_of(const struct kernel *k, uint64_t task, uint64_t address, struct address *ret)
{
	struct stack_range range;

	if (!task_stack(k, task, &range) || !take_stack(&range, address, ret))
		return false;
	task_read(k, task, &ret->task);
	ret->has_task = true;
	return true;
}

static bool is_stack_of_cpu(const struct kernel *k, uint32_t cpu, uint64_t address, struct address *ret)
{
	struct stack_range ranges[CPU_STACKS_MAX];
	size_t n = cpu_stacks(k, cpu, ranges);
	uint64_t task;

	ret->cpu = cpu;
	for (size_t i = 0; i < n; i++) {
		if (take_stack(&ranges[i], address, ret))
			return true;
	}
	/* Idle tasks are in no list. */
	return cpu_current(k, cpu, &task) && is_stack_of(k, task, address, ret);
}

static bool is_stack(struct address_map *m, uint64_t address, struct address *ret)
{
	const struct task_list *tasks = tasks_of(m);

	for (size_t i = 0; i < tasks->n; i++) {
		if (is_stack_of(m->k, tasks->tasks[i].address, address, ret))
			return true;
	}
	for (uint32_t cpu = 0; cpu < cpu_count(m->k); cpu++) {
		if (is_stack_of_cpu(m->k, cpu, address, ret))
			return true;
	}
	return has(m->k, FACT_INIT_TASK) && is_stack_of(m->k, symbol(m->k, FACT_INIT_TASK), address, ret);
}

/* --- Pages and slabs --- */

/* Documentation/arch/x86/x86_64/mm.rst of the kernel, for those that don't keep the base in a variable. */
static uint64_t base_of(const struct kernel *k, enum kernel_fact variable, uint64_t four_levels, uint64_t five_levels)
{
	uint64_t base;

	if (has(k, variable) && read_number(k, symbol(k, variable), POINTER, &base) && is_kernel_address(base))
		return base;
	return k->mmu.levels == 5 ? five_levels : four_levels;
}

static uint64_t page_descriptions(const struct kernel *k)
{
	return base_of(k, FACT_VMEMMAP_BASE, UINT64_C(0xffffea0000000000), UINT64_C(0xffd4000000000000));
}

static bool is_page(const struct kernel *k, uint64_t address, struct address *ret)
{
	uint64_t base = page_descriptions(k), each = k->facts[FACT_PAGE].size, number;

	if (!each || address < base)
		return false;
	number = (address - base) / each;
	if (number >= mem_end(k->mem) / PAGE_BYTES)
		return false;
	ret->start = base + number * each;
	ret->size = each;
	ret->described = number * PAGE_BYTES;
	return true;
}

/* A number of VMCOREINFO's, which may have a sign. */
static bool vmcoreinfo_value(const struct buf *text, const char *key, int64_t *ret)
{
	_cleanup_(free) char *number = NULL;
	size_t n;
	const char *value = vmcoreinfo_find(text->data, text->len, key, &n);
	char *end;

	if (!value || !n || n > 20)
		return false;
	number = xstrndup(value, n);
	*ret = strtoll(number, &end, 10);
	return !*end;
}

/*
 * How the kernel tells the pages of slabs: by a flag, since 46df8e73a4a3 by a type in the place of the count of mappings. It
 * says which for the readers of dumps.
 */
static bool is_slab_page(const struct kernel *k, uint64_t page)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	uint64_t flags, type;
	int64_t wanted;

	if (!kernel_vmcoreinfo(k, &text))
		return false;
	if (vmcoreinfo_value(&text, "NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)", &wanted))
		return read_member(k, page, FACT_PAGE_TYPE, &type) &&
		       (uint32_t)type >> PAGE_TYPE_SHIFT == (uint32_t)wanted >> PAGE_TYPE_SHIFT;
	return vmcoreinfo_value(&text, "NUMBER(PG_slab)", &wanted) && wanted >= 0 && wanted < 64 &&
	       read_member(k, page, FACT_PAGE_FLAGS, &flags) && flags >> wanted & 1;
}

static bool read_cache(const struct kernel *k, uint64_t cache, struct address *ret, uint64_t *ret_each,
		       uint64_t *ret_size, uint64_t *ret_pad)
{
	uint64_t name;

	*ret_pad = 0;
	if (!read_pointer(k, cache, FACT_CACHE_NAME, &name) || !read_member(k, cache, FACT_CACHE_SIZE, ret_each) ||
	    !read_member(k, cache, FACT_CACHE_OBJECT_SIZE, ret_size) || !*ret_each || *ret_size > *ret_each ||
	    !read_string(k, name, ret->cache, sizeof(ret->cache)))
		return false;
	/* With SLUB's debugging there is something before each. */
	if (!read_member(k, cache, FACT_CACHE_PAD, ret_pad) || *ret_pad > *ret_each - *ret_size)
		*ret_pad = 0;
	return true;
}

/* first: of the slab's memory; page: its description. */
static bool is_object(const struct kernel *k, uint64_t address, uint64_t first, uint64_t page, struct address *ret)
{
	enum kernel_fact fact = has(k, FACT_SLAB_CACHE) ? FACT_SLAB_CACHE : FACT_PAGE_SLAB_CACHE;
	uint64_t cache, each, size, pad, number, objects;

	if (!read_pointer(k, page, fact, &cache) || !read_cache(k, cache, ret, &each, &size, &pad))
		return false;
	number = (address - first) / each;
	ret->start = first + number * each + pad;
	ret->size = size;
	ret->is_object = within(address, ret->start, size) &&
			 (!read_member(k, page, FACT_SLAB_OBJECTS, &objects) || number < objects);
	return true;
}

static bool is_slab(const struct kernel *k, uint64_t address, uint64_t direct, struct address *ret)
{
	uint64_t each = k->facts[FACT_PAGE].size, page = page_descriptions(k) + (address - direct) / PAGE_BYTES * each,
		 head;

	if (!each || !read_member(k, page, FACT_PAGE_COMPOUND_HEAD, &head))
		return false;
	/* One of several is described by the first. */
	if (head & COMPOUND_TAIL)
		page = head - COMPOUND_TAIL;
	if (!is_kernel_address(page) || !is_slab_page(k, page))
		return false;
	return is_object(k, address, direct + (page - page_descriptions(k)) / each * PAGE_BYTES, page, ret);
}

/* Which task's task_struct it is in. */
static void find_task(struct address_map *m, struct address *ret)
{
	const struct task_list *tasks = tasks_of(m);

	for (size_t i = 0; i < tasks->n; i++) {
		if (tasks->tasks[i].address == ret->start) {
			ret->task = tasks->tasks[i];
			ret->has_task = true;
		}
	}
}

static bool is_direct(struct address_map *m, uint64_t address, struct address *ret)
{
	const struct kernel *k = m->k;
	uint64_t base;

	if (!kernel_direct_map(k, &base) || !within(address, base, mem_end(k->mem)))
		return false;
	ret->kind = ADDRESS_DIRECT;
	if (!is_slab(k, address, base, ret))
		return true;
	ret->kind = ADDRESS_SLAB;
	if (ret->is_object && streq(ret->cache, "task_struct"))
		find_task(m, ret);
	return true;
}

/* --- vmalloc --- */

/* steps: that may still be taken. */
static bool find_area(const struct kernel *k, uint64_t head, uint64_t address, uint32_t *steps, struct address *ret)
{
	uint64_t at, from, start, end, area;
	struct links links;

	if (!read_links(k, head, &links))
		return false;
	at = links.next;
	from = head;
	for (; at != head && *steps; --*steps) {
		uint64_t node = at - offset_of(k, FACT_VMAP_AREA_LIST_LINKS);

		if (!is_kernel_address(at) || !read_links(k, at, &links) || links.prev != from ||
		    !read_member(k, node, FACT_VMAP_AREA_START, &start) ||
		    !read_member(k, node, FACT_VMAP_AREA_END, &end))
			return false;
		if (address >= start && address < end) {
			ret->start = start;
			ret->size = end - start;
			if (read_pointer(k, node, FACT_VMAP_AREA_VM, &area) &&
			    !read_pointer(k, area, FACT_VM_CALLER, &ret->caller))
				ret->caller = 0;
			return true;
		}
		from = at;
		at = links.next;
	}
	return false;
}

/* One list of areas, since d093602919ad one for each of several nodes. */
static bool find_in_vmalloc(const struct kernel *k, uint64_t address, uint32_t *steps, struct address *ret)
{
	uint64_t nodes, n, each = k->facts[FACT_VMAP_NODE].size;

	if (has(k, FACT_VMAP_AREA_LIST))
		return find_area(k, symbol(k, FACT_VMAP_AREA_LIST), address, steps, ret);
	if (!each || !has(k, FACT_VMAP_NODES) || !has(k, FACT_VMAP_NODES_N) || !has(k, FACT_VMAP_NODE_AREAS) ||
	    !read_number(k, symbol(k, FACT_VMAP_NODES), POINTER, &nodes) ||
	    !read_number(k, symbol(k, FACT_VMAP_NODES_N), 4, &n))
		return false;
	for (uint64_t i = 0; i < MIN(n, (uint64_t)LIMIT_VMALLOC_NODES); i++) {
		if (find_area(k, nodes + i * each + offset_of(k, FACT_VMAP_NODE_AREAS), address, steps, ret))
			return true;
	}
	return false;
}

static bool is_vmalloc(const struct kernel *k, uint64_t address, struct address *ret)
{
	uint64_t base = base_of(k, FACT_VMALLOC_BASE, UINT64_C(0xffffc90000000000), UINT64_C(0xffa0000000000000)),
		 size = k->mmu.levels == 5 ? UINT64_C(12800) << 40 : UINT64_C(32) << 40;
	uint32_t steps = LIMIT_VMALLOC_STEPS;

	/* Modules are in areas of it, too, elsewhere; so are those of one that has not been formed yet. */
	for (unsigned int i = 0; i < LIMIT_TRIES; i++) {
		if (find_in_vmalloc(k, address, &steps, ret))
			return true;
	}
	return within(address, base, size);
}

/* --- */

static void translate(const struct kernel *k, uint64_t address, struct address *ret)
{
	struct mmu_page page;

	if (mmu_translate(k->mem, &k->mmu, address, &page) != MMU_OK)
		return;
	ret->is_mapped = true;
	ret->phys = page.phys;
}

void address_identify(struct address_map *m, uint64_t address, struct address *ret)
{
	const struct kernel *k = m->k;
	struct address a = { .kind = ADDRESS_OTHER };

	translate(k, address, &a);
	*ret = a;
	ret->kind = ADDRESS_USER;
	if (!is_kernel_address(address))
		return;
	*ret = a;
	ret->kind = ADDRESS_MODULE;
	if (is_module(m, address, ret))
		return;
	*ret = a;
	ret->kind = ADDRESS_PER_CPU;
	if (is_per_cpu(m, address, ret))
		return;
	*ret = a;
	ret->kind = ADDRESS_STACK;
	if (is_stack(m, address, ret))
		return;
	*ret = a;
	ret->kind = ADDRESS_IMAGE;
	if (is_image(k, address, ret))
		return;
	*ret = a;
	if (is_direct(m, address, ret))
		return;
	*ret = a;
	ret->kind = ADDRESS_PAGE;
	if (is_page(k, address, ret))
		return;
	*ret = a;
	ret->kind = ADDRESS_VMALLOC;
	if (is_vmalloc(k, address, ret))
		return;
	*ret = a;
}
