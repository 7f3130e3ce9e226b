/*
 * An option that is lower than it was asked for has a prompt that isn't shown, or none at all, or stands back in a
 * choice; one that is higher is selected, or at a default that no prompt can change. Each condition that fails is
 * followed to the options that it hangs on, some levels deep, until there is one that the reader can set.
 *
 * On the way the requests are asked as well: if an option that stands in the way stands there because a higher layer
 * asked for it, then that is the cause, and the request at hand has simply been overridden. Whatever is said or left
 * unsaid, the search for a cause goes on; `silent` is for the ways that are not worth a line.
 */
#include "kbuild/kconfig_explain.h"

#include <string.h>

#include "kbuild/kconfig_explainer.h"

const char *kconfig_reason_name(enum kconfig_reason reason)
{
	static const char *const names[] = {
		[KCONFIG_REASON_UNKNOWN] = "unknown",       [KCONFIG_REASON_NO_SUCH_OPTION] = "no-such-option",
		[KCONFIG_REASON_DEPENDENCY] = "dependency", [KCONFIG_REASON_CHOICE] = "choice",
		[KCONFIG_REASON_NO_PROMPT] = "no-prompt",   [KCONFIG_REASON_SELECTED] = "selected",
		[KCONFIG_REASON_VALUE] = "value",
	};

	return names[reason];
}

void kconfig_why_deinit(struct kconfig_why *w)
{
	strv_deinit(&w->lines);
}

/* Selects that make s as high as it is, at most EXPLAIN_LIST_MAX of them in words. */
static size_t explain_selectors(struct explainer *x, const struct kconfig_property *list, const char *does,
				enum tristate above)
{
	size_t n = 0;

	for (const struct kconfig_property *p = list; p; p = p->next_source) {
		const struct kconfig_symbol *by = p->entry->symbol;
		_cleanup_(free) char *asked = NULL;

		if (!by || kconfig_select_value(x->values, p).high <= above)
			continue;
		asked = explain_asked_for(x, by);
		if (!*asked)
			explain_trace_selectors(x, by);
		if (n++ < EXPLAIN_LIST_MAX)
			explain_say(x, "%s by %s (=%s) at %s:%d%s", does, by->name,
				    tristate_name(kconfig_tristate(x->values, by)), p->entry->file, p->line, asked);
	}
	if (n > EXPLAIN_LIST_MAX)
		explain_say(x, "and by %zu more", n - EXPLAIN_LIST_MAX);
	return n;
}

static void explain_last_member(struct explainer *x, const struct kconfig_entry *e)
{
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;
	size_t n = 0;

	for (const struct kconfig_entry *m = e->choice->members; m; m = m->next_member)
		if (m->symbol != e->symbol && kconfig_entry_visibility(x->values, m).high != TRISTATE_N)
			explain_list(&list, n++, m->symbol->name);
	explain_list_end(&list, n);
	explain_reason(x, KCONFIG_REASON_CHOICE);
	explain_say(x, "is what the choice \"%s\" (%s:%d) comes down to", explain_title(e->choice), e->choice->file,
		    e->choice->line);
	if (n)
		explain_say(x, "set another member of it: %s", buf_str(&list));
	else
		explain_say(x, "no other member of it can be set in this configuration");
}

/* Nobody selects it, so it is its default, which can't be changed by hand. */
static void explain_stuck_default(struct explainer *x, const struct kconfig_symbol *s, enum tristate need)
{
	const struct kconfig_property *p = kconfig_active_default(x->values, s);
	const struct kconfig_entry *e = explain_nearest_entry(x, s, need);
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

	if (!e) {
		explain_reason(x, KCONFIG_REASON_NO_PROMPT);
		explain_say(x, "has no prompt, so it can't be set by hand");
		if (p)
			explain_say(x, "its value is the default at %s:%d", p->entry->file, p->line);
		return;
	}
	kconfig_blockers_add_entry(&b, x->values, e, need);
	if (!b.n)
		return;
	explain_reason(x, KCONFIG_REASON_DEPENDENCY);
	if (p)
		explain_say(x, "is at its default (%s:%d), which can't be changed as things are: its prompt",
			    p->entry->file, p->line);
	else
		explain_say(x, "can't be changed as things are: its prompt");
	x->depth++;
	explain_blockers(x, &b, need);
	x->depth--;
}

