/*
 * Fuzzes all that walks through a kernel's memory: a whole image is damaged, and everything read from it. Input: pieces of what
 * fake_damage() takes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/address.h"
#include "kernel/dmesg.h"
#include "kernel/limits.h"
#include "kernel/module.h"
#include "kernel/task.h"
#include "tests/unit/fake_kernel.h"

enum {
	PIECES_MAX = 64,
	ASKED_MAX = 100000, /* then nobody answers any more, as with a line that takes too long */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_kernel *make_image(void)
{
	struct fake_kernel *f = fake_create(0x400000, 0x200000);
	size_t used, user;
	char text[32];

	fake_process(f, "init");
	fake_thread(f, 0, "thread");
	fake_thread(f, 0, "thread2");
	for (int i = 0; i < 8; i++)
		fake_process(f, "process");
	for (unsigned int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "message number %u", i);
		fake_record(f, i % 8, text, strlen(text), 2);
	}
	used = fake_module(f, "used");
	user = fake_module(f, "user");
	fake_use(f, user, used);
	return f;
}

static void read_tasks(const struct kernel *k, bool threads)
{
	struct task_list list = TASK_LIST_INIT;
	struct err *e = task_list_read(k, threads, &list);

	for (size_t i = 0; !e && i < list.n; i++) {
		uint64_t address;

		if (strlen(list.tasks[i].comm) > TASK_COMM_MAX)
			abort();
		task_sleeps_in(k, &list.tasks[i], &address);
	}
	task_list_deinit(&list);
	err_ignore(e);
}

static void read_modules(const struct kernel *k)
{
	struct module_list list = MODULE_LIST_INIT;
	struct err *e = module_list_read(k, &list);

	for (size_t i = 0; !e && i < list.n; i++) {
		const struct module *m = &list.modules[i];
		char taints[MODULE_TAINTS_MAX + 1];

		module_taint_letters(m->taints, taints);
		if (strlen(m->name) > MODULE_NAME_MAX || strlen(m->build_id) > 2 * MODULE_BUILD_ID_MAX ||
		    m->areas_n > MODULE_AREAS_MAX || (m->areas_n && !module_at(&list, m->areas[0].start)))
			abort();
		for (size_t j = 0; j < m->sections_n; j++) {
			if (strlen(m->sections[j].name) >= LIMIT_SECTION_NAME)
				abort();
		}
	}
	module_list_deinit(&list);
	err_ignore(e);
}

static void identify(const struct fake_kernel *f, const struct kernel *k)
{
	const uint64_t addresses[] = {
		FAKE_TEXT + f->slide,
		FAKE_VMALLOC,
		FAKE_VMALLOC + 0x5000,
		fake_direct(f, FAKE_SLAB + 0x230),
		fake_direct(f, FAKE_PER_CPU + 0x1010),
		fake_direct(f, FAKE_PAGES + 0x40),
		fake_direct(f, FAKE_MODULE_AREAS),
		fake_direct(f, FAKE_STACK + 0x100),
		0x1000,
		UINT64_MAX,
	};
	struct module_list modules = MODULE_LIST_INIT;
	struct err *e = module_list_read(k, &modules);
	struct address_map map;

	err_ignore(e);
	address_map_init(&map, k, &modules);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct address a;

		address_identify(&map, addresses[i], &a);
		if (a.kind > ADDRESS_OTHER || strlen(a.cache) > ADDRESS_CACHE_MAX)
			abort();
	}
	address_map_deinit(&map);
}

static void read_log(const struct kernel *k, uint64_t from, bool closed)
{
	struct dmesg d = DMESG_INIT;
	struct err *e = dmesg_read(k, from, closed, &d);

	for (size_t i = 0; !e && i < d.n; i++) {
		const struct dmesg_record *r = &d.records[i];

		if (r->text > d.text.len || r->text_len > d.text.len - r->text || r->seq < from ||
		    (i && r->seq <= d.records[i - 1].seq))
			abort();
	}
	dmesg_deinit(&d);
	err_ignore(e);
}

static void read_all(const struct fake_kernel *f, const struct kernel *k)
{
	read_tasks(k, false);
	read_tasks(k, true);
	read_modules(k);
	identify(f, k);
	read_log(k, 0, false);
	read_log(k, 30, true);
}

/* The same as it comes over a line; the walks' bounds must do without knowing how much memory there is. */
static void read_distant(const struct fake_kernel *f)
{
	const uint64_t pc = FAKE_TEXT + f->slide + 0x50;
	struct fake_line line;
	_cleanup_(mem_destroy) struct mem *m = fake_distant_mem(f, &line);
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct err *e = kernel_open_distant(m, FAKE_BUILD_ID, f->facts, &pc, 1, &k);

	line.asked_max = ASKED_MAX;
	if (!e)
		read_all(f, k);
	err_ignore(e);
	mem_destroy(line.beneath);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_kernel *whole;
	_cleanup_(free) struct fake_kernel *f = xmalloc(sizeof(*f));
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct err *e;

	if (!whole)
		whole = make_image();
	memcpy(f, whole, sizeof(*f));
	for (size_t i = 0; i < PIECES_MAX && (i + 1) * FAKE_DAMAGE <= size; i++)
		fake_damage(f, data + i * FAKE_DAMAGE);
	m = fake_mem(f);
	e = kernel_open(m, FAKE_BUILD_ID, f->facts, &k);
	if (!e)
		read_all(f, k);
	err_ignore(e);
	read_distant(f);
	return 0;
}
