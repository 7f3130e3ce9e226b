/*
 * A kernel in 192 KiB: page tables, tasks, a log, modules and a slab as kernel/ expects them, with offsets of its own. For tests and for the
 * fuzzer, which damages it.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "kernel/kernel.h"
#include "mem/mem.h"

#define FAKE_BUILD_ID "00112233445566778899aabbccddeeff00112233"
#define FAKE_MAP UINT64_C(0xffffffff80000000)
#define FAKE_TEXT (FAKE_MAP + 0x200000)          /* as linked */
#define FAKE_DIRECT UINT64_C(0xffff888000000000) /* the direct map */

enum {
	FAKE_SIZE = 0x30000,
	FAKE_ID = 0x40,
	FAKE_PGD = 0x1000,
	FAKE_PUD = 0x2000,
	FAKE_PMD = 0x3000,
	FAKE_DIRECT_PUD = 0x4000,
	FAKE_DIRECT_PMD = 0x5000,
	FAKE_DIRECT_PT = 0x6000,
	FAKE_PHYS_BASE = 0x7000,
	FAKE_VMCOREINFO_DATA = 0x7008,
	FAKE_VMCOREINFO_SIZE = 0x7010,
	FAKE_PRB = 0x7018,
	FAKE_PER_CPU_OFFSET = 0x7020, /* two CPUs */
	FAKE_NR_CPU_IDS = 0x7030,
	FAKE_MODULE_LIST = 0x7038,
	FAKE_VMEMMAP_BASE = 0x7050,
	FAKE_VMALLOC_BASE = 0x7058,
	FAKE_AREA_LIST = 0x7060,
	FAKE_PER_CPU_UNIT = 0x7070,
	FAKE_VMCOREINFO = 0x8000,
	FAKE_INIT_TASK = 0x9000,
	FAKE_TASKS = 0xa000,
	FAKE_TASK_SIZE = 0x400,
	FAKE_SIGNALS = 0x18000,
	FAKE_SIGNAL_SIZE = 0x80,
	FAKE_CRED = 0x1a000,
	FAKE_MM = 0x1b000,
	FAKE_PER_CPU = 0x1c000, /* 0x1000 for each CPU */
	FAKE_STACK = 0x1f000,
	FAKE_RING = 0x20000,
	FAKE_DESCS = 0x21000,
	FAKE_INFOS = 0x22000,
	FAKE_DATA = 0x24000,
	FAKE_MODULES = 0x28000,
	FAKE_MODULE_SIZE = 0x200, /* with its sections behind it */
	FAKE_USES = 0x2a000,
	FAKE_USE_SIZE = 0x30,
	FAKE_MODULE_AREAS = 0x2a800, /* 0x300 for each module */
	FAKE_PAGES = 0x2c000,        /* descriptions of all pages of the image */
	FAKE_PAGE_SIZE = 0x40,
	FAKE_SLAB = 0x2f000, /* of one page */
	FAKE_CACHE = 0x2e000,
	FAKE_AREA = 0x2e100,
	FAKE_VM = 0x2e140,

	FAKE_LOG_COUNT_BITS = 4,
	FAKE_LOG_SIZE_BITS = 10,
	FAKE_DESC_SIZE = 24,
	FAKE_INFO_SIZE = 88,

