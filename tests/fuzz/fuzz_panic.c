/*
 * Fuzzes the watch for panics: its line is printable, and the same however the input was cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/panic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct panic_watch whole = { 0 }, pieces = { 0 };
	const char *line, *other;

	panic_watch_feed(&whole, (const char *)data, size);
	for (size_t i = 0; i < size; i++)
		panic_watch_feed(&pieces, (const char *)data + i, 1);
	line = panic_watch_line(&whole);
	other = panic_watch_line(&pieces);
	if (!line != !other)
		abort();
	if (!line)
		return 0;
	if (strcmp(line, other) != 0 || strncmp(line, "Kernel panic", 12) != 0)
		abort();
	for (; *line; line++) {
		if (*line < 0x20 || *line > 0x7e)
			abort();
	}
	return 0;
}
