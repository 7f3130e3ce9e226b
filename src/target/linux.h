/*
 * What knows about Linux, put on top of a target: modules as libraries, tasks as threads, where the kernel lies. It works from
 * the guest's memory and vmlinux; the target beneath is asked for nothing that it can't do for any debugger.
 *
 * Whatever goes wrong here costs what it would have added, with one message; debugging goes on without.
 */
#pragma once

#include "kernel/kernel.h"
#include "kernel/module.h"
#include "target/target.h"

struct linux_params {
	struct mem *mem;      /* the guest's RAM, or distant memory; handed over */
	const char *build_id; /* hexadecimal; strings are copied */
	const char *vmlinux;  /* NULL: not known */
	const char *
		tasks; /* which tasks are threads, as `monitor tasks` takes it: linux_tasks_check() was content; NULL: none */
	const char *stop_on; /* what it stops at: linux_stop_on_check() was content; NULL: nothing */
	/*
	 * Called when something is to be known of the kernel, until it has said. ERR_TIMEOUT: not yet, and it is asked again later;
	 * other errors: never.
	 */
	struct err *(*facts)(void *user, struct layout_answer ret[KERNEL_FACTS_N]);
	/*
	 * The file on the host that the module came from, *ret; NULL if there is none. *ret_stale: one of that name, in *ret, but
	 * not the one that was loaded.
	 */
	struct err *(*module_file)(void *user, const struct module *m, char **ret, bool *ret_stale);
	/*
	 * A copy of a module's file at path that is placed at these addresses, of its n sections that take memory
	 * (alloc_sections_place()): *ret, its path, another one for each copy, and *ret_base. Needed for clients
	 * that want such.
	 */
	struct err *(*place_module)(void *user, const char *path, const uint64_t *addresses, size_t n, char **ret,
				    uint64_t *ret_base);
	/*
	 * The build ID of the kernel that there is, if it says so itself: the caller frees it. NULL: it doesn't. For a message; asked
	 * where memory is distant and is not this kernel's. May be NULL.
	 */
	char *(*other_build_id)(void *user);
	/* The commands of `monitor` that look at the kernel. *ret_known is false if there is none of that name. */
	struct err *(*monitor)(void *user, const char *line, target_output output, void *output_user, bool *ret_known);
	void *user;
};

/* Puts it on top of beneath, which it owns from then on. */
struct target *linux_target_create(const struct linux_params *params, struct target *beneath);

/* The kernel, as far as it was found; NULL: it wasn't (yet). As long as the machine stands still. */
const struct kernel *linux_target_kernel(const struct target *t);

/*
 * Whether that is one of "all", "off", a PID, or a part of a task's name: ERR_USAGE if it isn't. For an option that is to be
 * refused before anything is started.
 */
struct err *linux_tasks_check(const char *wanted) err_must_check;

/*
 * Whether that is "none", or some of "oops", "panic", "bug" and "warn", with commas between them: ERR_USAGE if it isn't. For an
 * option, as above.
 */
struct err *linux_stop_on_check(const char *words) err_must_check;
