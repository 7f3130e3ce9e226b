/*
 * What names.c and names_build.c share. Nobody else includes this.
 */
#pragma once

#include "debuginfo/names.h"

/* An entry as it is kept. */
struct names_entry {
	uint32_t name; /* from the start of the text */
	uint16_t kind; /* enum name_kind */
	uint16_t global;
	uint64_t die;
	uint64_t address;
};

struct names {
	struct buf bytes;
	size_t n;
	size_t entries; /* where they begin in the bytes */
	size_t text, text_len;
};
