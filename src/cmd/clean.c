#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/progress.h"
#include "base/rows.h"
#include "cmd/cache.h"
#include "cmd/cmd.h"

enum { HOUR = 3600, DAY = 24 * HOUR, WEEK = 7 * DAY, HASH_SHOWN = 16, FEW = 4 };

static const struct rows_column columns[] = {
	{ "KIND", "kind", ROWS_TEXT },     { "NAME", "name", ROWS_TEXT },
	{ "SIZE", "size", ROWS_NUMBER },   { "USED", "age_seconds", ROWS_NUMBER },
	{ "IN USE", "in_use", ROWS_TEXT }, { "WHAT", "what", ROWS_TEXT },
	{ NULL, "path", ROWS_TEXT },       { NULL, "removed", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

/* What is to go. */
struct rule {
	bool any; /* something is to go at all */
	bool all;
	bool dry_run;
	uint64_t older_than; /* seconds; UINT64_MAX: whatever its age */
	uint64_t max_size;   /* bytes; UINT64_MAX: whatever the size */
};

static struct err *parse_age(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	_cleanup_(free) char *number = xstrndup(text, digits);
	uint64_t unit = streq(text + digits, "h")                    ? HOUR
			: streq(text + digits, "w")                  ? WEEK
			: streq(text + digits, "d") || !text[digits] ? DAY
								     : 0;
	uint64_t n = 0;
	struct err *e = digits && unit ? parse_u64(number, INT_MAX, &n) : NULL;

	err_ignore(e);
	if (!digits || !unit || e)
		return err_create(ERR_USAGE, "--older-than: '%s' is not an age: 30d (days), 2w (weeks) or 12h (hours)",
				  text);
	*ret = n * unit;
	return NULL;
}

static struct err *read_rule(const struct config *cfg, struct rule *ret)
{
	const char *age = config_string(cfg, OPT_CLEAN_OLDER_THAN), *size = config_string(cfg, OPT_CLEAN_MAX_SIZE);
	struct rule r = { .older_than = UINT64_MAX, .max_size = UINT64_MAX };
	struct err *e;

	r.all = config_bool(cfg, OPT_CLEAN_ALL);
	r.dry_run = config_bool(cfg, OPT_CLEAN_DRY_RUN);
	r.any = r.all || age || size;
	if (r.dry_run && !r.any)
		return err_create(ERR_USAGE,
				  "--dry-run: nothing would be removed without --older-than, --max-size or --all");
	if (age)
		TRY(parse_age(age, &r.older_than));
	if (size) {
		e = parse_size(size, MIB, &r.max_size);
		if (e) {
			_cleanup_(err_destroy) struct err *cause = e;

			return err_create(ERR_USAGE, "--max-size: %s", err_message(cause));
		}
	}
	*ret = r;
	return NULL;
}

static char *format_size(uint64_t bytes)
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	double n = (double)bytes / 1024;
	size_t unit = 0;

	while (n >= 1000 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1024;
		unit++;
	}
	return n >= 10 || !unit ? xasprintf("%.0f %s", n, units[unit]) : xasprintf("%.1f %s", n, units[unit]);
}

static char *format_age(uint64_t seconds)
{
	if (seconds < HOUR)
		return xasprintf("%llu min", (unsigned long long)(seconds / 60));
	if (seconds < 2 * DAY)
		return xasprintf("%llu h", (unsigned long long)(seconds / HOUR));
	return xasprintf("%llu d", (unsigned long long)(seconds / DAY));
}

static uint64_t age_of(const struct cache_item *item)
{
	uint64_t now = (uint64_t)time(NULL);

	return now > item->used ? now - item->used : 0;
}

/* The beginning of a hash tells enough, and the path has all of it. */
static char *short_name(const struct cache_item *item)
{
	bool hash = item->kind == CACHE_INITRAMFS || item->kind == CACHE_GDB_INDEX || item->kind == CACHE_DOWNLOAD ||
		    item->kind == CACHE_DEPMOD || item->kind == CACHE_GDB_MODULE;

	return hash ? xstrndup(item->name, HASH_SHOWN) : xstrdup(item->name);
}

static void add_row(struct rows *rows, const struct cache_item *item, bool removed)
{
	_cleanup_(free) char *size = format_size(item->size), *age = format_age(age_of(item));
	_cleanup_(free) char *name = short_name(item);

	rows_begin(rows);
	rows_str(rows, cache_kind_name(item->kind));
	rows_str(rows, name);
	rows_u64_as(rows, item->size, size);
	rows_u64_as(rows, age_of(item), age);
	rows_str(rows, item->in_use);
	rows_str(rows, item->what);
	rows_str(rows, item->path);
	rows_bool(rows, removed);
}

static uint64_t total_size(const struct cache_items *items)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < items->n; i++)
		sum += items->v[i].size;
	return sum;
}

