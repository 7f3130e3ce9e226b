#include "cmd/config_edit.h"

#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "cmd/build.h"
#include "kbuild/configure.h"
#include "kbuild/kconfig_visibility.h"
#include "kbuild/menuconfig.h"

enum { FRAGMENT_MAX = 1 << 20 };

/* --- What was changed --- */

/* Whether the option, which the old .config didn't name, has the value that it has by itself. */
static bool is_default(const struct kconfig_values *v, const struct kconfig_symbol *s, const char *value)
{
	const struct kconfig_property *p = kconfig_active_default(v, s);
	struct kconfig_range r = { TRISTATE_N, TRISTATE_N };

	if (p && p->value->op == KCONFIG_OP_CONSTANT)
		return streq(p->value->text, value);
	/* A bare number is written like the name of an option. */
	if (p && p->value->op == KCONFIG_OP_SYMBOL && !p->value->symbol->entries)
		return streq(p->value->symbol->name, value);
	if (s->type != KCONFIG_BOOL && s->type != KCONFIG_TRISTATE)
		return false;
	if (p)
		r = kconfig_eval(v, p->value);
	return r.low == r.high && streq(tristate_name(r.low), value);
}

struct comparison {
	const struct dotconfig *old;
	const struct kconfig_values *values;
	struct buf *text;
	struct strv *names;
};

/* What has no prompt, or none that is shown, nobody has set: it follows from the rest. */
static struct err *compare_line(struct dotconfig_line *l, int number, void *user)
{
	const struct comparison *c = user;
	const struct kconfig_symbol *s = kconfig_tree_find(c->values->tree, l->name);
	const char *before = dotconfig_get(c->old, l->name);

	(void)number;
	if (before && streq(before, l->value))
		return NULL;
	if (!s || kconfig_visibility(c->values, s).high == TRISTATE_N)
		return NULL;
	if (!before && is_default(c->values, s, l->value))
		return NULL;
	dotconfig_write_line(c->text, l->name, l->kind, l->value);
	strv_add(c->names, l->name);
	return NULL;
}

struct err *config_edit_changes(const struct dotconfig *old, const struct buf *new, const struct kconfig_values *v,
				struct buf *ret, struct strv *ret_names)
{
	struct comparison c = { .old = old, .values = v, .text = ret, .names = ret_names };

	return dotconfig_for_each(".config", buf_str(new), new->len, compare_line, &c);
}

static struct err *find_changes(const char *tree_folder, const struct buf *old, const struct buf *new, struct buf *ret,
				struct strv *ret_names)
{
	const struct kconfig_reader reader = kconfig_reader_folder(tree_folder, "x86");
	_cleanup_(dotconfig_destroy) struct dotconfig *before = NULL, *after = NULL;
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *tree = NULL;

	TRY(dotconfig_parse(".config", buf_str(old), old->len, &before));
	TRY(dotconfig_parse(".config", buf_str(new), new->len, &after));
	TRY(kconfig_tree_load(&reader, &tree));
	return config_edit_changes(before, new, &(struct kconfig_values){ after, tree }, ret, ret_names);
}

/* --- The fragment --- */

struct err *config_edit_keep(const char *file, const char *data, size_t len, const struct strv *names, struct buf *ret)
{
	for (int number = 1; len; number++) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;
		_cleanup_(dotconfig_line_deinit) struct dotconfig_line l = { 0 };

		TRY(err_wrap(dotconfig_parse_line(data, n, &l), "%s:%d", file, number));
		if (!l.name || !strv_contains(names, l.name)) {
			buf_append(ret, data, n);
			buf_putc(ret, '\n');
		}
		n += newline != NULL;
		data += n;
		len -= n;
	}
	return NULL;
}

/* The folder of ktb.conf, or that in which one would be made. */
static char *project_folder(void)
{
	_cleanup_(free) char *cwd = getcwd(NULL, 0), *conf = cwd ? config_find(cwd) : NULL;
	char *slash = conf ? strrchr(conf, '/') : NULL;

	if (slash)
		*slash = '\0';
	return conf ? steal(&conf) : cwd ? steal(&cwd) : xstrdup(".");
}

