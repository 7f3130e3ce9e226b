/*
 * Fuzzes what changes the addresses of a module's sections: the input is the file, which is placed, and cleared again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "debuginfo/alloc_sections.h"

enum { SECTIONS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t addresses[SECTIONS_MAX], base;

	for (size_t i = 0; i < SECTIONS_MAX; i++)
		addresses[i] = UINT64_C(0xffffffffc0000000) + i * 0x1000;
	for (size_t n = 0; n <= SECTIONS_MAX; n++) {
		_cleanup_(buf_deinit) struct buf file = BUF_INIT;

		buf_append(&file, data, size);
		if (!alloc_sections_place(&file, addresses, n, &base))
			continue;
		if (base < addresses[0] || file.len <= size)
			abort();
		alloc_sections_clear_addresses(file.data, file.len);
	}
	return 0;
}
