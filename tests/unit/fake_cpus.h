/*
 * A machine made by hand, as a target: CPUs with the registers that it is given, memory out of a struct mem, and notes of what
 * it was asked to do.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "mem/mem.h"
#include "target/breaks.h"
#include "target/description.h"
#include "target/target.h"

enum { FAKE_CPUS_MAX = 8, FAKE_WRITTEN_MAX = 64 };

/* The registers that QEMU has first, and some that come later. */
#define FAKE_DESCRIPTION                                                                                               \
	"<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><feature name=\"x\">"               \
	"<reg name=\"rax\" bitsize=\"64\"/><reg name=\"rbx\" bitsize=\"64\"/><reg name=\"rcx\" bitsize=\"64\"/>"       \
	"<reg name=\"rdx\" bitsize=\"64\"/><reg name=\"rsi\" bitsize=\"64\"/><reg name=\"rdi\" bitsize=\"64\"/>"       \
	"<reg name=\"rbp\" bitsize=\"64\"/><reg name=\"rsp\" bitsize=\"64\"/><reg name=\"r8\" bitsize=\"64\"/>"        \
	"<reg name=\"r9\" bitsize=\"64\"/><reg name=\"r10\" bitsize=\"64\"/><reg name=\"r11\" bitsize=\"64\"/>"        \
	"<reg name=\"r12\" bitsize=\"64\"/><reg name=\"r13\" bitsize=\"64\"/><reg name=\"r14\" bitsize=\"64\"/>"       \
	"<reg name=\"r15\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/><reg name=\"eflags\" bitsize=\"32\"/>"    \
	"<reg name=\"gs_base\" bitsize=\"64\"/><reg name=\"k_gs_base\" bitsize=\"64\"/></feature></target>"

struct fake_cpus {
	struct target target;
	struct mem *mem; /* NULL: no memory. Stays the caller's */
	uint32_t cpus;
	uint8_t registers[FAKE_CPUS_MAX][256];
	struct description description;
	struct target_event event; /* what target_next_event() says next */
	struct breaks breaks;
	/* What it was asked: the last of each. */
	uint64_t written_at;
	uint8_t written[FAKE_WRITTEN_MAX];
	size_t written_len, resumed, registers_read;
	struct target_resume how;
	char *line; /* for its monitor */
};

static inline struct fake_cpus *fake_cpus(struct target *t)
{
	return (struct fake_cpus *)t;
}

static inline void fake_cpus_destroy(struct target *t)
{
	struct fake_cpus *f = fake_cpus(t);

	description_deinit(&f->description);
	breaks_deinit(&f->breaks);
	target_event_deinit(&f->event);
	free(f->line);
	free(f);
}

static inline struct err *fake_cpus_description(struct target *t, const char *annex, struct buf *ret)
{
	(void)t;
	if (!streq(annex, "target.xml"))
		return err_create(ERR_NOT_FOUND, "no %s", annex);
	buf_puts(ret, FAKE_DESCRIPTION);
	return NULL;
}

static inline struct err *fake_cpus_threads(struct target *t, struct target_threads *ret)
{
	for (uint32_t i = 0; i < fake_cpus(t)->cpus; i++) {
		struct target_thread thread = { .id = i + 1, .core = i };

		snprintf(thread.name, sizeof(thread.name), "CPU#%u", i);
		target_threads_add(ret, &thread);
	}
	return NULL;
}

static inline bool fake_cpus_has_thread(struct target *t, uint32_t thread)
{
	return thread && thread <= fake_cpus(t)->cpus;
}

static inline struct err *fake_cpus_read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	struct fake_cpus *f = fake_cpus(t);

	if (!fake_cpus_has_thread(t, thread))
		return err_create(ERR_NOT_FOUND, "no thread %u", thread);
	f->registers_read++;
	buf_append(ret, f->registers[thread - 1], f->description.size);
	return NULL;
}

static inline struct err *fake_cpus_read_register(struct target *t, uint32_t thread, unsigned int number,
						  struct buf *ret)
{
	struct fake_cpus *f = fake_cpus(t);
	const struct description_register *r = description_at(&f->description, number);

	if (!r || !fake_cpus_has_thread(t, thread))
		return err_create(ERR_NOT_FOUND, "no register %u of thread %u", number, thread);
	buf_append(ret, f->registers[thread - 1] + r->offset, r->size);
	return NULL;
}

