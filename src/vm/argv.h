/*
 * What a virtual machine is made of, and the QEMU command line that says so. Pure: nothing here touches the system.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"
#include "vm/attach.h"

enum vm_accel {
	VM_ACCEL_TCG,
	VM_ACCEL_KVM,
};

struct vm_params {
	const char *qemu;    /* program */
	const char *name;    /* shown by ps(1) and in messages */
	const char *kernel;  /* vmlinux, booted through PVH, or bzImage */
	const char *initrd;  /* NULL: none */
	const char *cmdline; /* kernel parameters, without those that an accelerator needs */
	uint64_t memory;     /* bytes */
	unsigned int cpus;
	enum vm_accel accel;
	const struct attach *attach;   /* NULL: nothing */
	bool qboot;                    /* instead of SeaBIOS; see vm/firmware.h */
	bool wait;                     /* CPUs held at reset (-S) */
	bool kgdb_line;                /* a second serial line, ttyS1, for the kernel's own debugger */
	bool no_sandbox;               /* for a QEMU that was built without */
	const struct strv *extra_args; /* behind all others; NULL: none */
};

/* The names of the guest's virtio-serial ports, as guest/protocol.h has them. */
#define VM_INIT_PORT "ktb.init"
#define VM_AGENT_PORT "ktb.agent"

/* What QEMU calls the console's serial line, for `chardev-send-break`. */
#define VM_SERIAL "serial"

#define VM_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/*
 * The ends of the VM's channels that QEMU inherits. Descriptors keep their numbers in the child.
 */
struct vm_channels {
	int ram_fd;   /* memfd, sealed to the size of the RAM */
	int dir_fd;   /* folder with the FIFOs serial.in and serial.out: ttyS0; kgdb.in and kgdb.out: ttyS1 */
	int qmp_fd;   /* stream sockets: machine protocol, */
	int hmp_fd;   /* monitor for people, */
	int init_fd;  /* init's virtio-serial port */
	int stub_fd;  /* listening UNIX sockets: of the GDB stub, */
	int agent_fd; /* and of the agent's virtio-serial port */
};

/* All kernel parameters: those that the accelerator needs first, so that the others can take them back. The caller frees it. */
char *vm_cmdline(const struct vm_params *params);

/* The command line of a VM under a supervisor. */
void vm_argv(const struct vm_params *params, const struct vm_channels *channels, struct strv *ret);

/*
 * The same machine for a person to run: console and monitor on the terminal (the same Ctrl-a keys), the debug stub on
 * 127.0.0.1:port (0: none).
 */
void vm_argv_by_hand(const struct vm_params *params, uint16_t port, struct strv *ret);