/* Why s is more than was asked for. */
static void explain_high(struct explainer *x, const struct kconfig_symbol *s, enum tristate wanted)
{
	const struct kconfig_symbol *modules = kconfig_tree_modules(x->values->tree);

	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of) {
		if (e->choice && kconfig_chosen(x->values, e->choice) == e) {
			explain_last_member(x, e);
			return;
		}
	}
	if (explain_selectors(x, s->selects, "is selected", wanted)) {
		explain_reason(x, KCONFIG_REASON_SELECTED);
		return;
	}
	if (wanted == TRISTATE_M && modules && kconfig_tristate(x->values, modules) == TRISTATE_N) {
		_cleanup_(free) char *asked = explain_asked_for(x, modules);

		explain_reason(x, KCONFIG_REASON_DEPENDENCY);
		explain_say(x, "m needs %s (=n)%s", modules->name, asked);
		return;
	}
	if (!kconfig_visibility(x->values, s).high && explain_selectors(x, s->implies, "is implied", wanted))
		explain_reason(x, KCONFIG_REASON_SELECTED);
	explain_stuck_default(x, s, TRISTATE_M);
}

/* True, having said so, if the value is none that an option of this type can have. */
static bool explain_type(struct explainer *x, const struct kconfig_symbol *s)
{
	const struct fragment_request *r = x->about;
	const char *problem = NULL;

	switch (s->type) {
	case KCONFIG_BOOL:
		if (r->kind != DOTCONFIG_TRISTATE)
			problem = "is a bool: y or n";
		else if (streq(r->value, "m"))
			problem = "is a bool: y or n, it can't be a module";
		break;
	case KCONFIG_TRISTATE:
		problem = r->kind != DOTCONFIG_TRISTATE ? "is a tristate: y, m or n" : NULL;
		break;
	case KCONFIG_INT:
		problem = r->kind != DOTCONFIG_NUMBER || strchr(r->value, 'x') ? "is an int: a decimal number" : NULL;
		break;
	case KCONFIG_HEX:
		problem = r->kind != DOTCONFIG_NUMBER ? "is a hex: a hexadecimal number, such as 0x10" : NULL;
		break;
	case KCONFIG_STRING:
		problem = r->kind != DOTCONFIG_STRING ? "is a string: the value must be in double quotes" : NULL;
		break;
	case KCONFIG_UNKNOWN:
		break;
	}
	if (!problem)
		return false;
	explain_reason(x, KCONFIG_REASON_VALUE);
	explain_say(x, "%s", problem);
	return true;
}

/* Numbers and strings, of the right type. */
static void explain_value(struct explainer *x, const struct kconfig_symbol *s)
{
	const struct kconfig_property *range = kconfig_active_range(x->values, s);
	_cleanup_(buf_deinit) struct buf low = BUF_INIT, high = BUF_INIT;

	if (!kconfig_visibility(x->values, s).high) {
		explain_low(x, s, TRISTATE_M);
		return;
	}
	if (!range)
		return;
	kconfig_expr_print(&low, range->low, NULL, KCONFIG_OP_OR);
	kconfig_expr_print(&high, range->high, NULL, KCONFIG_OP_OR);
	explain_reason(x, KCONFIG_REASON_VALUE);
	explain_say(x, "must be from %s to %s (%s:%d)", buf_str(&low), buf_str(&high), range->entry->file, range->line);
}

static void explain_unknown_name(struct explainer *x)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *names = NULL;

	explain_reason(x, KCONFIG_REASON_NO_SUCH_OPTION);
	kconfig_tree_nearest(x->values->tree, x->about->name, EXPLAIN_LIST_MAX, &near);
	if (!near.n) {
		explain_say(x, "this kernel has no such option");
		return;
	}
	names = strv_join(&near, ", ");
	explain_say(x, "this kernel has no such option; is one of these meant? %s", names);
}

static void explain_tristate(struct explainer *x, const struct kconfig_symbol *s)
{
	enum tristate wanted = tristate_parse(x->about->value), got = kconfig_tristate(x->values, s);

	if (got < wanted)
		explain_low(x, s, explain_need(s, wanted));
	else
		explain_high(x, s, wanted);
}

void kconfig_explain(const struct kconfig_values *v, const struct fragment_set *requests,
		     const struct fragment_request *r, struct kconfig_why *ret)
{
	const struct kconfig_symbol *s = kconfig_tree_find(v->tree, r->name);
	struct explainer x = { .values = v, .requests = requests, .about = r, .why = ret };

	*ret = (struct kconfig_why){ 0 };
	if (!s || !s->entries)
		explain_unknown_name(&x);
	else if (explain_type(&x, s))
		return;
	else if (s->type == KCONFIG_BOOL || s->type == KCONFIG_TRISTATE)
		explain_tristate(&x, s);
	else
		explain_value(&x, s);
	if (!ret->lines.n)
		explain_say(&x, "the Kconfig files don't tell why; `make menuconfig` may, with a search for the name");
}
