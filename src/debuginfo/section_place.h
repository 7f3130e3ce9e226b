/*
 * Where a kernel has put the sections of a module.
 */
#pragma once

#include <stdint.h>

/* A section of a relocatable file and its virtual address in the guest. What is not loaded has no entry. */
struct section_place {
	const char *name;
	uint64_t address;
};
