/*
 * Loaded modules: where each lies, who uses it, and which file it came from (by build ID).
 *
 * The guest may load and unload while its list is read. As with tasks (kernel/task.h), an element counts if it led back
 * to where one came from, before and after it was read; else the walk begins again.
 */
#pragma once

#include "base/util.h"
#include "debuginfo/section_place.h"
#include "kernel/kernel.h"

enum { MODULE_NAME_MAX = 63, MODULE_AREAS_MAX = 8, MODULE_BUILD_ID_MAX = 64, MODULE_TAINTS_MAX = 64 };

enum module_state {
	MODULE_STATE_LIVE,
	MODULE_STATE_COMING, /* its init function runs */
	MODULE_STATE_GOING,
	MODULE_STATE_UNKNOWN,
};

/* What could be read of a module; the rest is not known. */
enum module_known {
	MODULE_KNOWS_USES = 1U << 0,  /* never without CONFIG_MODULE_UNLOAD */
	MODULE_KNOWS_USERS = 1U << 1, /* the same */
	MODULE_KNOWS_TAINTS = 1U << 2,
	MODULE_KNOWS_SECTIONS = 1U << 3, /* never without CONFIG_KALLSYMS and CONFIG_SYSFS */
};

/* Virtual memory; bytes. */
struct module_area {
	uint64_t start;
	uint64_t size;
};

struct module {
	uint64_t address; /* of its struct module */
	unsigned int known;
	char name[MODULE_NAME_MAX + 1];
	enum module_state state;
	int64_t uses;                               /* how often it is in use; below 0 while it goes */
	bool permanent;                             /* it can't be unloaded */
	struct strv users;                          /* the modules that use it */
	uint64_t taints;                            /* bits, as in /proc/sys/kernel/tainted */
	struct module_area areas[MODULE_AREAS_MAX]; /* those in use; the first one has its code */
	size_t areas_n;
	uint64_t size;                              /* of all areas */
	uint64_t percpu;                            /* its per-CPU variables: what is added to a CPU's offset */
	uint64_t percpu_size;                       /* bytes; 0: it has none */
	char build_id[2 * MODULE_BUILD_ID_MAX + 1]; /* hexadecimal; "": it has none, or it can't be read */
	struct section_place *sections;             /* those that are not empty, in the file's order */
	size_t sections_n;
};

struct module_list {
	struct module *modules;
	size_t n;
	/* False if the guest tore the list at every try: some are missing. */
	bool complete;
};

#define MODULE_LIST_INIT                                                                                               \
	{                                                                                                              \
		NULL, 0, false                                                                                         \
	}

void module_list_deinit(struct module_list *l);
DEFINE_CLEANUP_STORAGE(struct module_list, module_list_deinit);

/*
 * Reads all modules, the one that was loaded last first, as /proc/modules has them: without those that are only being
 * read in. ERR_UNSUPPORTED if the kernel knows no modules, ERR_FAULT if the list's head can't be read.
 */
struct err *module_list_read(const struct kernel *k, struct module_list *ret) err_must_check;

/* The module that has the address in one of its areas; NULL: none. */
const struct module *module_at(const struct module_list *l, uint64_t address);

/* The letters for taints, as the kernel prints them: "OE". Pure. */
void module_taint_letters(uint64_t taints, char ret[MODULE_TAINTS_MAX + 1]);
