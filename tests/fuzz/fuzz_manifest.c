#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "kbuild/configure.h"
#include "kbuild/manifest.h"
#include "kbuild/tree.h"

/* What is read back from the cache, or from git. */
static void run_lists(const char *data, size_t size)
{
	/* git_status_next() wants a NUL behind the data. */
	_cleanup_(free) char *copy = xmalloc(size + 1);
	size_t offset = 0, len;

	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	while (git_status_next(copy, size, &offset))
		;
	offset = 0;
	while (configuration_next_input(data, size, &offset, &len))
		;
	configuration_count_options(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = manifest_parse("input", (const char *)data, size, &m);

	if (!e)
		manifest_format(&m, &text);
	run_lists((const char *)data, size);
	return 0;
}
