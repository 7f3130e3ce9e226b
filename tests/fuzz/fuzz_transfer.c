/*
 * Fuzzes the entries of a stream of files: a name that is taken is one part of a path, and a link that is said to stay
 * inside does.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[512], last[TRANSFER_NAME_MAX + 1];
	size_t used = 0;
	struct frame f;

	while (frame_parse(data + used, size - used, &f) == FRAME_COMPLETE) {
		struct transfer_entry e;

		if (transfer_get_entry(&f, &e)) {
			check(*e.name && !strchr(e.name, '/') && strcmp(e.name, ".") != 0 && strcmp(e.name, "..") != 0);
			check(strlen(e.name) <= TRANSFER_NAME_MAX && e.mode <= 07777 && e.mtime_ns < 1000000000);
			check((f.type == TRANSFER_LINK) == (*e.target != '\0'));
			if (transfer_link_is_inside(e.target, 0))
				check(*e.target != '/' && !strstr(e.target, "../"));
		}
		used += frame_size(&f);
	}
	memcpy(path, data, size < sizeof(path) ? size : sizeof(path) - 1);
	path[size < sizeof(path) ? size : sizeof(path) - 1] = '\0';
	if (transfer_last_part(path, last))
		check(*last && !strchr(last, '/') && strcmp(last, "..") != 0);
	return 0;
}
