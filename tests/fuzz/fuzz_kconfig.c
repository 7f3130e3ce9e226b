/*
 * Fuzzes Kconfig files and what is made of them. A line of "%%" divides the input: the file Kconfig, the text of
 * whatever it sources, and a .config. Of every symbol it is asked why it isn't something else, and
 * all that is known.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kbuild/kconfig_describe.h"
#include "kbuild/kconfig_visibility.h"
#include "kbuild/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SYMBOLS_MAX = 200 };

struct part {
	const char *data;
	size_t len;
};

struct input {
	struct part root, sourced, config;
	int files;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct part take_part(const char **at, const char *end)
{
	const char *stop = memmem(*at, (size_t)(end - *at), "\n%%\n", 4);
	struct part p = { *at, (size_t)((stop ? stop + 1 : end) - *at) };

	*at = stop ? stop + 4 : end;
	return p;
}

static struct err *read_part(void *data, const char *path, struct buf *ret)
{
	struct input *in = data;
	const struct part *p = streq(path, "Kconfig") ? &in->root : &in->sourced;

	/* Files that source each other twice each would go on for 2^40 of them. */
	if (++in->files > 50)
		return err_create(ERR_NOT_FOUND, "too many files");
	buf_append(ret, p->data, p->len);
	return NULL;
}

static void check_entries(const struct kconfig_values *v)
{
	for (const struct kconfig_entry *e = kconfig_tree_entries(v->tree); e; e = e->next) {
		_cleanup_(buf_deinit) struct buf b = BUF_INIT;
		struct kconfig_range r = kconfig_entry_visibility(v, e);

		check(r.low <= r.high && r.high <= TRISTATE_Y);
		kconfig_help(e, &b);
		if (e->depends)
			kconfig_expr_print(&b, e->depends, v, KCONFIG_OP_OR);
		for (const struct kconfig_property *p = e->properties; p; p = p->next)
			if (p->value)
				kconfig_expr_print(&b, p->value, NULL, KCONFIG_OP_OR);
	}
}

static void explain_symbols(const struct kconfig_values *v, struct kconfig_reader *reader)
{
	static const char *const values[] = { "y", "m", "n", "5", "x" };
	_cleanup_(fragment_set_destroy) struct fragment_set *requests = fragment_set_create();
	_cleanup_(kconfig_verdict_deinit) struct kconfig_verdict verdict = { 0 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	size_t n = 0;

	for (const struct kconfig_symbol *s = kconfig_tree_symbols(v->tree); s && n < SYMBOLS_MAX; s = s->next, n++)
		err_ignore(fragment_set_add(requests, n % 3 ? FRAGMENT_BUILTIN : FRAGMENT_CONFIG, s->name,
					    values[n % ARRAY_SIZE(values)], "fuzz", 1));
	for (const struct kconfig_symbol *s = kconfig_tree_symbols(v->tree); s && n; s = s->next, n--) {
		_cleanup_(kconfig_description_deinit) struct kconfig_description d = { 0 };

		if (!s->entries)
			continue;
		kconfig_describe(v, requests, s, &d);
		check(d.n > 2 && kconfig_find_meant(v->tree, s->name) == s);
	}
	kconfig_verify(requests, v->config, reader, &verdict);
	kconfig_verdict_print(&verdict, &b);
	kconfig_verdict_print_overridden(&verdict, requests, &b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = size ? (const char *)data : "", *end = at + size;
	struct input in = { .root = take_part(&at, end) };
	struct kconfig_reader reader = { .read = read_part, .data = &in, .arch = "x86" };
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *tree = NULL;
	_cleanup_(dotconfig_destroy) struct dotconfig *config = NULL;
	struct err *e;

	in.sourced = take_part(&at, end);
	in.config = take_part(&at, end);
	e = kconfig_tree_load(&reader, &tree);
	if (e)
		check((err_code(e) == ERR_BAD_DATA || err_code(e) == ERR_NOT_FOUND) && !tree);
	else
		e = dotconfig_parse("fuzz", in.config.data, in.config.len, &config);
	if (e) {
		err_destroy(e);
		return 0;
	}
	in.files = 0;
	check_entries(&(struct kconfig_values){ config, tree });
	explain_symbols(&(struct kconfig_values){ config, tree }, &reader);
	return 0;
}
