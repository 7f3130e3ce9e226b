/*
 * Fuzzes QMP: any line is a message that is complete, or an error.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(qmp_message_deinit) struct qmp_message m = { 0 };
	_cleanup_(err_destroy) struct err *e = qmp_parse((const char *)data, size, &m);

	if (e) {
		if (err_code(e) != ERR_BAD_DATA || m.object)
			abort();
		return 0;
	}
	if (!m.object || (m.kind == QMP_EVENT) != (m.event != NULL) || (m.kind == QMP_ERROR) != (m.description != NULL))
		abort();
	if (m.event)
		free(strdup(m.event));
	return 0;
}
