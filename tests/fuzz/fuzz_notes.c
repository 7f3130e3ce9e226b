/*
 * Fuzzes the notes of a core file, and the header of one that is compressed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mem/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cpu_registers r;
	uint64_t offset, length;

	if (notes_place(data, size, &offset, &length) && (!offset || !length))
		abort();
	for (uint32_t i = 0; i < 4; i++) {
		if (!notes_registers(data, size, i, &r))
			break;
	}
	return 0;
}