	FAKE_TASKS_MAX = 40,
	FAKE_MODULES_MAX = 8,
	FAKE_USES_MAX = 16,
	/* Members */
	FAKE_TASK_STATE = 0x18,
	FAKE_TASK_FLAGS = 0x2c,
	FAKE_TASK_CPU = 0x30,
	FAKE_TASK_RUNTIME = 0x40,
	FAKE_TASK_TASKS = 0x100,
	FAKE_TASK_MM = 0x120,
	FAKE_TASK_EXIT_STATE = 0x130,
	FAKE_TASK_PID = 0x140,
	FAKE_TASK_TGID = 0x144,
	FAKE_TASK_REAL_PARENT = 0x150,
	FAKE_TASK_THREAD_NODE = 0x180,
	FAKE_TASK_REAL_CRED = 0x200,
	FAKE_TASK_COMM = 0x210,
	FAKE_TASK_SIGNAL = 0x230,
	FAKE_TASK_SP = 0x240,
	FAKE_TASK_STACK = 0x248,
	FAKE_SIGNAL_HEAD = 0x10,
	FAKE_SIGNAL_RUNTIME = 0x28,
	FAKE_CRED_EUID = 0x14,
	FAKE_MM_RSS = 0x100,
	FAKE_MM_PGD = 0x80,
	FAKE_COUNTER_SIZE = 0x28,
	FAKE_COUNTER_COUNT = 0x8,
	FAKE_COUNTER_COUNTERS = 0x20,
	FAKE_MODULE_LINKS = 0x8,
	FAKE_MODULE_NAME = 0x18,
	FAKE_MODULE_MEM = 0x60, /* three times an address and a size */
	FAKE_MODULE_TAINTS = 0xa0,
	FAKE_MODULE_REFERENCES = 0xa8,
	FAKE_MODULE_SOURCE_LIST = 0xb0,
	FAKE_MODULE_SECTIONS = 0xc0,
	FAKE_MODULE_INIT = 0xc8,
	FAKE_MODULE_EXIT = 0xd0,
	FAKE_MODULE_PERCPU = 0xd8,
	FAKE_MODULE_PERCPU_SIZE = 0xe0,
	FAKE_USE_SOURCE = 0x20,
	/* The attributes of its sections, their list and their names; the note with its build ID */
	FAKE_SECTIONS = 0x100,
	FAKE_SECTION_LIST = 0x18,
	FAKE_SECTION_ATTRS = 0x20,
	FAKE_SECTION_PRIVATE = 0x18,
	FAKE_SECTION_ADDRESS = 0x20,
	FAKE_SECTION_SIZE = 0x28,
	FAKE_SECTION_POINTERS = 0x180,
	FAKE_SECTION_NAMES = 0x1a0, /* 0x18 for each */
	FAKE_NOTE = 0x1d0,
	FAKE_PER_CPU_SIZE = 0x800,
	FAKE_PAGE_HEAD = 0x8,
	FAKE_PAGE_CACHE = 0x18,
	FAKE_PAGE_OBJECTS = 0x28,
	FAKE_PAGE_TYPE = 0x30,
	FAKE_CACHE_EACH = 0x100,
	FAKE_CACHE_OBJECT = 0xc0,
	FAKE_CACHE_PAD = 0x20,
	FAKE_CACHE_NAME = 0x40,
	FAKE_AREA_LINKS = 0x10,
	FAKE_VM_CALLER = 0x18,
	FAKE_PG_SLAB = 9,
};

/* An area of vmalloc's. */
#define FAKE_VMALLOC UINT64_C(0xffffc90000000000)

struct fake_kernel {
	uint64_t phys, slide;
	uint32_t processes; /* made so far, PIDs 1 ... */
	uint32_t tasks;
	uint32_t records;
	uint32_t modules;
	uint32_t uses;
	uint64_t text; /* position in the log's data */
	uint8_t image[FAKE_SIZE] __attribute__((aligned(16)));
	struct layout_answer facts[KERNEL_FACTS_N];
};

static inline void fake_put64(struct fake_kernel *f, size_t at, uint64_t value)
{
	memcpy(f->image + at, &value, sizeof(value));
}

static inline void fake_put32(struct fake_kernel *f, size_t at, uint32_t value)
{
	memcpy(f->image + at, &value, sizeof(value));
}

static inline uint64_t fake_get64(const struct fake_kernel *f, size_t at)
{
	uint64_t value;

	memcpy(&value, f->image + at, sizeof(value));
	return value;
}

/* Where something of the image is in the direct map. */
static inline uint64_t fake_direct(const struct fake_kernel *f, size_t at)
{
	return FAKE_DIRECT + f->phys + at;
}

static inline void fake_symbol(struct fake_kernel *f, enum kernel_fact fact, size_t at, uint32_t size)
{
	f->facts[fact] = (struct layout_answer){ .found = true, .value = FAKE_TEXT + at, .size = size, .count = 1 };
}

static inline void fake_member(struct fake_kernel *f, enum kernel_fact fact, uint64_t offset, uint32_t size)
{
	f->facts[fact] = (struct layout_answer){ .found = true, .value = offset, .size = size, .count = 1 };
}

static inline void fake_type(struct fake_kernel *f, enum kernel_fact fact, uint32_t size)
{
	fake_member(f, fact, 0, size);
}

static inline void fake_number(struct fake_kernel *f, enum kernel_fact fact, uint64_t value)
{
	f->facts[fact] = (struct layout_answer){ .found = true, .value = value };
}

