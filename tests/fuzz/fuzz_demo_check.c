/*
 * Fuzzes the reading of the demo's transcript, half of which the guest has written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/demo_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = xmalloc(size + 1);
	_cleanup_(err_destroy) struct err *e = NULL;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	e = demo_check_transcript(text);
	if (e && err_code(e) != ERR_BAD_DATA)
		abort();
	return 0;
}
