/*
 * The kernel's own stub, KGDB, as a target: at the other end of a serial line which a console may share. Where the guest's memory
 * can be seen it is read there; all else goes over the line.
 *
 * Sources: Documentation/dev-tools/kgdb.rst, kernel/debug/gdbstub.c, kernel/debug/kdb/kdb_io.c and arch/x86/kernel/kgdb.c of
 * Linux.
 */
#pragma once

#include <sys/types.h>

#include "base/registers.h"
#include "rsp/connection.h"
#include "target/target.h"

/* How bytes get to the kernel and from it. */
struct kgdb_line {
	int fd; /* to be polled for reading; the caller's */
	/* As read(2) and write(2), without waiting: -1 with errno (EAGAIN: nothing now), 0: the end. */
	ssize_t (*read)(void *user, void *ret, size_t len);
	ssize_t (*write)(void *user, const void *bytes, size_t len);
	/* A BREAK, and these bytes behind it. ERR_UNSUPPORTED: the line has none; the message says what to do instead. */
	struct err *(*send_break)(void *user, const char *bytes, size_t len);
	/* The next len bytes that were read were part of packets, or the console's. Each byte is told of, in order. */
	void (*tell)(void *user, bool is_packet, size_t len);
	/* The kernel stands still from now on, and its console reads nothing; or it goes on. */
	void (*stands)(void *user, bool stands);
	void *user;
};

enum { KGDB_NO_CPU = -1, KGDB_CPU_UNKNOWN = -2 };

/* Variables of the kernel's, of 4 bytes each. */
enum kgdb_variable {
	KGDB_VARIABLE_ACTIVE,   /* kgdb_active: the CPU that is in its debugger */
	KGDB_VARIABLE_KDB_MODE, /* dbg_kdb_mode: whether that is kdb */
};

struct kgdb_params {
	struct kgdb_line line;
	bool takes_output; /* what the kernel writes to its console comes in packets, too (kgdbcon) */
	/*
	 * What is seen in the guest's memory. Each may be NULL. The CPU that is in the kernel's debugger: KGDB_NO_CPU: none is;
	 * KGDB_CPU_UNKNOWN: that can't be seen (yet).
	 */
	int (*active_cpu)(void *user);
	/* Whether the kernel, since it was let go on, has left its debugger: it reboots. */
	bool (*has_left)(void *user);
	/* Virtual memory of the kernel's, within one page. False: it can't be read there. */
	bool (*read_ram)(void *user, uint64_t address, void *ret, size_t len);
	/* Where that is; 0: not known. */
	uint64_t (*variable)(void *user, enum kgdb_variable which);
	/* Memory may be another one than it was: it was written, or the kernel went on, or has stopped. */
	void (*changed)(void *user);
	void *user;
	rsp_tap tap; /* sees packets of the line; may be NULL */
	void *tap_user;
};

/*
 * Has the kernel stop, by BREAK and SysRq-g if it doesn't stand in kdb or KGDB already, and begins a session, for which it
 * forgets the breakpoints of an earlier one. ERR_TIMEOUT: it doesn't; the message says what may be the reason. ERR_CLOSED,
 * ERR_BAD_DATA, ERR_UNSUPPORTED.
 */
struct err *kgdb_target_create(const struct kgdb_params *params, struct target **ret) err_must_check;

/* A CPU's registers, by the number that the kernel has for it. ERR_NOT_FOUND: it has no such CPU. */
struct err *kgdb_cpu_registers(struct target *t, uint32_t cpu, struct cpu_registers *ret) err_must_check;
/* Virtual memory of the kernel's as it is read over the line, whatever is seen of it elsewhere. ERR_FAULT. */
struct err *kgdb_read_line(struct target *t, uint64_t address, void *ret, size_t len) err_must_check;