static inline void fake_facts_of_tasks(struct fake_kernel *f)
{
	fake_symbol(f, FACT_INIT_TASK, FAKE_INIT_TASK, FAKE_TASK_SIZE);
	fake_type(f, FACT_TASK, FAKE_TASK_SIZE);
	fake_member(f, FACT_TASK_TASKS, FAKE_TASK_TASKS, 16);
	fake_member(f, FACT_TASK_THREAD_NODE, FAKE_TASK_THREAD_NODE, 16);
	fake_member(f, FACT_TASK_PID, FAKE_TASK_PID, 4);
	fake_member(f, FACT_TASK_TGID, FAKE_TASK_TGID, 4);
	fake_member(f, FACT_TASK_COMM, FAKE_TASK_COMM, 16);
	fake_member(f, FACT_TASK_STATE, FAKE_TASK_STATE, 4);
	fake_member(f, FACT_TASK_EXIT_STATE, FAKE_TASK_EXIT_STATE, 4);
	fake_member(f, FACT_TASK_FLAGS, FAKE_TASK_FLAGS, 4);
	fake_member(f, FACT_TASK_MM, FAKE_TASK_MM, 8);
	fake_member(f, FACT_TASK_REAL_PARENT, FAKE_TASK_REAL_PARENT, 8);
	fake_member(f, FACT_TASK_REAL_CRED, FAKE_TASK_REAL_CRED, 8);
	fake_member(f, FACT_TASK_SIGNAL, FAKE_TASK_SIGNAL, 8);
	fake_member(f, FACT_TASK_CPU, FAKE_TASK_CPU, 4);
	fake_member(f, FACT_TASK_RUNTIME, FAKE_TASK_RUNTIME, 8);
	fake_member(f, FACT_TASK_SP, FAKE_TASK_SP, 8);
	fake_member(f, FACT_TASK_STACK, FAKE_TASK_STACK, 8);
	fake_member(f, FACT_SIGNAL_THREAD_HEAD, FAKE_SIGNAL_HEAD, 16);
	fake_member(f, FACT_SIGNAL_RUNTIME, FAKE_SIGNAL_RUNTIME, 8);
	fake_member(f, FACT_MM_PGD, FAKE_MM_PGD, 8);
	fake_member(f, FACT_CRED_EUID, FAKE_CRED_EUID, 4);
	fake_member(f, FACT_MM_RSS, FAKE_MM_RSS, 4 * FAKE_COUNTER_SIZE);
	f->facts[FACT_MM_RSS].count = 4;
	/* Of the first counter. */
	fake_member(f, FACT_MM_RSS_COUNTS, FAKE_MM_RSS + FAKE_COUNTER_COUNT, 8);
	fake_type(f, FACT_PERCPU_COUNTER, FAKE_COUNTER_SIZE);
	fake_member(f, FACT_PERCPU_COUNTER_COUNT, FAKE_COUNTER_COUNT, 8);
	fake_member(f, FACT_PERCPU_COUNTER_COUNTERS, FAKE_COUNTER_COUNTERS, 8);
	fake_number(f, FACT_MM_FILEPAGES, 0);
	fake_number(f, FACT_MM_ANONPAGES, 1);
	fake_number(f, FACT_MM_SHMEMPAGES, 3);
	fake_symbol(f, FACT_SCHED_TEXT_START, 0x100, 0);
	fake_symbol(f, FACT_SCHED_TEXT_END, 0x200, 0);
	fake_type(f, FACT_INACTIVE_FRAME, 0x30);
	fake_member(f, FACT_INACTIVE_FRAME_BP, 0x20, 8);
	fake_member(f, FACT_INACTIVE_FRAME_RETURN, 0x28, 8);
}

static inline void fake_facts_of_log(struct fake_kernel *f)
{
	fake_symbol(f, FACT_LOG_RING, FAKE_PRB, 8);
	fake_member(f, FACT_RING_COUNT_BITS, 0, 4);
	fake_member(f, FACT_RING_DESCS, 8, 8);
	fake_member(f, FACT_RING_INFOS, 16, 8);
	fake_member(f, FACT_RING_HEAD_ID, 24, 8);
	fake_member(f, FACT_RING_TAIL_ID, 32, 8);
	fake_member(f, FACT_RING_SIZE_BITS, 48, 4);
	fake_member(f, FACT_RING_DATA, 56, 8);
	fake_type(f, FACT_DESC, FAKE_DESC_SIZE);
	fake_member(f, FACT_DESC_STATE, 0, 8);
	fake_member(f, FACT_DESC_BEGIN, 8, 8);
	fake_member(f, FACT_DESC_NEXT, 16, 8);
	fake_number(f, FACT_DESC_COMMITTED, 1);
	fake_number(f, FACT_DESC_FINALIZED, 2);
	fake_type(f, FACT_INFO, FAKE_INFO_SIZE);
	fake_member(f, FACT_INFO_SEQ, 0, 8);
	fake_member(f, FACT_INFO_TIME, 8, 8);
	fake_member(f, FACT_INFO_TEXT_LEN, 16, 2);
	fake_member(f, FACT_INFO_FACILITY, 18, 1);
	fake_member(f, FACT_INFO_LEVEL, 19, 1);
	f->facts[FACT_INFO_LEVEL].bit_offset = 5;
	f->facts[FACT_INFO_LEVEL].bit_size = 3;
	fake_member(f, FACT_INFO_CALLER, 20, 4);
}