/* Nothing is to be found wrong with it after the user has done his work. */
static struct err *read_fragment(const char *file, struct buf *ret)
{
	_cleanup_(buf_deinit) struct buf ignored = BUF_INIT;
	const struct strv none = STRV_INIT;
	struct err *e;

	if (!file_exists(file))
		return NULL;
	TRY(read_file(file, FRAGMENT_MAX, ret));
	e = config_edit_keep(file, buf_str(ret), ret->len, &none, &ignored);
	return err_append(e,
			  "\nThe fragment is written to that file, and it is none; name another: ktb config edit FILE");
}

static struct err *write_fragment(const char *file, const struct buf *old, const struct buf *changes,
				  const struct strv *names)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	if (old->len)
		TRY(config_edit_keep(file, buf_str(old), old->len, names, &text));
	else
		buf_puts(&text, "# What ktb config edit changed. It may be edited by hand as well.\n");
	buf_append(&text, changes->data, changes->len);
	return write_file_atomic(file, text.data, text.len, 0644);
}

static bool is_used(const struct config *cfg, const char *file)
{
	const struct strv *fragments = config_list(cfg, OPT_KERNEL_FRAGMENTS);
	_cleanup_(free) char *real = realpath(file, NULL);

	for (size_t i = 0; real && i < fragments->n; i++) {
		_cleanup_(free) char *other = realpath(fragments->v[i], NULL);

		if (other && streq(real, other))
			return true;
	}
	return false;
}

/* Requests of the same or a higher layer, which would contradict the fragment or outdo it. */
static void warn_of_opponents(const struct fragment_set *requests, const char *file, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct fragment_request *r = fragment_set_find(requests, names->v[i]);
		_cleanup_(free) char *text = NULL, *place = NULL;

		if (!r || r->layer < FRAGMENT_USER || streq(r->file, file))
			continue;
		text = fragment_request_text(r);
		place = fragment_request_place(r);
		log_warn("%s is still asked for in %s; take that out, or it stands against the fragment", text, place);
	}
}

static void tell(const struct config *cfg, const char *file, size_t n)
{
	_cleanup_(free) char *folder = project_folder();
	const char *below = skip_prefix(file, folder);

	log_info("wrote %zu option%s to %s", n, n == 1 ? "" : "s", file);
	if (is_used(cfg, file))
		log_info("it is in use already: ktb build, or ktb config to see what came of it");
	else
		log_info("to use it: ktb build --fragment %s; or for good, in ktb.conf:\n[kernel]\nfragment = %s", file,
			 below && *below == '/' ? below + 1 : file);
}

struct err *config_edit(const struct config *cfg, const char *named)
{
	_cleanup_(free) char *folder = project_folder(), *cache = NULL;
	_cleanup_(free) char *file = named ? path_absolute(named, NULL) : path_absolute("kernel.config", folder);
	_cleanup_(buf_deinit) struct buf before = BUF_INIT, after = BUF_INIT, old = BUF_INIT, changes = BUF_INIT;
	_cleanup_(kbuild_configuration_destroy) struct kbuild_configuration *c = NULL;
	_cleanup_(fragment_set_destroy) struct fragment_set *requests = NULL;
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return err_create(ERR_USAGE, "ktb config edit needs a terminal; what is to be changed can also be "
					     "written into [kconfig] of ktb.conf by hand");
	TRY(read_fragment(file, &old));
	TRY(cache_dir(&cache));
	TRY(build_configuration(cfg, &requests, &c));
	TRY(configuration_read(c->out, &before));
	TRY(menuconfig_run(c->tree, &c->toolchain, cache, &before, &after));
	TRY(find_changes(c->tree, &before, &after, &changes, &names));
	if (!names.n) {
		log_info("nothing was changed");
		return NULL;
	}
	TRY(write_fragment(file, &old, &changes, &names));
	fputs(buf_str(&changes), stdout);
	warn_of_opponents(requests, file, &names);
	tell(cfg, file, names.n);
	return NULL;
}
