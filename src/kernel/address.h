/*
 * What a virtual address of a kernel is: its image, a module, a per-CPU variable, a stack, an object of a slab, memory of
 * vmalloc's, the description of a page, or any memory in the direct map.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/module.h"
#include "kernel/task.h"

enum address_kind {
	ADDRESS_USER,    /* none of the kernel's, or none at all */
	ADDRESS_IMAGE,   /* the kernel itself, from its first to its last byte */
	ADDRESS_MODULE,  /* module */
	ADDRESS_PER_CPU, /* cpu, linked */
	ADDRESS_STACK,   /* stack; a task's: task, else cpu */
	ADDRESS_SLAB,    /* cache, is_object */
	ADDRESS_VMALLOC, /* caller */
	ADDRESS_PAGE,    /* a struct page: described */
	ADDRESS_DIRECT,  /* other memory in the direct map */
	ADDRESS_OTHER,
};

enum { ADDRESS_CACHE_MAX = 63 };

struct address {
	enum address_kind kind;
	bool is_mapped;
	uint64_t phys; /* if it is */
	/* What it is in: image, area of a module, a CPU's variables, stack, object, area of vmalloc's. 0: not known. */
	uint64_t start, size;
	const struct module *module; /* belongs to the map; also with ADDRESS_PER_CPU. NULL: none */
	uint32_t cpu;
	/* A per-CPU variable's address in the symbol table, without slide; 0 where there is none: memory of alloc_percpu(). */
	uint64_t linked;
	bool has_linked;
	const char *stack; /* "task", "IRQ", ...; static */
	bool has_task;     /* whose stack, or task_struct, it is */
	struct task task;
	char cache[ADDRESS_CACHE_MAX + 1];
	bool is_object;     /* false: in the slab, but not in an object of it */
	uint64_t caller;    /* the code that asked for the area; 0: not known */
	uint64_t described; /* the physical address of the page */
};

/* Modules and tasks, read once for many addresses. */
struct address_map {
	const struct kernel *k;
	struct module_list modules;
	bool tasks_read;
	struct task_list tasks;
};

#define ADDRESS_MAP_INIT                                                                                               \
	{                                                                                                              \
		.k = NULL                                                                                              \
	}

/* The modules are the map's from now on. k must live as long. */
void address_map_init(struct address_map *m, const struct kernel *k, struct module_list *modules);
void address_map_deinit(struct address_map *m);
DEFINE_CLEANUP_STORAGE(struct address_map, address_map_deinit);

/* Whatever it is, something can be said. Tasks are read when they are needed for the first time. */
void address_identify(struct address_map *m, uint64_t address, struct address *ret);

/* Where the per-CPU variable of that symbol (as linked) is for a CPU. False if the symbol is none of those. */
bool address_of_per_cpu(const struct kernel *k, uint64_t linked, uint32_t cpu, uint64_t *ret);