static bool must_go(const struct rule *rule, const struct cache_item *item, uint64_t total)
{
	return rule->all || item->kind == CACHE_TRASH || age_of(item) > rule->older_than || total > rule->max_size;
}

struct outcome {
	size_t removed, kept;
	uint64_t left; /* bytes */
	struct err *error;
};

/* One that can't be removed is no reason to keep the others. */
static bool remove_item(const char *cache, const struct rule *rule, struct cache_item *item, struct outcome *o)
{
	bool in_use = item->in_use != NULL;
	struct err *e = NULL;

	if (!in_use && !rule->dry_run)
		e = cache_remove(cache, item, &in_use);
	if (in_use) {
		log_info("kept: %s %s (%s)", cache_kind_name(item->kind), item->name,
			 item->in_use ? item->in_use : "in use");
		o->kept++;
		return false;
	}
	if (e && o->error)
		log_error("%s", err_message(o->error));
	if (e) {
		err_destroy(o->error);
		o->error = e;
		return false;
	}
	o->removed++;
	o->left -= item->size;
	return true;
}

static void apply(const char *cache, const struct rule *rule, struct cache_items *items, struct rows *rows,
		  struct outcome *o)
{
	struct progress progress;

	progress_init(&progress);
	for (size_t i = 0; i < items->n; i++) {
		struct cache_item *item = &items->v[i];

		if (!must_go(rule, item, o->left))
			continue;
		progress_update(&progress, "removing %s %s", cache_kind_name(item->kind), item->name);
		if (remove_item(cache, rule, item, o))
			add_row(rows, item, !rule->dry_run);
	}
	progress_clear(&progress);
}

static struct err *clean(const char *cache, const struct rule *rule, struct cache_items *items, struct rows *rows)
{
	uint64_t total = total_size(items);
	struct outcome o = { .left = total };
	_cleanup_(free) char *freed = NULL, *left = NULL;
	struct err *e;

	apply(cache, rule, items, rows, &o);
	e = rows_emit(rows, stdout);
	freed = format_size(total - o.left);
	left = format_size(o.left);
	log_info("%s %zu item%s, %s; %s %s in %s", rule->dry_run ? "would remove" : "removed", o.removed,
		 o.removed == 1 ? "" : "s", freed, left, rule->dry_run ? "would be left" : "are left", cache);
	if (o.left > rule->max_size && o.kept)
		log_warn("that is still more than was asked for: what is in use stays");
	if (e && o.error)
		log_error("%s", err_message(o.error));
	if (e)
		err_destroy(o.error);
	return e ? e : o.error;
}

