/*
 * KGDB for a server process: the line that the supervisor shares out (supervisor/line.h) as the target wants it, and what of the
 * kernel is seen in the guest's memory, which is the RAM of a VM, or comes over the line, too.
 */
#pragma once

#include "cmd/lend.h"
#include "cmd/serve_facts.h"
#include "mem/mem.h"
#include "target/kgdb.h"

struct serve_kgdb;

struct serve_kgdb_params {
	int line_fd;
	struct mem *mem; /* handed over; NULL: the guest's memory is to be had over the line only */
	struct serve_facts *facts;
	const char *build_id; /* NULL: not known, and memory is read over the line */
	const char *cmdline;  /* the kernel's; NULL: not known */
	const char *no_break; /* why no BREAK can be sent, and what to do; NULL: it can */
	rsp_tap tap;
	void *tap_user;
};

/* Ends with the target, which goes first. */
struct serve_kgdb *serve_kgdb_create(const struct serve_kgdb_params *params);
void serve_kgdb_destroy(struct serve_kgdb *s);
DEFINE_CLEANUP(struct serve_kgdb *, serve_kgdb_destroy);

/* The errors of kgdb_target_create(). */
struct err *serve_kgdb_target(struct serve_kgdb *s, struct target **ret) err_must_check;

/* --- Where memory is to be had over the line only --- */

/* What the kernel there is seen through; the caller is another owner of it. */
struct mem *serve_kgdb_mem(struct serve_kgdb *s);
/* What was put on top of the target, which finds the kernel there. */
void serve_kgdb_set_linux(struct serve_kgdb *s, const struct target *t);
/* For commands that look at the kernel. False: where it lies isn't known. */
bool serve_kgdb_lend(struct serve_kgdb *s, struct lender *ret);
/* As struct linux_params has it: what kdb says. */
char *serve_kgdb_other_build_id(struct serve_kgdb *s);
