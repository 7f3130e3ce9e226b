/*
 * Fuzzes the reading of what GDB says of itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cmd/gdb_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gdb_program p = GDB_PROGRAM_INIT;
	_cleanup_(free) char *text = xmalloc(size + 1);
	_cleanup_(err_destroy) struct err *e = NULL;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	e = gdb_program_parse(text, &p);
	if (e ? err_code(e) != ERR_BAD_DATA || p.major || p.python : p.major > 1000)
		abort();
	return 0;
}
