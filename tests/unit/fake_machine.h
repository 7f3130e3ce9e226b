/*
 * A machine that runs only on paper, for what is put on top of a target: events are put in a queue, breakpoints are counted,
 * and what was asked of it is noted. Its memory is a fake kernel's, seen through the kernel's page tables.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "mem/mem.h"
#include "target/breaks.h"
#include "target/target.h"

enum { FAKE_MACHINE_CPUS = 2, FAKE_MACHINE_EVENTS = 16 };

struct fake_machine {
	struct target target;
	struct mem *mem; /* the caller's; NULL: paging is off */
	uint64_t pc[FAKE_MACHINE_CPUS], argument[FAKE_MACHINE_CPUS];
	struct breaks breaks;
	struct target_event events[FAKE_MACHINE_EVENTS]; /* to come, with the PC in `address` */
	size_t events_n;
	bool runs;
	unsigned int resumed, interrupted;
	struct target_resume how; /* of the last time */
};

static inline struct fake_machine *fake_machine(struct target *t)
{
	return (struct fake_machine *)t;
}

static inline void fake_machine_destroy(struct target *t)
{
	breaks_deinit(&fake_machine(t)->breaks);
	free(t);
}

static inline struct err *fake_machine_threads(struct target *t, struct target_threads *ret)
{
	(void)t;
	for (uint32_t i = 0; i < FAKE_MACHINE_CPUS; i++)
		target_threads_add(ret, &(struct target_thread){ .id = i + 1, .core = i });
	return NULL;
}

static inline bool fake_machine_has_thread(struct target *t, uint32_t thread)
{
	(void)t;
	return thread && thread <= FAKE_MACHINE_CPUS;
}

/* What is asked of one that runs is a fault of the caller's. */
static inline struct fake_machine *fake_machine_stands(struct target *t)
{
	if (fake_machine(t)->runs)
		abort();
	return fake_machine(t);
}

static inline struct err *fake_machine_read_register(struct target *t, uint32_t thread, unsigned int number,
						     struct buf *ret)
{
	(void)number;
	buf_append(ret, &fake_machine_stands(t)->argument[thread - 1], 8);
	return NULL;
}

static inline struct err *fake_machine_pc(struct target *t, uint32_t thread, uint64_t *ret)
{
	*ret = fake_machine_stands(t)->pc[thread - 1];
	return NULL;
}

static inline struct err *fake_machine_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret,
						   size_t len, size_t *ret_len)
{
	struct fake_machine *m = fake_machine_stands(t);

	(void)thread;
	if (!m->mem || !mem_try_read(m->mem, address, ret, len))
		return err_create(ERR_FAULT, "nothing there");
	*ret_len = len;
	return NULL;
}

static inline struct err *fake_machine_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_machine *m = fake_machine_stands(t);
	struct brk *k = breaks_find(&m->breaks, kind, address, size);

	if (!k)
		k = breaks_add(&m->breaks, kind, address, size);
	k->wanted++;
	return NULL;
}

static inline struct err *fake_machine_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	struct fake_machine *m = fake_machine_stands(t);
	struct brk *k = breaks_find(&m->breaks, kind, address, size);

	if (!k)
		return err_create(ERR_NOT_FOUND, "no breakpoint");
	if (!--k->wanted)
		breaks_drop(&m->breaks, k);
	return NULL;
}

static inline struct err *fake_machine_resume(struct target *t, const struct target_resume *how)
{
	struct fake_machine *m = fake_machine_stands(t);

	m->runs = true;
	m->resumed++;
	m->how = *how;
	return NULL;
}

static inline void fake_machine_add(struct fake_machine *m, uint32_t thread, enum target_reason reason,
				    unsigned int signo, uint64_t pc)
{
	if (m->events_n == FAKE_MACHINE_EVENTS)
		abort();
	m->events[m->events_n++] = (struct target_event){
		.kind = TARGET_EVENT_STOP, .reason = reason, .thread = thread, .signo = signo, .address = pc
	};
}

/* It stops for that, unless something else is there already. */
static inline struct err *fake_machine_interrupt(struct target *t)
{
	struct fake_machine *m = fake_machine(t);

	m->interrupted++;
	if (m->runs && !m->events_n)
		fake_machine_add(m, 1, TARGET_REASON_SIGNAL, 2, m->pc[0]);
	return NULL;
}

static inline struct err *fake_machine_next_event(struct target *t, struct target_event *ret)
{
	struct fake_machine *m = fake_machine(t);

	*ret = (struct target_event)TARGET_EVENT_INIT;
	if (!m->runs || !m->events_n)
		return NULL;
	*ret = m->events[0];
	memmove(m->events, m->events + 1, --m->events_n * sizeof(*m->events));
	m->pc[ret->thread - 1] = ret->address;
	m->runs = false;
	ret->address = 0;
	return NULL;
}

static inline struct fake_machine *fake_machine_create(struct mem *mem)
{
	static const struct target_ops ops = {
		.destroy = fake_machine_destroy,
		.threads = fake_machine_threads,
		.has_thread = fake_machine_has_thread,
		.read_register = fake_machine_read_register,
		.program_counter = fake_machine_pc,
		.read_memory = fake_machine_read_memory,
		.insert = fake_machine_insert,
		.remove = fake_machine_remove,
		.resume = fake_machine_resume,
		.interrupt = fake_machine_interrupt,
		.next_event = fake_machine_next_event,
	};
	struct fake_machine *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->target.ops = &ops;
	m->mem = mem;
	return m;
}
