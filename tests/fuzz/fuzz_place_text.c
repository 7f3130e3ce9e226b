/*
 * Fuzzes the reading of places as the kernel prints them: the input as one place, and as a line with several.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/place_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = xmalloc(size + 1);
	struct place_text p;
	size_t at = 0, last = 0;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (place_text_parse(text, &p) && (strlen(p.name) > PLACE_NAME_MAX || strlen(p.module) > PLACE_MODULE_MAX))
		abort();
	while (place_text_next((const char *)data, size, &at, &p)) {
		if (p.begin < last || p.end <= p.begin || p.end > size || at != p.end)
			abort();
		last = at;
	}
	return 0;
}
