/*
 * Fuzzes the kept index of names: bytes that are taken can be searched, and are written as they were.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "debuginfo/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT, again = BUF_INIT;
	_cleanup_(names_destroy) struct names *n = NULL;
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	struct name_entry entries[4];
	struct err *e;

	buf_append(&bytes, data, size);
	/* No fuzzer finds a checksum that is right. */
	names_seal(&bytes);
	e = names_parse(&bytes, "abc", &n);
	if (e) {
		if (err_code(e) != ERR_BAD_DATA)
			abort();
		err_destroy(e);
		return 0;
	}
	names_find(n, "thing", ~0U, entries, 4);
	names_find(n, "", ~0U, entries, 4);
	names_near(n, "thign", ~0U, 4, &near);
	names_format(n, "abc", &again);
	if (again.len != size)
		abort();
	return 0;
}
