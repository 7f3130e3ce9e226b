#include "kbuild/kconfig_describe.h"

#include <ctype.h>
#include <string.h>

#include "kbuild/kconfig_explain.h"
#include "kbuild/kconfig_visibility.h"
#include "kbuild/verify.h"

enum { LIST_MAX = 12 };

void kconfig_description_deinit(struct kconfig_description *d)
{
	for (size_t i = 0; i < d->n; i++)
		strv_deinit(&d->v[i].lines);
	free(d->v);
	*d = (struct kconfig_description){ 0 };
}

const struct kconfig_symbol *kconfig_find_meant(const struct kconfig_tree *t, const char *name)
{
	_cleanup_(free) char *capitals = xstrdup(name);
	const char *forms[] = { name, skip_prefix(name, "CONFIG_"), capitals, NULL };

	for (char *p = capitals; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	forms[3] = skip_prefix(capitals, "CONFIG_");
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct kconfig_symbol *s = forms[i] ? kconfig_tree_find(t, forms[i]) : NULL;

		if (s && s->entries)
			return s;
	}
	return NULL;
}

struct describer {
	const struct kconfig_values *values;
	const struct fragment_set *requests;
	const struct kconfig_symbol *symbol;
	struct kconfig_description *to;
	/* While conditions are gone through: what stands in front of each. */
	const char *prefix;
};

static struct strv *add_fact(struct describer *d, const char *key, const char *title, bool list)
{
	struct kconfig_description *to = d->to;

	if (!(to->n & (to->n - 1)))
		to->v = xreallocarray(to->v, to->n ? 2 * to->n : 1, sizeof(*to->v));
	to->v[to->n] = (struct kconfig_fact){ .key = key, .title = title, .list = list };
	return &to->v[to->n++].lines;
}

/* The list that was begun last, and that turned out to be empty, is left out. */
static void end_list(struct describer *d)
{
	if (!d->to->v[d->to->n - 1].lines.n)
		d->to->n--;
}

static char *shown_value(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	const char *value = kconfig_value(v, s);

	if (!value)
		return xstrdup("not set");
	return s->type == KCONFIG_STRING ? xasprintf("\"%s\"", value) : xstrdup(value);
}

static void add_value(struct describer *d)
{
	strv_take(add_fact(d, "value", "value", false), shown_value(d->values, d->symbol));
}

static void add_requests(struct describer *d)
{
	struct strv *lines = add_fact(d, "requested", "asked for", true);
	const struct fragment_request *r = fragment_set_find(d->requests, d->symbol->name);

	for (const char *tail = ""; r; r = r->overrides, tail = " (given way)") {
		_cleanup_(free) char *text = fragment_request_text(r), *place = fragment_request_place(r);

		strv_addf(lines, "%s in %s%s", text, place, tail);
	}
	end_list(d);
}

static void add_place(const struct kconfig_entry *e, struct strv *lines)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT, path = BUF_INIT;

	buf_printf(&b, "%s:%d", e->file, e->line);
	for (const struct kconfig_entry *p = e->parent; p; p = p->parent) {
		_cleanup_(free) char *rest = NULL;

		if (p->kind != KCONFIG_ENTRY_MENU || !p->prompt)
			continue;
		rest = buf_steal(&path);
		buf_printf(&path, "%s%s%s", p->prompt, *rest ? " > " : "", rest);
	}
	if (path.len)
		buf_printf(&b, ", in the menu %s", buf_str(&path));
	strv_take(lines, buf_steal(&b));
}

static void add_definitions(struct describer *d)
{
	struct strv *lines = add_fact(d, "defined", "defined at", true);

	for (const struct kconfig_entry *e = d->symbol->entries; e; e = e->next_of)
		add_place(e, lines);
}

/* Each of the conditions that must all hold has a line. */
static void add_condition(struct describer *d, const struct kconfig_expr *e)
{
	struct strv *lines = &d->to->v[d->to->n - 1].lines;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (e->op == KCONFIG_OP_AND) {
		add_condition(d, e->left);
		add_condition(d, e->right);
		return;
	}
	buf_puts(&b, d->prefix);
	kconfig_expr_print(&b, e, d->values, KCONFIG_OP_OR);
	if (kconfig_eval(d->values, e).high == TRISTATE_N)
		buf_puts(&b, ": doesn't hold");
	if (!strv_contains(lines, buf_str(&b)))
		strv_take(lines, buf_steal(&b));
}

