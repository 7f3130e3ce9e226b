/*
 * From configuration to a VM that can be started: the kernel built, its image put together, the accelerator chosen.
 */
#pragma once

#include "base/process.h"
#include "config/config.h"
#include "supervisor/supervisor.h"
#include "vm/attach.h"

struct boot {
	struct supervisor_params params;
	struct vm_record *record;
	struct serve *serve; /* for the server processes of debug clients */
	/* What params points into. */
	char *kernel, *initrd, *cmdline, *name_option;
	struct strv qemu_args;
	struct boot_hold *hold; /* what the VM uses of the cache stays there as long as a process has this */
	struct attach attach;
};

/*
 * Builds what is missing (with progress) and fills *ret. `size_of` gives the size of the window and TERM to the guest;
 * NULL: none.
 */
struct err *boot_prepare(const struct config *cfg, const struct terminal *size_of, struct boot *ret) err_must_check;
void boot_deinit(struct boot *b);

/* What `ktb attach` needs, too. */
/* The debug port; *ret 0: a free one. ERR_USAGE. */
struct err *boot_choose_port(const struct config *cfg, bool *ret_has, uint16_t *ret) err_must_check;
/* What the server process of a debug client would find wrong only when one comes. ERR_USAGE. */
struct err *boot_check_server(const struct config *cfg) err_must_check;
/* Has what is to be known of the kernel in the cache. */
void boot_learn_layout(const struct vm_record *r);
/* From here on a second signal doesn't end us before the run directory is removed. */
void boot_ignore_signals_at_the_end(void);

/* Tells how to debug the VM, and what it waits for. */
void boot_tell_how_to_debug(const struct boot *b, const struct vm_record *r);
DEFINE_CLEANUP_STORAGE(struct boot, boot_deinit);

/*
 * Starts the VM with its supervisor in a process of its own and waits until it runs. *ret_record is what
 * rundir_find() would say. *ret_process is the supervisor; its exit status is that of `ktb vm`. die_with_parent: the VM
 * ends when this process does.
 */
struct err *boot_detached(struct boot *b, bool die_with_parent, struct vm_record **ret_record,
			  struct process *ret_process) err_must_check;

/*
 * Runs the VM on this terminal to its end.
 */
struct err *boot_foreground(struct boot *b, struct terminal *terminal, int *ret_status) err_must_check;
