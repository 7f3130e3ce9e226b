#include <json-c/json.h>
#include <stdio.h>

#include "base/log.h"
#include "base/paths.h"
#include "base/rows.h"
#include "cmd/build.h"
#include "cmd/cmd.h"
#include "cmd/config_edit.h"
#include "kbuild/configure.h"
#include "kbuild/kconfig_describe.h"
#include "kbuild/verify.h"

enum { NEAR_MAX = 8, TITLE_WIDTH = 14 };

/* What was asked for, and what came out. */
struct state {
	struct fragment_set *requests;
	struct kbuild_configuration *configuration;
	struct dotconfig *config;
};

static void state_deinit(struct state *s)
{
	fragment_set_destroy(s->requests);
	kbuild_configuration_destroy(s->configuration);
	dotconfig_destroy(s->config);
}
DEFINE_CLEANUP_STORAGE(struct state, state_deinit);

static struct err *state_load(const struct config *cfg, struct state *s)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(build_configuration(cfg, &s->requests, &s->configuration));
	TRY(configuration_read(s->configuration->out, &text));
	return dotconfig_parse(".config", buf_str(&text), text.len, &s->config);
}

/* --- The table --- */

static const struct rows_column columns[] = {
	{ "OPTION", "name", ROWS_TEXT },
	{ "REQUESTED", "requested", ROWS_TEXT },
	{ "EFFECTIVE", "effective", ROWS_TEXT },
	{ "", "state", ROWS_TEXT },
	{ "ASKED FOR IN", "place", ROWS_TEXT },
	{ NULL, "file", ROWS_TEXT },
	{ NULL, "line", ROWS_NUMBER },
	{ NULL, "reason", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

static const struct kconfig_problem *find_problem(const struct kconfig_problems *list, const struct fragment_request *r)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].request == r)
			return &list->v[i];
	}
	return NULL;
}

/* Our own fragments by their names, what is below the working folder from there, all else in full. */
static char *short_place(const struct fragment_request *r, const char *fragments, const char *cwd)
{
	char *place = fragment_request_place(r);
	const char *rest = skip_prefix(place, r->layer < FRAGMENT_USER ? fragments : cwd);
	char *result;

	if (!rest || *rest != '/')
		return place;
	result = xstrdup(rest + 1);
	free(place);
	return result;
}

static char *quoted(const char *value, enum dotconfig_kind kind)
{
	return kind == DOTCONFIG_STRING ? xasprintf("\"%s\"", value) : xstrdup(value);
}

/* Returns whether the option differs without a good reason. */
static bool add_row(struct rows *rows, const struct fragment_request *r, const char *value, const char *place,
		    const struct kconfig_verdict *verdict)
{
	const struct kconfig_problem *dropped = find_problem(&verdict->dropped, r);
	const struct kconfig_problem *overridden = find_problem(&verdict->overridden, r);
	const struct kconfig_problem *problem = dropped ? dropped : overridden;
	const char *effective = value ? value : r->kind == DOTCONFIG_TRISTATE ? "n" : "";
	_cleanup_(free) char *asked = quoted(r->value, r->kind), *is = quoted(effective, r->kind);
	const char *state = dropped                           ? "dropped"
			    : overridden                      ? "gave way"
			    : kconfig_request_holds(r, value) ? "ok"
							      : "unknown here";

	rows_begin(rows);
	rows_str(rows, r->name);
	rows_str(rows, asked);
	rows_str(rows, value || r->kind == DOTCONFIG_TRISTATE ? is : NULL);
	rows_str(rows, state);
	rows_str(rows, place);
	rows_str(rows, r->line ? r->file : NULL);
	if (r->line)
		rows_u64(rows, (uint64_t)r->line);
	else
		rows_str(rows, NULL);
	rows_str(rows, problem ? kconfig_reason_name(problem->why.reason) : NULL);
	return dropped != NULL;
}

static struct err *show_table(const struct config *cfg)
{
	_cleanup_(rows_destroy) struct rows *rows = rows_create(columns, config_bool(cfg, OPT_OUTPUT_JSON));
	_cleanup_(kconfig_verdict_deinit) struct kconfig_verdict verdict = { 0 };
	_cleanup_(state_deinit) struct state s = { 0 };
	_cleanup_(free) char *fragments = NULL, *cwd = getcwd(NULL, 0);
	size_t differ = 0;

	TRY(fragments_dir(&fragments));
	TRY(state_load(cfg, &s));
	const struct kconfig_reader reader = kconfig_reader_folder(s.configuration->tree, "x86");

	kconfig_verify(s.requests, s.config, &reader, &verdict);
	for (size_t i = 0; i < fragment_set_count(s.requests); i++) {
		const struct fragment_request *r = fragment_set_at(s.requests, i);
		_cleanup_(free) char *place = short_place(r, fragments, cwd ? cwd : "");

		differ += add_row(rows, r, dotconfig_get(s.config, r->name), place, &verdict);
	}
	TRY(rows_emit(rows, stdout));
	if (differ)
		log_info("%zu of these %s dropped; ktb config explain NAME tells why", differ,
			 differ == 1 ? "was" : "were");
	return NULL;
}

/* --- One option --- */

