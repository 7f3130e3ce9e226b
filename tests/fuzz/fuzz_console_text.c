/*
 * Fuzzes the reader of a console's end: what it keeps is printable, and fits.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/console_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t size)
{
	if (!memchr(line, '\0', size))
		abort();
	for (; *line; line++) {
		if (*line < 0x20 || *line > 0x7e)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct console_text t;

	console_text_read((const char *)data, size, &t);
	check_line(t.panic, sizeof(t.panic));
	check_line(t.trouble, sizeof(t.trouble));
	if (t.at_kdb && t.awaits_kgdb)
		abort();
	if (!*console_text_panic_advice(t.panic))
		abort();
	return 0;
}
