/*
 * What the commands share that look at a kernel from outside: which guest, which core, which vmlinux.
 */
#pragma once

#include "cmd/cmd.h"
#include "kernel/kernel.h"
#include "kernel/symbolize.h"
#include "supervisor/rundir.h"

struct inspect {
	struct vm_record *vm; /* NULL: a core file */
	int sock;             /* to the VM's supervisor; readable when it has gone. -1: a core file */
	int lent_fd;          /* what a debug session lends (cmd/lend.h), in place of the VM's RAM; -1: nothing */
	uint64_t lent_slide;
	struct mem *mem;
	char *build_id, *vmlinux; /* vmlinux may be NULL: not known */
	struct layout_answer facts[KERNEL_FACTS_N];
	struct kernel *kernel;
	uint64_t resets; /* of the VM, when the kernel was looked for */
};

#define INSPECT_INIT                                                                                                   \
	{                                                                                                              \
		.sock = -1, .lent_fd = -1                                                                              \
	}

/* Opens what the options name, and finds the kernel there. With --stop the VM stands still until inspect_deinit(). */
struct err *inspect_open(struct config *cfg, struct inspect *ret) err_must_check;
/* Only the first half of that: the memory, and what is known of its kernel without looking. */
struct err *inspect_open_guest(struct config *cfg, struct inspect *ret) err_must_check;
/* The second half. */
struct err *inspect_identify(struct config *cfg, struct inspect *in) err_must_check;
void inspect_deinit(struct inspect *in);
DEFINE_CLEANUP_STORAGE(struct inspect, inspect_deinit);

/*
 * Looks for the kernel that runs, again: it may have been started anew, at another place. Errors as kernel_open()'s; ERR_NOT_FOUND
 * also if what is in memory is of the time before a reset.
 */
struct err *inspect_find_kernel(struct inspect *in) err_must_check;
/* Whether the VM was reset since: then what was found is of the time before. */
bool inspect_was_reset(const struct inspect *in);

/*
 * What names the kernel's code. ERR_NOT_FOUND if no vmlinux is known, ERR_BAD_DATA if the one that is known was built again
 * since.
 */
struct err *inspect_open_code(const struct inspect *in, struct symbolizer **ret) err_must_check;
