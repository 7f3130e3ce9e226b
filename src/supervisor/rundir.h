/*
 * Run directories: one folder for each VM that runs, $XDG_RUNTIME_DIR/ktb/NAME/ (without that variable a private folder
 * below the temporary one). In it:
 *
 *	lock          held (flock) by the supervisor as long as the VM lives; a folder whose lock is free is stale
 *	state.json    the record below
 *	control.sock  requests to the supervisor (supervisor/control.h)
 *	serial.sock   the guest's console, raw: socat - UNIX-CONNECT:...
 *	serial.in     FIFOs between QEMU and the supervisor
 *	serial.out
 *	stub.sock     QEMU's GDB stub: for the supervisor's use, connecting to it stops the VM
 *	agent.sock    QEMU's end of the agent's port: for the supervisor's broker
 *	console.log   what the guest wrote to its console (console.log.1: before it was turned over)
 *	ktb.log       what the supervisor of a VM in the background has to say (ktb.log.1: as above)
 *
 * Folders are made and swept under one lock, so that nobody sweeps what another is just making.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What is known of a running VM. Strings are NULL where they are not known; paths are absolute. */
struct vm_record {
	char *name;
	char *dir;        /* the run directory */
	pid_t pid;        /* of the supervisor */
	uint16_t port;    /* of the debug port on 127.0.0.1; 0: none */
	char *accel;      /* "tcg" or "kvm"; "none" of a line */
	uint64_t memory;  /* bytes */
	uint32_t cpus;    /* 0: a line, see below */
	uint64_t started; /* seconds since 1970 */
	bool kaslr;
	bool kgdb;     /* the debug port leads to the kernel's own stub */
	char *cmdline; /* kernel parameters */
	char *kernel;  /* the file that was booted */
	char *vmlinux;
	char *build_id; /* of vmlinux when it was booted, hexadecimal */
	char *release;  /* kernel release */
	char *srctree;
	char *build_dir;   /* Kbuild's output folder */
	char *gdb_scripts; /* vmlinux-gdb.py */
	char *modules;     /* the folder lib/modules/RELEASE of a kernel that was built elsewhere */
	char *forward;     /* ports of 127.0.0.1 that lead to the guest: "tcp:2222:22 udp:5353:53" */
};

/* Whether it is no VM, but a serial line to a kernel that somebody else started (ktb attach). */
static inline bool vm_record_is_line(const struct vm_record *r)
{
	return !r->cpus;
}

void vm_record_destroy(struct vm_record *r);
DEFINE_CLEANUP(struct vm_record *, vm_record_destroy);

/* The record as JSON and back. Pure. A member that is missing or of the wrong type: ERR_BAD_DATA. */
char *vm_record_format(const struct vm_record *r);
struct err *vm_record_parse(const char *text, size_t len, struct vm_record **ret) err_must_check;

struct rundir;

/* Whether a VM could be started under this name now. The errors of rundir_create(). */
struct err *rundir_check_name(const char *name) err_must_check;

/*
 * Makes the folder for a VM and takes its lock; stale folders are swept. ERR_USAGE if the name can't be one or if a VM
 * of that name runs.
 */
struct err *rundir_create(const char *name, struct rundir **ret) err_must_check;
/* Removes the folder, and gives the lock up. */
void rundir_destroy(struct rundir *d);
DEFINE_CLEANUP(struct rundir *, rundir_destroy);

const char *rundir_path(const struct rundir *d);
/* Descriptor of the folder; it belongs to d. */
int rundir_fd(const struct rundir *d);
/* All descriptors that it is made of, for a process that closes all others. They belong to d. */
enum { RUNDIR_FDS = 2 };
void rundir_all_fds(const struct rundir *d, int ret[RUNDIR_FDS]);
struct err *rundir_write_record(const struct rundir *d, const struct vm_record *r) err_must_check;
/* For a process forked off the supervisor: closes what it inherited, and removes nothing. */
void rundir_forget(struct rundir *d);

/* All VMs that run, sorted by name; *ret_n of them. Stale folders are swept. rundir_free_list() gives them back. */
struct err *rundir_list(struct vm_record ***ret, size_t *ret_n) err_must_check;
void rundir_free_list(struct vm_record **list, size_t n);

/*
 * The VM of that name; name NULL: the only one that runs. ERR_NOT_FOUND, ERR_USAGE if there are several to choose
 * from. The message says what to do.
 */
struct err *rundir_find(const char *name, struct vm_record **ret) err_must_check;

/* Waits until the supervisor of the VM has gone, its folder with it. ERR_TIMEOUT after half a minute. */
struct err *rundir_wait_gone(const struct vm_record *r) err_must_check;

/* Connects to a socket of a running VM's folder: "control.sock", "serial.sock". ERR_CLOSED if nobody listens. */
struct err *rundir_connect(const struct vm_record *r, const char *socket_name, int *ret) err_must_check;
