/*
 * Fuzzes the control socket's requests.
 */
#include <stdint.h>
#include <stdlib.h>

#include "supervisor/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request r = { .rows = 0 };
	_cleanup_(err_destroy) struct err *e = control_parse((const char *)data, size, &r);

	if (e ? err_code(e) != ERR_BAD_DATA : r.op > CONTROL_DUMPED || (r.op == CONTROL_RESIZE && (!r.rows || !r.cols)))
		abort();
	return 0;
}