static bool take_condition(const struct kconfig_expr *condition, void *data)
{
	add_condition(data, condition);
	return true;
}

static void add_dependencies(struct describer *d)
{
	bool several = d->symbol->entries->next_of != NULL;

	add_fact(d, "depends", "depends on", true);
	for (const struct kconfig_entry *e = d->symbol->entries; e; e = e->next_of) {
		_cleanup_(free) char *prefix = several ? xasprintf("at %s:%d: ", e->file, e->line) : xstrdup("");

		d->prefix = prefix;
		kconfig_entry_conditions(e, take_condition, d);
	}
	end_list(d);
}

static void add_choice(struct describer *d)
{
	struct strv *lines = add_fact(d, "choice", "one of", true);

	for (const struct kconfig_entry *e = d->symbol->entries; e; e = e->next_of) {
		for (const struct kconfig_entry *m = e->choice ? e->choice->members : NULL; m; m = m->next_member)
			strv_addf(lines, "%s (=%s)", m->symbol->name,
				  tristate_name(kconfig_tristate(d->values, m->symbol)));
	}
	end_list(d);
}

static void add_if(struct buf *b, const struct kconfig_values *v, const struct kconfig_expr *condition)
{
	if (!condition)
		return;
	buf_puts(b, " if ");
	kconfig_expr_print(b, condition, v, KCONFIG_OP_OR);
}

/* Those that do it now, then some of the others. */
static void add_selectors(struct describer *d, const char *key, const char *title, const struct kconfig_property *list)
{
	struct strv *lines = add_fact(d, key, title, true);
	size_t more = 0;

	for (int active = 1; active >= 0; active--) {
		for (const struct kconfig_property *p = list; p; p = p->next_source) {
			const struct kconfig_symbol *by = p->entry->symbol;
			_cleanup_(buf_deinit) struct buf b = BUF_INIT;

			if (!by || (kconfig_select_value(d->values, p).high != TRISTATE_N) != active)
				continue;
			if (lines->n >= LIST_MAX) {
				more++;
				continue;
			}
			buf_printf(&b, "%s (=%s)", by->name, tristate_name(kconfig_tristate(d->values, by)));
			add_if(&b, d->values, p->condition);
			buf_printf(&b, " at %s:%d", p->entry->file, p->line);
			strv_take(lines, buf_steal(&b));
		}
	}
	if (more)
		strv_addf(lines, "and %zu more", more);
	end_list(d);
}

static void add_property(struct describer *d, const struct kconfig_property *p, struct strv *lines)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	if (p->kind == KCONFIG_SELECT || p->kind == KCONFIG_IMPLY) {
		buf_puts(&b, p->target->name);
	} else if (p->kind == KCONFIG_RANGE) {
		kconfig_expr_print(&b, p->low, NULL, KCONFIG_OP_OR);
		buf_puts(&b, " to ");
		kconfig_expr_print(&b, p->high, NULL, KCONFIG_OP_OR);
	} else {
		/* A number looks like the name of an option, which there isn't. */
		bool literal = p->value->op == KCONFIG_OP_SYMBOL && !p->value->symbol->entries;

		kconfig_expr_print(&b, p->value, literal ? NULL : d->values, KCONFIG_OP_OR);
	}
	add_if(&b, d->values, p->condition);
	strv_take(lines, buf_steal(&b));
}

static void add_properties(struct describer *d, const char *key, const char *title, enum kconfig_property_kind kind)
{
	struct strv *lines = add_fact(d, key, title, true);

	for (const struct kconfig_entry *e = d->symbol->entries; e; e = e->next_of) {
		for (const struct kconfig_property *p = e->properties; p; p = p->next)
			if (p->kind == kind)
				add_property(d, p, lines);
	}
	end_list(d);
}

