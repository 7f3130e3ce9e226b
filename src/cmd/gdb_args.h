/*
 * GDB's command line, put together. Pure: looks at no file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "cmd/gdb_break.h"

struct gdb_start {
	const char *program;
	unsigned int major;         /* GDB's version */
	const char *vmlinux;        /* absolute */
	uint16_t port;              /* on 127.0.0.1 */
	bool patient;               /* the first answer may take seconds */
	const char *index_dir;      /* NULL: no index */
	const char *scripts;        /* the kernel's vmlinux-gdb.py; NULL: none, or no Python */
	const char *scripts_target; /* where that is a link to; NULL: no link */
	/* Folders that moved since the kernel was compiled, in pairs: then, now. */
	const struct strv *moved;
	const struct gdb_break *breaks;
	size_t breaks_n;
	const char *init;        /* file of commands; NULL: none */
	const struct strv *rest; /* the user's own arguments */
};

/*
 * Adds the arguments. The order is the contract: what must be set before symbols are read; symbols; the connection; the
 * breakpoints; the user's file; last the user's arguments, so that his commands find everything in place and his settings win.
 */
void gdb_args_build(const struct gdb_start *start, struct strv *ret);