static inline void fake_facts_of_modules(struct fake_kernel *f)
{
	fake_symbol(f, FACT_MODULES, FAKE_MODULE_LIST, 16);
	fake_type(f, FACT_MODULE, FAKE_MODULE_SIZE);
	fake_member(f, FACT_MODULE_LIST, FAKE_MODULE_LINKS, 16);
	fake_member(f, FACT_MODULE_NAME, FAKE_MODULE_NAME, 56);
	fake_member(f, FACT_MODULE_STATE, 0, 4);
	fake_number(f, FACT_MODULE_STATE_LIVE, 0);
	fake_number(f, FACT_MODULE_STATE_COMING, 1);
	fake_number(f, FACT_MODULE_STATE_GOING, 2);
	fake_number(f, FACT_MODULE_STATE_UNFORMED, 3);
	fake_member(f, FACT_MODULE_TAINTS, FAKE_MODULE_TAINTS, 8);
	fake_member(f, FACT_MODULE_MEM, FAKE_MODULE_MEM, 48);
	f->facts[FACT_MODULE_MEM].count = 3;
	fake_member(f, FACT_MODULE_MEM_BASE, FAKE_MODULE_MEM, 8);
	fake_member(f, FACT_MODULE_MEM_SIZE, FAKE_MODULE_MEM + 8, 4);
	fake_member(f, FACT_MODULE_PERCPU, FAKE_MODULE_PERCPU, 8);
	fake_member(f, FACT_MODULE_PERCPU_SIZE, FAKE_MODULE_PERCPU_SIZE, 4);
	fake_member(f, FACT_MODULE_REFERENCES, FAKE_MODULE_REFERENCES, 4);
	fake_member(f, FACT_MODULE_INIT, FAKE_MODULE_INIT, 8);
	fake_member(f, FACT_MODULE_EXIT, FAKE_MODULE_EXIT, 8);
	fake_member(f, FACT_MODULE_SOURCE_LIST, FAKE_MODULE_SOURCE_LIST, 16);
	fake_member(f, FACT_MODULE_USE_SOURCE_LIST, 0, 16);
	fake_member(f, FACT_MODULE_USE_SOURCE, FAKE_USE_SOURCE, 8);
	fake_member(f, FACT_MODULE_SECTIONS, FAKE_MODULE_SECTIONS, 8);
	fake_member(f, FACT_SECTION_LIST, FAKE_SECTION_LIST, 8);
	fake_member(f, FACT_SECTIONS, FAKE_SECTION_ATTRS, 0);
	fake_member(f, FACT_SECTION_ATTRIBUTE, FAKE_SECTION_ATTRS, 0x20);
	fake_member(f, FACT_SECTION_NAME, FAKE_SECTION_ATTRS, 8);
	fake_member(f, FACT_SECTION_ADDRESS, FAKE_SECTION_ATTRS + FAKE_SECTION_ADDRESS, 8);
}

static inline void fake_facts_of_addresses(struct fake_kernel *f)
{
	fake_symbol(f, FACT_IMAGE_END, FAKE_SIZE, 0);
	fake_number(f, FACT_PER_CPU_START, 0);
	fake_number(f, FACT_PER_CPU_END, FAKE_PER_CPU_SIZE);
	fake_symbol(f, FACT_PER_CPU_UNIT, FAKE_PER_CPU_UNIT, 4);
	fake_symbol(f, FACT_VMEMMAP_BASE, FAKE_VMEMMAP_BASE, 8);
	fake_symbol(f, FACT_VMALLOC_BASE, FAKE_VMALLOC_BASE, 8);
	fake_type(f, FACT_PAGE, FAKE_PAGE_SIZE);
	fake_member(f, FACT_PAGE_FLAGS, 0, 8);
	fake_member(f, FACT_PAGE_COMPOUND_HEAD, FAKE_PAGE_HEAD, 8);
	fake_member(f, FACT_PAGE_TYPE, FAKE_PAGE_TYPE, 4);
	fake_member(f, FACT_SLAB_CACHE, FAKE_PAGE_CACHE, 8);
	fake_member(f, FACT_SLAB_OBJECTS, FAKE_PAGE_OBJECTS, 4);
	fake_member(f, FACT_CACHE_NAME, 0, 8);
	fake_member(f, FACT_CACHE_SIZE, 8, 4);
	fake_member(f, FACT_CACHE_OBJECT_SIZE, 12, 4);
	fake_member(f, FACT_CACHE_PAD, 16, 4);
	fake_symbol(f, FACT_VMAP_AREA_LIST, FAKE_AREA_LIST, 16);
	fake_member(f, FACT_VMAP_AREA_START, 0, 8);
	fake_member(f, FACT_VMAP_AREA_END, 8, 8);
	fake_member(f, FACT_VMAP_AREA_LIST_LINKS, FAKE_AREA_LINKS, 16);
	fake_member(f, FACT_VMAP_AREA_VM, 0x20, 8);
	fake_member(f, FACT_VM_CALLER, FAKE_VM_CALLER, 8);
}