static inline struct err *fake_cpus_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_cpus *f = fake_cpus(t);
	struct brk *k = breaks_find(&f->breaks, kind, address, size);

	if (!k)
		k = breaks_add(&f->breaks, kind, address, size);
	k->wanted++;
	return NULL;
}

static inline struct err *fake_cpus_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_cpus *f = fake_cpus(t);
	struct brk *k = breaks_find(&f->breaks, kind, address, size);

	if (!k)
		return err_create(ERR_NOT_FOUND, "no breakpoint");
	if (!--k->wanted)
		breaks_drop(&f->breaks, k);
	return NULL;
}

static inline struct err *fake_cpus_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	struct fake_cpus *f = fake_cpus(t);

	if (!fake_cpus_has_thread(t, thread))
		return err_create(ERR_NOT_FOUND, "no thread %u", thread);
	memcpy(f->registers[thread - 1], bytes, MIN(len, (size_t)f->description.size));
	return NULL;
}

static inline struct err *fake_cpus_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	struct fake_cpus *f = fake_cpus(t);

	if (!fake_cpus_has_thread(t, thread) || !description_value(description_find(&f->description, "rip"),
								   f->registers[thread - 1], f->description.size, ret))
		return err_create(ERR_NOT_FOUND, "no thread %u", thread);
	return NULL;
}

static inline struct err *fake_cpus_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret,
						size_t len, size_t *ret_len)
{
	struct fake_cpus *f = fake_cpus(t);

	if (!fake_cpus_has_thread(t, thread))
		return err_create(ERR_NOT_FOUND, "no thread %u", thread);
	if (!f->mem || !mem_try_read(f->mem, address, ret, len))
		return err_create(ERR_FAULT, "nothing there");
	*ret_len = len;
	return NULL;
}

static inline struct err *fake_cpus_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes,
						 size_t len)
{
	struct fake_cpus *f = fake_cpus(t);

	if (!fake_cpus_has_thread(t, thread))
		return err_create(ERR_NOT_FOUND, "no thread %u", thread);
	f->written_at = address;
	f->written_len = MIN(len, sizeof(f->written));
	memcpy(f->written, bytes, f->written_len);
	return NULL;
}

static inline struct err *fake_cpus_resume(struct target *t, const struct target_resume *how)
{
	struct fake_cpus *f = fake_cpus(t);

	f->resumed++;
	f->how = *how;
	return NULL;
}

static inline struct err *fake_cpus_next_event(struct target *t, struct target_event *ret)
{
	struct fake_cpus *f = fake_cpus(t);

	*ret = f->event;
	f->event = (struct target_event)TARGET_EVENT_INIT;
	return NULL;
}

static inline struct err *fake_cpus_monitor(struct target *t, uint32_t thread, const char *line, target_output output,
					    void *user)
{
	struct fake_cpus *f = fake_cpus(t);

	(void)thread;
	free(f->line);
	f->line = xstrdup(line);
	output("fake\n", 5, user);
	return NULL;
}

static inline struct err *fake_cpus_fetch(const char *annex, struct buf *ret, void *user)
{
	return fake_cpus_description(user, annex, ret);
}

/* Registers that were not given are 0. */
static inline void fake_cpus_set(struct fake_cpus *f, uint32_t thread, const char *name, uint64_t value)
{
	description_set(description_find(&f->description, name), f->registers[thread - 1], value);
}

static inline struct fake_cpus *fake_cpus_create(uint32_t cpus, struct mem *mem)
{
	static const struct target_ops ops = {
		.destroy = fake_cpus_destroy,
		.description = fake_cpus_description,
		.threads = fake_cpus_threads,
		.has_thread = fake_cpus_has_thread,
		.read_registers = fake_cpus_read_registers,
		.write_registers = fake_cpus_write_registers,
		.read_register = fake_cpus_read_register,
		.insert = fake_cpus_insert,
		.remove = fake_cpus_remove,
		.program_counter = fake_cpus_program_counter,
		.read_memory = fake_cpus_read_memory,
		.write_memory = fake_cpus_write_memory,
		.resume = fake_cpus_resume,
		.next_event = fake_cpus_next_event,
		.monitor = fake_cpus_monitor,
	};
	struct fake_cpus *f = xcalloc(1, sizeof(*f));

	f->target.ops = &ops;
	f->cpus = cpus;
	f->mem = mem;
	f->event = (struct target_event)TARGET_EVENT_INIT;
	if (cpus > FAKE_CPUS_MAX || description_read(fake_cpus_fetch, f, &f->description))
		abort();
	return f;
}
