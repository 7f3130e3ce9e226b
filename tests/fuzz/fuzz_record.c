/*
 * Fuzzes the record of a VM: what is understood can be written, and understood again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/rundir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = NULL, *again = NULL;
	_cleanup_(err_destroy) struct err *e = vm_record_parse((const char *)data, size, &r), *e2 = NULL;
	_cleanup_(free) char *text = NULL, *text_again = NULL;

	if (e) {
		if (err_code(e) != ERR_BAD_DATA || r)
			abort();
		return 0;
	}
	if (!r->name || !r->dir || !r->accel || r->pid < 0)
		abort();
	text = vm_record_format(r);
	e2 = vm_record_parse(text, strlen(text), &again);
	if (e2)
		abort();
	text_again = vm_record_format(again);
	if (strcmp(text, text_again) != 0)
		abort();
	return 0;
}