static inline void fake_facts(struct fake_kernel *f)
{
	fake_symbol(f, FACT_TEXT, 0, 0);
	f->facts[FACT_BUILD_ID] = (struct layout_answer){ .found = true, .value = FAKE_TEXT + FAKE_ID, .size = 20 };
	fake_symbol(f, FACT_PHYS_BASE, FAKE_PHYS_BASE, 8);
	fake_symbol(f, FACT_TOP_TABLE, FAKE_PGD, 0x1000);
	fake_symbol(f, FACT_VMCOREINFO_DATA, FAKE_VMCOREINFO_DATA, 8);
	fake_symbol(f, FACT_VMCOREINFO_SIZE, FAKE_VMCOREINFO_SIZE, 8);
	fake_symbol(f, FACT_PER_CPU_OFFSET, FAKE_PER_CPU_OFFSET, 16);
	fake_symbol(f, FACT_NR_CPU_IDS, FAKE_NR_CPU_IDS, 4);
	fake_facts_of_tasks(f);
	fake_facts_of_log(f);
	fake_facts_of_modules(f);
	fake_facts_of_addresses(f);
}

/* The image by one large page, the direct map by small ones. */
static inline void fake_tables(struct fake_kernel *f)
{
	uint64_t text = FAKE_TEXT + f->slide, direct = FAKE_DIRECT + f->phys;

	fake_put64(f, FAKE_PGD + 511 * 8, (f->phys + FAKE_PUD) | 3);
	fake_put64(f, FAKE_PUD + (text >> 30 & 511) * 8, (f->phys + FAKE_PMD) | 3);
	fake_put64(f, FAKE_PMD + (text >> 21 & 511) * 8, f->phys | 0x83);
	fake_put64(f, FAKE_PGD + (direct >> 39 & 511) * 8, (f->phys + FAKE_DIRECT_PUD) | 3);
	fake_put64(f, FAKE_DIRECT_PUD + (direct >> 30 & 511) * 8, (f->phys + FAKE_DIRECT_PMD) | 3);
	fake_put64(f, FAKE_DIRECT_PMD + (direct >> 21 & 511) * 8, (f->phys + FAKE_DIRECT_PT) | 3);
	for (size_t i = 0; i < FAKE_SIZE / 4096; i++)
		fake_put64(f, FAKE_DIRECT_PT + i * 8, (f->phys + i * 4096) | UINT64_C(0x8000000000000003));
}

static inline void fake_vmcoreinfo(struct fake_kernel *f)
{
	int n = snprintf((char *)f->image + FAKE_VMCOREINFO, 0x1000,
			 "OSRELEASE=6.1.0-fake\nBUILD-ID=%s\nKERNELOFFSET=%llx\nNUMBER(PG_slab)=%d\n", FAKE_BUILD_ID,
			 (unsigned long long)f->slide, FAKE_PG_SLAB);

	fake_put64(f, FAKE_VMCOREINFO_DATA, fake_direct(f, FAKE_VMCOREINFO));
	fake_put64(f, FAKE_VMCOREINFO_SIZE, (uint64_t)n);
}

/* Puts the node at `at` between the list's last and its head. */
static inline void fake_list_add(struct fake_kernel *f, size_t at, uint64_t address, size_t head, uint64_t head_address,
				 size_t last)
{
	uint64_t last_address = fake_get64(f, head + 8);

	fake_put64(f, at, head_address);
	fake_put64(f, at + 8, last_address);
	fake_put64(f, last, address);
	fake_put64(f, head + 8, address);
}

static inline size_t fake_task_at(uint32_t i)
{
	return FAKE_TASKS + (size_t)i * FAKE_TASK_SIZE;
}

/* Of an address in the direct map, or in the image. */
static inline size_t fake_offset(const struct fake_kernel *f, uint64_t address)
{
	return (size_t)(address >= FAKE_MAP ? address - FAKE_TEXT - f->slide : address - FAKE_DIRECT - f->phys);
}

/* A thread of the process `leader`, which is its own number for a leader. Returns where it is in the image. */
static inline size_t fake_thread(struct fake_kernel *f, uint32_t leader, const char *comm)
{
	uint32_t i = f->tasks++;
	size_t at = fake_task_at(i), shared = FAKE_SIGNALS + (size_t)leader * FAKE_SIGNAL_SIZE;
	size_t head = shared + FAKE_SIGNAL_HEAD, last;

	if (i >= FAKE_TASKS_MAX)
		abort();
	snprintf((char *)f->image + at + FAKE_TASK_COMM, 16, "%s", comm);
	fake_put32(f, at + FAKE_TASK_PID, i + 1);
	fake_put32(f, at + FAKE_TASK_TGID, leader + 1);
	fake_put32(f, at + FAKE_TASK_STATE, 1);
	fake_put32(f, at + FAKE_TASK_CPU, i % 2);
	fake_put64(f, at + FAKE_TASK_RUNTIME, 1000);
	fake_put64(f, at + FAKE_TASK_MM, fake_direct(f, FAKE_MM));
	fake_put64(f, at + FAKE_TASK_REAL_PARENT, FAKE_TEXT + f->slide + FAKE_INIT_TASK);
	fake_put64(f, at + FAKE_TASK_REAL_CRED, fake_direct(f, FAKE_CRED));
	fake_put64(f, at + FAKE_TASK_SIGNAL, fake_direct(f, shared));
	if (leader == i) {
		fake_put64(f, head, fake_direct(f, head));
		fake_put64(f, head + 8, fake_direct(f, head));
		fake_put64(f, shared + FAKE_SIGNAL_RUNTIME, 10);
	}
	last = fake_offset(f, fake_get64(f, head + 8));
	fake_list_add(f, at + FAKE_TASK_THREAD_NODE, fake_direct(f, at + FAKE_TASK_THREAD_NODE), head,
		      fake_direct(f, head), last);
	return at;
}