static struct err *unknown_option(const struct kconfig_tree *t, const char *name)
{
	const char *bare = skip_prefix(name, "CONFIG_");
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *names = NULL;
	size_t more = 0;

	bare = bare ? bare : name;
	kconfig_tree_nearest(t, bare, NEAR_MAX, &near);
	/* A part of a name is as good as a misspelt one. */
	for (const struct kconfig_symbol *s = kconfig_tree_symbols(t); s; s = s->next) {
		if (!s->entries || !*bare || !strcasestr(s->name, bare) || strv_contains(&near, s->name))
			continue;
		if (near.n < NEAR_MAX)
			strv_add(&near, s->name);
		else
			more++;
	}
	if (!near.n)
		return err_create(ERR_NOT_FOUND, "this kernel has no option %s, and none of a similar name", bare);
	names = strv_join(&near, ", ");
	if (more)
		return err_create(ERR_NOT_FOUND,
				  "this kernel has no option %s; is one of these meant? %s (and %zu more)", bare, names,
				  more);
	return err_create(ERR_NOT_FOUND, "this kernel has no option %s; is one of these meant? %s", bare, names);
}

static void print_fact(const struct kconfig_fact *f)
{
	for (size_t i = 0; i < f->lines.n; i++) {
		if (*f->lines.v[i])
			printf("%-*s%s\n", TITLE_WIDTH, i ? "" : f->title, f->lines.v[i]);
		else
			puts("");
	}
}

static struct json_object *fact_to_json(const struct kconfig_fact *f)
{
	struct json_object *list;

	if (!f->list)
		return json_object_new_string(f->lines.v[0]);
	list = json_object_new_array();
	for (size_t i = 0; i < f->lines.n; i++)
		json_object_array_add(list, json_object_new_string(f->lines.v[i]));
	return list;
}

static struct json_object *description_to_json(const struct kconfig_description *d)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < d->n; i++)
		json_object_object_add(o, d->v[i].key, fact_to_json(&d->v[i]));
	return o;
}

/* With --json all of them go into the array; else each is printed. */
static struct err *explain_one(const struct kconfig_values *v, const struct fragment_set *requests, const char *name,
			       struct json_object *array)
{
	_cleanup_(kconfig_description_deinit) struct kconfig_description d = { 0 };
	const struct kconfig_symbol *s = kconfig_find_meant(v->tree, name);

	if (!s)
		return unknown_option(v->tree, name);
	kconfig_describe(v, requests, s, &d);
	if (array)
		json_object_array_add(array, description_to_json(&d));
	for (size_t i = 0; i < d.n && !array; i++)
		print_fact(&d.v[i]);
	return NULL;
}

static struct err *explain(const struct config *cfg, const struct strv *names)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *tree = NULL;
	_cleanup_(state_deinit) struct state s = { 0 };
	struct json_object *array = NULL;
	struct err *e = NULL;

	if (names->n < 2)
		return err_create(ERR_USAGE, "ktb config explain wants the name of an option: ktb config explain KGDB");
	TRY(state_load(cfg, &s));
	const struct kconfig_reader reader = kconfig_reader_folder(s.configuration->tree, "x86");

	TRY(kconfig_tree_load(&reader, &tree));
	if (config_bool(cfg, OPT_OUTPUT_JSON))
		array = json_object_new_array();
	for (size_t i = 1; i < names->n && !e; i++) {
		if (i > 1 && !array)
			puts("");
		e = explain_one(&(struct kconfig_values){ s.config, tree }, s.requests, names->v[i], array);
	}
	if (!e && array)
		puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
	return e;
}

static struct err *cmd_config(struct config *cfg, const struct strv *positional, const struct strv *rest,
			      int *ret_status)
{
	const char *what = positional->n ? positional->v[0] : NULL;

	(void)rest;
	(void)ret_status;
	if (!what)
		return show_table(cfg);
	if (streq(what, "explain"))
		return explain(cfg, positional);
	if (!streq(what, "edit"))
		return err_create(ERR_USAGE, "ktb config knows explain and edit, not '%s'", what);
	if (positional->n > 2)
		return err_create(ERR_USAGE, "ktb config edit takes one file");
	return config_edit(cfg, positional->n > 1 ? positional->v[1] : NULL);
}

const struct command command_config = {
	.id = COMMAND_CONFIG,
	.name = "config",
	.args = "[explain NAME...|edit [FILE]]",
	.summary = "the kernel's configuration: what was asked for, and what came out",
	.description = "Alone it compares each option that was asked for with the kernel's configuration: ok, dropped, "
		       "gave way\n"
		       "(to a line of a higher layer), or unknown here (of compat.config). Nothing is built for that.\n"
		       "\n"
		       "explain tells all about options: value, who asked for it, why it isn't as it should be or how "
		       "to set it,\n"
		       "where it is defined, what it depends on with present values, what selects it, its help.\n"
		       "\n"
		       "edit opens the kernel's menuconfig on a copy of the configuration, and saves what you changed "
		       "as a fragment:\n"
		       "FILE, or kernel.config beside ktb.conf.",
	.examples = "  ktb config\n"
		    "  ktb config explain KASAN\n"
		    "  ktb config --json\n"
		    "  ktb config edit",
	.completes = "explain edit",
	.run = cmd_config,
};
