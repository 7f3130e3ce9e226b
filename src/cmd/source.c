#include "kbuild/source.h"
#include "base/paths.h"
#include "base/rows.h"
#include "cmd/cmd.h"

static const struct rows_column columns[] = {
	{ "PATH", "path", ROWS_TEXT },      { "KIND", "kind", ROWS_TEXT }, { "FROM", "source", ROWS_TEXT },
	{ "SHA-256", "sha256", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT },
};

static struct err *print_json(const struct source *s)
{
	_cleanup_(rows_destroy) struct rows *r = rows_create(columns, true);

	rows_begin(r);
	rows_str(r, s->tree);
	rows_str(r, source_kind_name(s->kind));
	rows_str(r, s->path);
	rows_str(r, s->kind == SOURCE_TARBALL ? s->sha256.hex : NULL);
	return rows_emit(r, stdout);
}

static struct err *cmd_source(struct config *cfg, const struct strv *positional, const struct strv *rest,
			      int *ret_status)
{
	_cleanup_(source_deinit) struct source s = SOURCE_INIT;
	_cleanup_(free) char *cache = NULL;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(cache_dir(&cache));
	TRY(source_find(config_string(cfg, OPT_KERNEL_SOURCE), config_string(cfg, OPT_KERNEL_SHA256), cache, &s));
	/* A tree is there, and need not be fit to be built from. */
	if (s.kind == SOURCE_TARBALL)
		TRY(source_prepare(&s, cache));
	if (config_bool(cfg, OPT_OUTPUT_JSON))
		return print_json(&s);
	puts(s.tree);
	return NULL;
}

const struct command command_source = {
	.id = COMMAND_SOURCE,
	.name = "source",
	.args = "",
	.summary = "where the kernel's source is",
	.description = "Prints the folder that the kernel is built from. A tarball, such as that of a linux-source "
		       "package, is\n"
		       "unpacked into the cache first if it isn't yet.",
	.examples = "  ktb source\n"
		    "  cd \"$(ktb source)\"\n"
		    "  ktb source --json",
	.run = cmd_source,
};