static void add_why(struct describer *d, const struct fragment_request *r, const char *key, const char *title)
{
	struct strv *lines = add_fact(d, key, title, true);
	struct kconfig_why why;

	kconfig_explain(d->values, d->requests, r, &why);
	for (size_t i = 0; i < why.lines.n; i++)
		strv_add(lines, why.lines.v[i]);
	if (why.cause) {
		_cleanup_(free) char *text = fragment_request_text(why.cause);
		_cleanup_(free) char *place = fragment_request_place(why.cause);

		strv_addf(lines, "it gave way to %s in %s", text, place);
	}
	kconfig_why_deinit(&why);
	end_list(d);
}

/* Why it isn't what was asked for; else why it can't be set; else how. */
static void add_outlook(struct describer *d)
{
	const struct kconfig_symbol *s = d->symbol;
	const struct fragment_request *r = fragment_set_find(d->requests, s->name);
	bool is_switch = s->type == KCONFIG_BOOL || s->type == KCONFIG_TRISTATE;
	/* As if it were asked for on the command line. */
	const struct fragment_request on = { .name = s->name, .value = "y", .layer = FRAGMENT_CONFIG, .file = "" };

	if (r && !kconfig_request_holds(r, kconfig_value(d->values, s)))
		add_why(d, r, "not_as_asked", "not as asked");
	else if (!kconfig_visibility(d->values, s).high && is_switch && kconfig_tristate(d->values, s) < TRISTATE_Y)
		add_why(d, &on, "cannot_be_set", "can't be set");
	else if (!kconfig_visibility(d->values, s).high)
		strv_add(add_fact(d, "cannot_be_set", "can't be set", true),
			 kconfig_has_prompt(s) ? "its prompt isn't shown as things are"
					       : "it has no prompt: other options and its default decide");
	else
		strv_addf(add_fact(d, "set_with", "set it with", false), "%s=%s in [kconfig] of ktb.conf, or --kconfig",
			  s->name,
			  s->type == KCONFIG_TRISTATE ? "y|m|n"
			  : is_switch                 ? "y|n"
			  : s->type == KCONFIG_STRING ? "\"TEXT\""
						      : "NUMBER");
}

static void add_help(struct describer *d)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct strv *lines = add_fact(d, "help", "help", true);

	for (const struct kconfig_entry *e = d->symbol->entries; e && !b.len; e = e->next_of)
		kconfig_help(e, &b);
	for (char *p = b.len ? strip(b.data) : NULL; p;) {
		char *line = strsep(&p, "\n");

		strv_add(lines, line);
	}
	end_list(d);
}

static const char *type_name(enum kconfig_type type)
{
	static const char *const names[] = {
		[KCONFIG_UNKNOWN] = "unknown", [KCONFIG_BOOL] = "bool", [KCONFIG_TRISTATE] = "tristate",
		[KCONFIG_INT] = "int",         [KCONFIG_HEX] = "hex",   [KCONFIG_STRING] = "string",
	};

	return names[type];
}

static const char *find_prompt(const struct kconfig_symbol *s)
{
	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of) {
		if (e->prompt)
			return e->prompt;
	}
	return NULL;
}

void kconfig_describe(const struct kconfig_values *v, const struct fragment_set *requests,
		      const struct kconfig_symbol *s, struct kconfig_description *ret)
{
	struct describer d = { .values = v, .requests = requests, .symbol = s, .to = ret };
	const char *prompt = find_prompt(s);

	*ret = (struct kconfig_description){ 0 };
	strv_add(add_fact(&d, "name", "name", false), s->name);
	strv_add(add_fact(&d, "type", "type", false), type_name(s->type));
	if (prompt)
		strv_add(add_fact(&d, "prompt", "prompt", false), prompt);
	add_value(&d);
	add_requests(&d);
	add_outlook(&d);
	add_definitions(&d);
	add_dependencies(&d);
	add_choice(&d);
	add_selectors(&d, "selected_by", "selected by", s->selects);
	add_selectors(&d, "implied_by", "implied by", s->implies);
	add_properties(&d, "selects", "selects", KCONFIG_SELECT);
	add_properties(&d, "implies", "implies", KCONFIG_IMPLY);
	add_properties(&d, "defaults", "default", KCONFIG_DEFAULT);
	add_properties(&d, "ranges", "range", KCONFIG_RANGE);
	add_help(&d);
}