/* Those of one kind in one row. */
static void add_sum(struct rows *rows, const struct cache_items *items, enum cache_kind kind, size_t n)
{
	_cleanup_(free) char *name = xasprintf("(%zu of them)", n), *shown = NULL, *age = NULL;
	const struct cache_item *oldest = NULL;
	uint64_t size = 0;

	for (size_t i = 0; i < items->n; i++) {
		if (items->v[i].kind != kind)
			continue;
		size += items->v[i].size;
		oldest = oldest ? oldest : &items->v[i];
	}
	shown = format_size(size);
	age = format_age(age_of(oldest));
	rows_begin(rows);
	rows_str(rows, cache_kind_name(kind));
	rows_str(rows, name);
	rows_u64_as(rows, size, shown);
	rows_u64_as(rows, age_of(oldest), age);
	rows_str(rows, NULL);
	rows_str(rows, "--json lists each");
	rows_str(rows, NULL);
	rows_bool(rows, false);
}

static bool is_large(enum cache_kind kind)
{
	return kind == CACHE_BUILD || kind == CACHE_SOURCE || kind == CACHE_DOWNLOAD;
}

/* Small ones that are many would hide the few large ones. */
static struct err *show(const char *cache, const struct cache_items *items, struct rows *rows, bool json)
{
	_cleanup_(free) char *total = format_size(total_size(items));
	size_t n[CACHE_KINDS_N] = { 0 };
	bool summed[CACHE_KINDS_N] = { false };

	for (size_t i = 0; i < items->n; i++)
		n[items->v[i].kind]++;
	for (size_t i = 0; i < items->n; i++) {
		enum cache_kind kind = items->v[i].kind;

		if (json || n[kind] <= FEW || is_large(kind)) {
			add_row(rows, &items->v[i], false);
		} else if (!summed[kind]) {
			add_sum(rows, items, kind, n[kind]);
			summed[kind] = true;
		}
	}
	TRY(rows_emit(rows, stdout));
	log_info("%s in %s; --older-than AGE, --max-size SIZE or --all make room", total, cache);
	return NULL;
}

static void say_waiting(void *data)
{
	(void)data;
	log_info("another ktb clean is at work; waiting for it");
}

/* One at a time: what one lists another may just be removing. */
static struct err *lock_cache(const char *cache, int *ret)
{
	_cleanup_(free) char *path = xasprintf("%s/clean.lock", cache);

	return file_exists(cache) ? lock_file(path, false, say_waiting, NULL, ret) : NULL;
}

static struct err *cmd_clean(struct config *cfg, const struct strv *positional, const struct strv *rest,
			     int *ret_status)
{
	_cleanup_(rows_destroy) struct rows *rows = rows_create(columns, config_bool(cfg, OPT_OUTPUT_JSON));
	_cleanup_(cache_items_deinit) struct cache_items items = { 0 };
	_cleanup_(free) char *cache = NULL;
	_cleanup_(close) int lock = -1;
	struct rule rule;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(read_rule(cfg, &rule));
	TRY(cache_dir(&cache));
	if (rule.any && !rule.dry_run)
		TRY(lock_cache(cache, &lock));
	TRY(cache_list(cache, &items));
	return rule.any ? clean(cache, &rule, &items, rows)
			: show(cache, &items, rows, config_bool(cfg, OPT_OUTPUT_JSON));
}

const struct command command_clean = {
	.id = COMMAND_CLEAN,
	.name = "clean",
	.args = "",
	.summary = "what the cache holds, and room in it",
	.description =
		"Alone it lists what the cache holds, what was not used for longest first: kernels (build), unpacked\n"
		"tarballs (source), downloads, modules out of the tree, what depmod made for kernels from elsewhere,\n"
		"images of guests, GDB's indexes, layouts of kernels, logs; many small ones are one line.\n"
		"With --older-than, --max-size or --all it removes, and lists what is gone. What a running VM, a\n"
		"build or another command uses stays. ccache's cache is its own.",
	.examples = "  ktb clean\n"
		    "  ktb clean --older-than 30d --dry-run\n"
		    "  ktb clean --max-size 10G\n"
		    "  ktb clean --all",
	.run = cmd_clean,
};