static inline size_t fake_process(struct fake_kernel *f, const char *comm)
{
	size_t at = fake_thread(f, f->tasks, comm), head = FAKE_INIT_TASK + FAKE_TASK_TASKS;

	fake_list_add(f, at + FAKE_TASK_TASKS, fake_direct(f, at + FAKE_TASK_TASKS), head, FAKE_TEXT + f->slide + head,
		      fake_offset(f, fake_get64(f, head + 8)));
	return at;
}

/* A section of the module at `at`, its number i. */
static inline void fake_section(struct fake_kernel *f, size_t at, size_t i, const char *name, uint64_t address)
{
	size_t attribute = at + FAKE_SECTIONS + FAKE_SECTION_ATTRS + i * FAKE_SECTION_SIZE,
	       text = at + FAKE_SECTION_NAMES + i * 0x18;

	snprintf((char *)f->image + text, 0x18, "%s", name);
	fake_put64(f, attribute, fake_direct(f, text));
	fake_put64(f, attribute + FAKE_SECTION_PRIVATE, address);
	fake_put64(f, attribute + FAKE_SECTION_ADDRESS, address);
	fake_put64(f, at + FAKE_SECTION_POINTERS + i * 8, fake_direct(f, attribute));
}

/* A module with two areas, of 0x100 and 0x80 bytes, and two sections. Returns where it is in the image. */
static inline size_t fake_module(struct fake_kernel *f, const char *name)
{
	uint32_t i = f->modules++;
	size_t at = FAKE_MODULES + (size_t)i * FAKE_MODULE_SIZE, head = at + FAKE_MODULE_SOURCE_LIST;

	if (i >= FAKE_MODULES_MAX)
		abort();
	snprintf((char *)f->image + at + FAKE_MODULE_NAME, 56, "%s", name);
	for (size_t area = 0; area < 2; area++) {
		fake_put64(f, at + FAKE_MODULE_MEM + area * 16,
			   fake_direct(f, FAKE_MODULE_AREAS + i * 0x300 + area * 0x200));
		fake_put32(f, at + FAKE_MODULE_MEM + area * 16 + 8, area ? 0x80 : 0x100);
	}
	fake_put32(f, at + FAKE_MODULE_REFERENCES, 1);
	fake_put64(f, head, fake_direct(f, head));
	fake_put64(f, head + 8, fake_direct(f, head));
	fake_put64(f, at + FAKE_MODULE_SECTIONS, fake_direct(f, at + FAKE_SECTIONS));
	fake_put64(f, at + FAKE_SECTIONS + FAKE_SECTION_LIST, fake_direct(f, at + FAKE_SECTION_POINTERS));
	fake_section(f, at, 0, ".text", fake_direct(f, FAKE_MODULE_AREAS + i * 0x300));
	fake_section(f, at, 1, ".note.gnu.build-id", fake_direct(f, at + FAKE_NOTE));
	memcpy(f->image + at + FAKE_NOTE, (const uint32_t[]){ 4, 20, 3, 0x554e47 }, 16);
	memset(f->image + at + FAKE_NOTE + 16, (int)i + 1, 20);
	fake_list_add(f, at + FAKE_MODULE_LINKS, fake_direct(f, at + FAKE_MODULE_LINKS), FAKE_MODULE_LIST,
		      FAKE_TEXT + f->slide + FAKE_MODULE_LIST, fake_offset(f, fake_get64(f, FAKE_MODULE_LIST + 8)));
	return at;
}

/* The module at `by` uses the one at `used`. */
static inline void fake_use(struct fake_kernel *f, size_t by, size_t used)
{
	uint32_t i = f->uses++;
	size_t at = FAKE_USES + (size_t)i * FAKE_USE_SIZE, head = used + FAKE_MODULE_SOURCE_LIST;
	uint32_t *references = (uint32_t *)(f->image + used + FAKE_MODULE_REFERENCES);

	if (i >= FAKE_USES_MAX)
		abort();
	(*references)++;
	fake_put64(f, at + FAKE_USE_SOURCE, fake_direct(f, by));
	fake_list_add(f, at, fake_direct(f, at), head, fake_direct(f, head), fake_offset(f, fake_get64(f, head + 8)));
}

