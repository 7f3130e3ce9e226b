/*
 * Fuzzes what the user writes for folders, disks and ports; the first byte says which. What is accepted reaches init as
 * it was meant.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/options.h"
#include "vm/attach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_share(const struct attach *a)
{
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	struct options o;

	attach_cmdline(a, &words);
	options_parse(words.v[0], &o);
	if (o.shares_n != 1 || !streq(o.shares[0].path, a->shares[0].guest) ||
	    o.shares[0].writable != a->shares[0].writable)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = xstrndup(size ? (const char *)data + 1 : "", size ? size - 1 : 0);
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct err *e;

	if (size && *data == 's')
		e = attach_add_share(&a, text);
	else if (size && *data == 'd')
		e = attach_add_disk(&a, text);
	else
		e = attach_add_forward(&a, text);
	if (e) {
		if (err_code(e) != ERR_USAGE || a.shares_n || a.disks_n || a.forwards_n)
			abort();
		err_destroy(e);
		return 0;
	}
	attach_argv(&a, &argv);
	if (a.shares_n)
		check_share(&a);
	return 0;
}
