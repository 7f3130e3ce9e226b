/*
 * KGDB for a server process: the line that the supervisor shares out (supervisor/line.h) as the target wants it, and what of the
 * kernel is seen in the guest's memory.
 */
#pragma once

#include "cmd/serve_facts.h"
#include "mem/mem.h"
#include "target/kgdb.h"

struct serve_kgdb;

struct serve_kgdb_params {
	int line_fd;
	struct mem *mem; /* handed over; NULL: the guest's memory isn't to be seen */
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