/* A record at the end of the log. state: of its descriptor. */
static inline void fake_record(struct fake_kernel *f, unsigned int level, const char *text, size_t len,
			       unsigned int state)
{
	uint64_t count = 1 << FAKE_LOG_COUNT_BITS, size = 1 << FAKE_LOG_SIZE_BITS, id = f->records,
		 block = (8 + len + 7) / 8 * 8, begin = f->text, at, info = FAKE_INFOS + id % count * FAKE_INFO_SIZE,
		 desc = FAKE_DESCS + id % count * FAKE_DESC_SIZE;

	/* A block that doesn't fit before the end is at the start. */
	at = begin % size;
	if (at + block > size) {
		at = 0;
		f->text = (begin / size + 1) * size;
	}
	f->text += block;
	fake_put64(f, FAKE_DATA + at, id);
	memcpy(f->image + FAKE_DATA + at + 8, text, len);
	fake_put64(f, desc, id | (uint64_t)state << 62);
	fake_put64(f, desc + 8, begin);
	fake_put64(f, desc + 16, f->text);
	fake_put64(f, info, id);
	fake_put64(f, info + 8, (id + 1) * 1000000);
	f->image[info + 16] = (uint8_t)len;
	f->image[info + 17] = (uint8_t)(len >> 8);
	f->image[info + 19] = (uint8_t)(level << 5);
	fake_put64(f, FAKE_RING + 24, id);
	fake_put64(f, FAKE_RING + 32, id >= count ? id - (count - 1) : 0);
	f->records++;
}

/* A slab of 16 objects in its page, and an area of vmalloc's of 16 KiB. */
static inline void fake_addresses(struct fake_kernel *f)
{
	size_t page = FAKE_PAGES + FAKE_SLAB / 4096 * FAKE_PAGE_SIZE;
	uint64_t list = FAKE_TEXT + f->slide + FAKE_AREA_LIST;

	fake_put32(f, FAKE_PER_CPU_UNIT, 0x1000);
	fake_put64(f, FAKE_VMEMMAP_BASE, fake_direct(f, FAKE_PAGES) - f->phys / 4096 * FAKE_PAGE_SIZE);
	fake_put64(f, FAKE_VMALLOC_BASE, FAKE_VMALLOC);
	fake_put64(f, page, UINT64_C(1) << FAKE_PG_SLAB);
	fake_put64(f, page + FAKE_PAGE_CACHE, fake_direct(f, FAKE_CACHE));
	fake_put32(f, page + FAKE_PAGE_OBJECTS, 15);
	fake_put64(f, FAKE_CACHE, fake_direct(f, FAKE_CACHE + FAKE_CACHE_NAME));
	fake_put32(f, FAKE_CACHE + 8, FAKE_CACHE_EACH);
	fake_put32(f, FAKE_CACHE + 12, FAKE_CACHE_OBJECT);
	fake_put32(f, FAKE_CACHE + 16, FAKE_CACHE_PAD);
	memcpy(f->image + FAKE_CACHE + FAKE_CACHE_NAME, "things", 7);
	fake_put64(f, FAKE_AREA_LIST, list);
	fake_put64(f, FAKE_AREA_LIST + 8, list);
	fake_put64(f, FAKE_AREA, FAKE_VMALLOC + 0x4000);
	fake_put64(f, FAKE_AREA + 8, FAKE_VMALLOC + 0x8000);
	fake_put64(f, FAKE_AREA + 0x20, fake_direct(f, FAKE_VM));
	fake_put64(f, FAKE_VM + FAKE_VM_CALLER, FAKE_TEXT + f->slide + 0x123);
	fake_list_add(f, FAKE_AREA + FAKE_AREA_LINKS, fake_direct(f, FAKE_AREA + FAKE_AREA_LINKS), FAKE_AREA_LIST, list,
		      FAKE_AREA_LIST);
}

/* At this physical address (a border of 2 MiB), with this slide. */
static inline struct fake_kernel *fake_create(uint64_t phys, uint64_t slide)
{
	struct fake_kernel *f = xcalloc(1, sizeof(*f));
	uint64_t head;

	f->phys = phys;
	f->slide = slide;
	fake_facts(f);
	for (size_t i = 0; i < 20; i++)
		f->image[FAKE_ID + i] = (uint8_t)(i % 16 * 0x11);
	fake_tables(f);
	fake_put64(f, FAKE_PHYS_BASE, phys - (FAKE_TEXT - FAKE_MAP) - slide);
	fake_vmcoreinfo(f);
	head = FAKE_TEXT + slide + FAKE_INIT_TASK + FAKE_TASK_TASKS;
	fake_put64(f, FAKE_INIT_TASK + FAKE_TASK_TASKS, head);
	fake_put64(f, FAKE_INIT_TASK + FAKE_TASK_TASKS + 8, head);
	fake_put64(f, FAKE_MODULE_LIST, FAKE_TEXT + slide + FAKE_MODULE_LIST);
	fake_put64(f, FAKE_MODULE_LIST + 8, FAKE_TEXT + slide + FAKE_MODULE_LIST);
	fake_put32(f, FAKE_NR_CPU_IDS, 2);
	for (size_t cpu = 0; cpu < 2; cpu++)
		fake_put64(f, FAKE_PER_CPU_OFFSET + cpu * 8, fake_direct(f, FAKE_PER_CPU + cpu * 0x1000));
	fake_addresses(f);
	fake_put32(f, FAKE_CRED + FAKE_CRED_EUID, 1000);
	for (size_t i = 0; i < 4; i++) {
		size_t counter = FAKE_MM + FAKE_MM_RSS + i * FAKE_COUNTER_SIZE;

		fake_put64(f, counter + FAKE_COUNTER_COUNT, 10);
		fake_put64(f, counter + FAKE_COUNTER_COUNTERS, i * 4);
		fake_put32(f, FAKE_PER_CPU + i * 4, 3);
		fake_put32(f, FAKE_PER_CPU + 0x1000 + i * 4, (uint32_t)-1);
	}
	fake_put64(f, FAKE_PRB, fake_direct(f, FAKE_RING));
	fake_put32(f, FAKE_RING, FAKE_LOG_COUNT_BITS);
	fake_put64(f, FAKE_RING + 8, fake_direct(f, FAKE_DESCS));
	fake_put64(f, FAKE_RING + 16, fake_direct(f, FAKE_INFOS));
	fake_put32(f, FAKE_RING + 48, FAKE_LOG_SIZE_BITS);
	fake_put64(f, FAKE_RING + 56, fake_direct(f, FAKE_DATA));
	fake_put64(f, FAKE_DESCS, UINT64_C(3) << 62);
	return f;
}

