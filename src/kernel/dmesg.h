/*
 * The kernel's log: the ring buffer of printk, as it lies in memory. No lock is taken and none is needed: the ring is made
 * to be read while it is written (kernel/printk/printk_ringbuffer.c of the kernel, "Theory of Operation"), and we read as
 * its own readers do. A record counts if its descriptor says the same before and after its text was copied.
 */
#pragma once

#include "base/buf.h"
#include "kernel/kernel.h"

struct dmesg_record {
	uint64_t seq;
	uint64_t time; /* ns since boot */
	uint8_t facility;
	uint8_t level;   /* 0 emerg ... 7 debug */
	uint32_t caller; /* a task's PID, or with the highest bit a CPU; 0 where the kernel doesn't keep it */
	bool open;       /* its writer may still add to it */
	size_t text;     /* where its text begins in dmesg.text; as it was written, no NUL */
	size_t text_len; /* bytes */
};

struct dmesg {
	struct dmesg_record *records; /* by seq, ascending */
	size_t n;
	struct buf text;
	size_t lost;   /* records that were there, but were overwritten or damaged when they were read */
	uint64_t next; /* the seq behind the last record */
	/* All records are older than what was asked for: the kernel was started anew, and this is another log. */
	bool restarted;
};

#define DMESG_INIT                                                                                                     \
	{                                                                                                              \
		NULL, 0, BUF_INIT, 0, 0, false                                                                         \
	}

void dmesg_deinit(struct dmesg *d);
DEFINE_CLEANUP_STORAGE(struct dmesg, dmesg_deinit);

/*
 * Reads the records whose seq is at least `from`. With `closed` it ends before the first one that its writer may still
 * add to. ERR_UNSUPPORTED if the kernel keeps no such ring, ERR_BAD_DATA if what is there can't be one, ERR_FAULT if it
 * can't be read.
 */
struct err *dmesg_read(const struct kernel *k, uint64_t from, bool closed, struct dmesg *ret) err_must_check;

/* The name of a level: "emerg" ... "debug". "?" above 7. Static. */
const char *dmesg_level_name(unsigned int level);
/* The name of a facility, as syslog(3) has it: "kern" ... "local7". "?" above 23. Static. */
const char *dmesg_facility_name(unsigned int facility);
/* The level of that name or number, or -1. */
int dmesg_level_parse(const char *name);
