/*
 * Fuzzes init's reading of the kernel's command line: whatever stands there, there is a terminal and a shell.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A word's text, ended within its field. */
static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == 0 || len == size || strpbrk(text, " \t\n"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct options o;

	if (!line)
		abort();
	if (size)
		memcpy(line, data, size);
	line[size] = '\0';
	options_parse(line, &o);
	check_text(o.term, sizeof(o.term));
	check_text(o.shell, sizeof(o.shell));
	if (o.shares_n > OPTIONS_SHARES_MAX)
		abort();
	for (size_t i = 0; i < o.shares_n; i++) {
		if (o.shares[i].path[0] != '/' || !o.shares[i].tag[0])
			abort();
	}
	free(line);
	return 0;
}
