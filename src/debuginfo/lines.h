/*
 * What an address of code is in the source: file and line, and the functions that were inlined there, by debug information
 * (DWARF). Only the compile units that are asked about are read, each once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "debuginfo/dwarf_file.h"

/* A function that an address belongs to. Strings are valid as long as the lines. */
struct lines_frame {
	const char *function; /* as in the source; NULL: not known */
	const char *file;     /* as the compiler was given it, with its folder; NULL: not known */
	uint32_t line;        /* 0: the compiler says that it belongs to no line, or nothing is known */
};

/* Functions inlined into one another; deeper ones are left out from the outermost on. */
enum { LINES_FRAMES_MAX = 64 };

struct lines;

/* Addresses are those of the file as opened. f must stay open as long. */
struct lines *lines_create(const struct dwarf_file *f);
void lines_destroy(struct lines *l);
DEFINE_CLEANUP(struct lines *, lines_destroy);

/*
 * The chain of functions at the address, the innermost first: each was inlined into the one behind it, and the last is the
 * one that has code of its own. file and line are where execution is in it. Returns how many; 0: debug information
 * knows nothing about the address, or is damaged there.
 */
size_t lines_at(struct lines *l, uint64_t address, struct lines_frame ret[LINES_FRAMES_MAX]);
