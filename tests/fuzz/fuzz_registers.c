/*
 * Fuzzes the registers that QEMU's monitor prints.
 */
#include <stdint.h>
#include <stdlib.h>

#include "vm/registers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_registers r = { .rip = 1 };
	_cleanup_(err_destroy) struct err *e = vm_registers_parse((const char *)data, size, &r);

	if (e && (err_code(e) != ERR_BAD_DATA || r.rip != 1))
		abort();
	return 0;
}
