/*
 * Fuzzes the reader of a disk's first bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/image_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct disk d = { .path = (char *)"/d", .format = DISK_QCOW2 };
	_cleanup_(image_header_deinit) struct image_header h = { .backing = NULL };
	_cleanup_(err_destroy) struct err *e = image_header_parse(data, size, &h);

	if (e)
		return 0;
	if (!h.qcow2 && (h.backing || h.backing_format || h.external_data))
		abort();
	if (h.backing && strlen(h.backing) > 1023)
		abort();
	e = image_header_check(&h, &d);
	if (!e && (!h.qcow2 || h.external_data || (h.backing && !h.backing_format)))
		abort();
	return 0;
}
