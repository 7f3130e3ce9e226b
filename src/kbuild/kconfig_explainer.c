#include "kbuild/kconfig_explainer.h"

#include <stdarg.h>
#include <string.h>

void explain_say(struct explainer *x, const char *fmt, ...)
{
	_cleanup_(free) char *text = NULL;
	va_list ap;

	if (x->silent || x->why->lines.n >= EXPLAIN_LINES_MAX)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < x->why->lines.n; i++) {
		const char *line = x->why->lines.v[i];

		if (streq(line + strspn(line, " "), text))
			return;
	}
	strv_addf(&x->why->lines, "%*s%s", 2 * x->depth, "", text);
}

void explain_reason(struct explainer *x, enum kconfig_reason reason)
{
	if (x->why->reason == KCONFIG_REASON_UNKNOWN)
		x->why->reason = reason;
}

const struct fragment_request *explain_blame(struct explainer *x, const struct kconfig_symbol *s)
{
	const struct fragment_request *r = fragment_set_find(x->requests, s->name);
	const char *value = kconfig_value(x->values, s);

	if (!r || !value || !streq(r->value, value))
		return NULL;
	if (r->layer > x->about->layer && !x->why->cause)
		x->why->cause = r;
	return r;
}

char *explain_asked_for(struct explainer *x, const struct kconfig_symbol *s)
{
	const struct fragment_request *r = explain_blame(x, s);
	_cleanup_(free) char *place = r ? fragment_request_place(r) : NULL;

	return place ? xasprintf(", asked for in %s", place) : xstrdup("");
}

void explain_list(struct buf *b, size_t n, const char *s)
{
	if (n < EXPLAIN_LIST_MAX)
		buf_printf(b, "%s%s", n ? ", " : "", s);
}

void explain_list_end(struct buf *b, size_t n)
{
	if (n > EXPLAIN_LIST_MAX)
		buf_printf(b, " and %zu more", n - EXPLAIN_LIST_MAX);
}

void explain_trace_selectors(struct explainer *x, const struct kconfig_symbol *s)
{
	if (x->depth >= EXPLAIN_DEPTH_MAX)
		return;
	x->depth++;
	for (const struct kconfig_property *p = s->selects; p && x->steps < EXPLAIN_STEPS_MAX; p = p->next_source) {
		if (kconfig_select_value(x->values, p).high == TRISTATE_N)
			continue;
		x->steps++;
		if (!explain_blame(x, p->entry->symbol))
			explain_trace_selectors(x, p->entry->symbol);
	}
	x->depth--;
}

enum tristate explain_need(const struct kconfig_symbol *s, enum tristate wanted)
{
	return s->type == KCONFIG_TRISTATE ? wanted : TRISTATE_M;
}

const char *explain_title(const struct kconfig_entry *choice)
{
	return choice->prompt ? choice->prompt : "without a name";
}