/* Its memory; what is put into the image later is in it too. */
static inline struct mem *fake_mem(const struct fake_kernel *f)
{
	const struct mem_range range = { f->phys, FAKE_SIZE, 0 };
	struct mem *m = NULL;

	if (mem_open_buffer(f->image, FAKE_SIZE, &range, 1, &m))
		abort();
	return m;
}

/* The same as somebody far away hands it out, by the kernel's addresses only. */
struct fake_line {
	struct mem *beneath;
	size_t asked; /* how often, */
	size_t bytes; /* and for how much */
	bool is_broken;
	size_t asked_max; /* then it is; 0: never */
};

static inline struct err *fake_fetch(void *user, uint64_t address, void *ret, size_t len)
{
	struct fake_line *l = user;

	l->asked++;
	l->bytes += len;
	if (l->is_broken || (l->asked_max && l->asked > l->asked_max))
		return err_create(ERR_TIMEOUT, "nobody answers");
	return mem_read(l->beneath, address, ret, len);
}

static inline struct mem *fake_distant_mem(const struct fake_kernel *f, struct fake_line *l)
{
	*l = (struct fake_line){ .beneath = fake_mem(f) };
	mem_set_mmu(l->beneath, &(struct mmu){ f->phys + FAKE_PGD, 4 });
	return mem_open_distant(fake_fetch, l);
}

enum { FAKE_DAMAGE = 16, FAKE_DAMAGE_LAYOUT = 0x80 };

/*
 * Damages it. piece: an offset into the image (4 bytes), a width (1 byte) and a value (8 bytes, at 8). Values with the highest
 * bits 01 are made pointers into the image's direct map, so that damage leads somewhere.
 */
static inline void fake_damage(struct fake_kernel *f, const uint8_t *piece)
{
	uint32_t offset;
	uint64_t value;
	size_t width = (size_t)1 << (piece[4] & 3);

	memcpy(&offset, piece, sizeof(offset));
	memcpy(&value, piece + 8, sizeof(value));
	/* What vmlinux says may be anything, too. */
	if (piece[4] & FAKE_DAMAGE_LAYOUT) {
		struct layout_answer *a = &f->facts[offset % KERNEL_FACTS_N];

		a->value = a->value > LAYOUT_OFFSET_MAX ? a->value : value % (LAYOUT_OFFSET_MAX + 1);
		a->size = (uint32_t)(value >> 32) % (LAYOUT_SIZE_MAX + 1);
		a->count = (uint32_t)(value >> 40);
		a->found = piece[5] & 1;
		return;
	}
	if (value >> 62 == 1)
		value = fake_direct(f, value % FAKE_SIZE);
	offset %= FAKE_SIZE - sizeof(value);
	memcpy(f->image + offset, &value, width);
}

/* A kernel that was found in its memory. */
struct fake_fixture {
	struct fake_kernel *fake;
	struct mem *mem;
	struct kernel *kernel;
};

static inline struct fake_fixture *fake_fixture_create(uint64_t phys, uint64_t slide)
{
	struct fake_fixture *x = xcalloc(1, sizeof(*x));

	x->fake = fake_create(phys, slide);
	x->mem = fake_mem(x->fake);
	if (kernel_open(x->mem, FAKE_BUILD_ID, x->fake->facts, &x->kernel))
		abort();
	return x;
}

static inline int fake_fixture_teardown(void **state)
{
	struct fake_fixture *x = *state;

	kernel_destroy(x->kernel);
	mem_destroy(x->mem);
	free(x->fake);
	free(x);
	return 0;
}
