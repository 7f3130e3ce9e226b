/*
 * Fuzzes a stub's description of its registers: the first file, up to a NUL, and the one that it may include.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "target/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *data;
	size_t size;
};

static struct err *fetch(const char *annex, struct buf *ret, void *user)
{
	const struct input *in = user;
	size_t first = strnlen(in->data, in->size);

	if (streq(annex, "target.xml"))
		buf_append(ret, in->data, first);
	else
		buf_append(ret, in->data + first, in->size - first);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	_cleanup_(description_deinit) struct description d = DESCRIPTION_INIT;
	struct err *e = description_read(fetch, &in, &d);
	uint64_t value;

	err_ignore(e);
	for (size_t i = 0; i < d.n; i++) {
		const struct description_register *r = &d.registers[i];

		if (description_at(&d, r->number) != r || r->offset + r->size > d.size)
			abort();
		(void)description_value(r, data, size, &value);
	}
	return 0;
}
