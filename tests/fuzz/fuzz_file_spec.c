/*
 * Fuzzes SOURCE[:DEST]. What is accepted must be a place below the guest's root that is not /init.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "initramfs/cpio.h"
#include "initramfs/file_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_dest(const char *dest)
{
	_cleanup_(free) char *copy = xstrdup(dest);
	char *rest = copy, *part;

	check(strlen(dest) < CPIO_NAME_MAX);
	while (*dest && (part = strsep(&rest, "/")))
		check(*part && strlen(part) <= 255 && !streq(part, ".") && !streq(part, ".."));
	check(!streq(dest, "init") && !skip_prefix(dest, "init/"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = xstrndup(size ? (const char *)data : "", size);
	_cleanup_(file_spec_deinit) struct file_spec spec = FILE_SPEC_INIT;
	struct err *e = file_spec_parse(text, &spec);

	if (e) {
		check(err_code(e) == ERR_USAGE && !spec.source && !spec.dest);
		err_destroy(e);
		return 0;
	}
	check(*spec.source && skip_prefix(text, spec.source));
	check_dest(spec.dest);
	return 0;
}
