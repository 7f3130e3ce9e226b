/*
 * Fuzzes fragments and their merging: parts that a line of "%%" divides are fragments of one layer after another. What
 * is written must ask for the same when it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cmd/config_edit.h"
#include "kbuild/fragment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_again(const struct fragment_set *s)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *again = fragment_set_create();
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	fragment_set_write(s, &b);
	check(!fragment_set_parse(again, FRAGMENT_BUILTIN, false, "again", buf_str(&b), b.len));
	check(fragment_set_count(s) == fragment_set_count(again));
	for (size_t i = 0; i < fragment_set_count(s); i++) {
		const struct fragment_request *r = fragment_set_at(s, i), *r2 = fragment_set_at(again, i);

		check(streq(r->name, r2->name) && streq(r->value, r2->value) && r->kind == r2->kind);
		check(fragment_set_find(s, r->name) == r);
		for (const struct fragment_request *o = r; o->overrides; o = o->overrides)
			check(o->overrides->layer < o->layer);
	}
}

/* Without an option, a fragment is one that doesn't ask for it. */
static void check_kept(const char *data, size_t len)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;
	struct err *e;

	strv_add(&names, "A");
	e = config_edit_keep("fuzz", data, len, &names, &b);
	if (!e)
		e = fragment_set_parse(s, FRAGMENT_USER, false, "kept", buf_str(&b), b.len);
	if (e)
		check(err_code(e) == ERR_BAD_DATA || err_code(e) == ERR_USAGE);
	err_destroy(e);
	check(!fragment_set_find(s, "A"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(fragment_set_destroy) struct fragment_set *s = fragment_set_create();
	const char *at = size ? (const char *)data : "", *end = at + size;

	check_kept(at, size);
	for (int layer = FRAGMENT_BUILTIN; layer <= FRAGMENT_CONFIG; layer++) {
		const char *stop = memmem(at, (size_t)(end - at), "\n%%\n", 4);
		struct err *e = fragment_set_parse(s, (enum fragment_layer)layer, false, "fuzz", at,
						   (size_t)((stop ? stop : end) - at));

		if (e)
			check(err_code(e) == ERR_BAD_DATA || err_code(e) == ERR_USAGE);
		err_destroy(e);
		if (!stop)
			break;
		at = stop + 4;
	}
	check_again(s);
	return 0;
}
