/*
 * Addresses of a running kernel's code, as people read them: function, file and line, what was inlined there, module.
 * What was found out about an address is kept, so that the thousands of frames of all tasks, which share most of their
 * addresses, cost little.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "debuginfo/cfi.h"
#include "debuginfo/section_place.h"

struct symbolizer;

/* A function that an address belongs to. Strings live as long as the symbolizer. */
struct place_frame {
	const char *function; /* as in the source, or the symbol; NULL: not known */
	const char *file;     /* with its folder, as it was when it was compiled; NULL: not known */
	uint32_t line;        /* 0: none, or not known */
};

/* What is known about an address. Lives as long as the symbolizer. */
struct place {
	const char *module; /* NULL: the kernel itself, or nobody's code */
	const char *symbol; /* NULL: none is known */
	uint64_t offset;    /* of the address, from the symbol on */
	uint64_t size;      /* to the next symbol, as the kernel prints it */
	/* The innermost first: each but the last was inlined into the one behind it. At least one if symbol is known. */
	const struct place_frame *frames;
	size_t frames_n;
};

/* A range of the guest's virtual memory; bytes. */
struct symbolizer_range {
	uint64_t start;
	uint64_t size;
};

/* A module; everything is copied. */
struct symbolizer_module {
	const char *name;
	const struct symbolizer_range *ranges; /* where its code is */
	size_t ranges_n;
	const char *path; /* the NAME.ko that was loaded; NULL: not known, and then there are only addresses */
	const struct section_place *sections;
	size_t sections_n;
};

/*
 * vmlinux is that of the kernel, and slide how far it was moved (kernel_slide()). It is opened now; without debug information
 * in it there are symbols only. Errors are those of symbols_open().
 */
struct err *symbolizer_create(const char *vmlinux, uint64_t slide, struct symbolizer **ret) err_must_check;
void symbolizer_destroy(struct symbolizer *s);
DEFINE_CLEANUP(struct symbolizer *, symbolizer_destroy);

/* Adds a module, which must not have been asked about yet. Its file is opened when an address in it is asked about. */
void symbolizer_add_module(struct symbolizer *s, const struct symbolizer_module *module);

/*
 * What an address is. is_return: it is where a call returns to, so that what is meant is the call before it. Never NULL;
 * a place without symbol and frames if nothing is known. A module's file that can't be read is no error: it is logged once.
 */
const struct place *symbolize(struct symbolizer *s, uint64_t address, bool is_return);

/*
 * Call frame information for the code at the address, whose own addresses are smaller by *ret_slide. NULL: there is none.
 * Belongs to s.
 */
struct cfi *symbolizer_cfi(struct symbolizer *s, uint64_t address, uint64_t *ret_slide);

/* The part of a place_frame's file below the kernel's source tree or build folder, as kernel developers name it; else all of it. */
const char *symbolizer_short_path(const struct symbolizer *s, const char *file);
