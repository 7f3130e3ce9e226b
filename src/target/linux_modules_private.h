/*
 * What the files of modules as libraries share: linux_modules.c has the list, linux_placed.c what clients get of it that take one
 * address of each file.
 */
#pragma once

#include "debuginfo/alloc_sections.h"
#include "target/linux_library.h"
#include "target/linux_modules.h"

enum { GOING_MAX = 8 };

/* A module that is there, and what was found out about its file. */
struct known {
	uint64_t address;
	uint64_t text; /* of its first area */
	char build_id[2 * MODULE_BUILD_ID_MAX + 1];
	char name[MODULE_NAME_MAX + 1];
	char *path; /* of its file; NULL: none that can be used */
	struct alloc_sections sections;
	struct module_area *places; /* where the guest has them, of the same number; size 0: nowhere */
	char *xml;                  /* its element of the list; NULL: it is not in the list */
	bool seen;                  /* in the list that was read last */
};

struct linux_modules {
	struct known *v;
	size_t n;
	bool fresh;    /* the list was read since it may have changed */
	bool again;    /* some are away from it that are to be back at once */
	bool listens;  /* the client has asked for it */
	bool placed;   /* with copies in which sections have their addresses */
	char *has;     /* elements of such copies that the client was given last; NULL: none */
	char *nowhere; /* one of a copy that is nowhere; NULL: none was needed yet */
	struct buf xml;
	char *told;                /* what the client has */
	struct buf notes;          /* for the user, not yet told */
	bool no_sections;          /* that it doesn't know where sections are was told */
	uint64_t going[GOING_MAX]; /* addresses of those that are being freed; 0: none */
	size_t going_next;
	uint64_t hole;
};

/* Keeps a line for the user, until the client is told of news. */
void linux_modules_note(struct linux_modules *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The element of a copy that is placed; the caller frees it. NULL: there can be none; a note says why. */
char *linux_placed_element(struct linux_target *l, const struct known *k, const struct module *m);
/* Appends the list that the client gets next. */
void linux_put_placed(struct linux_modules *m, struct buf *ret);
