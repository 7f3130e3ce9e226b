#include "kbuild/kconfig_visibility.h"

#include "base/util.h"

static bool call(const struct kconfig_expr *condition, bool (*f)(const struct kconfig_expr *condition, void *data),
		 void *data)
{
	return !condition || f(condition, data);
}

/* The prompt's own `if` of a choice counts for its members, that of other entries only for themselves. */
void kconfig_entry_conditions(const struct kconfig_entry *e,
			      bool (*f)(const struct kconfig_expr *condition, void *data), void *data)
{
	if (!call(e->prompt_if, f, data) || !call(e->depends, f, data))
		return;
	for (e = e->parent; e; e = e->parent)
		if (!call(e->depends, f, data) || !call(e->visible_if, f, data) || !call(e->prompt_if, f, data))
			return;
}

struct evaluation {
	const struct kconfig_values *values;
	struct kconfig_range range;
};

static bool lower(const struct kconfig_expr *condition, void *data)
{
	struct evaluation *ev = data;
	struct kconfig_range r = kconfig_eval(ev->values, condition);

	ev->range.low = MIN(ev->range.low, r.low);
	ev->range.high = MIN(ev->range.high, r.high);
	return ev->range.high != TRISTATE_N;
}

struct kconfig_range kconfig_entry_visibility(const struct kconfig_values *v, const struct kconfig_entry *e)
{
	struct evaluation ev = { v, { TRISTATE_Y, TRISTATE_Y } };

	if (!e->prompt)
		return (struct kconfig_range){ TRISTATE_N, TRISTATE_N };
	kconfig_entry_conditions(e, lower, &ev);
	ev.range.low = MIN(ev.range.low, ev.range.high);
	return ev.range;
}

struct kconfig_range kconfig_visibility(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	struct kconfig_range all = { TRISTATE_N, TRISTATE_N };

	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of) {
		struct kconfig_range r = kconfig_entry_visibility(v, e);

		all.low = MAX(all.low, r.low);
		all.high = MAX(all.high, r.high);
	}
	if (s->type != KCONFIG_TRISTATE) {
		all.low = all.low ? TRISTATE_Y : TRISTATE_N;
		all.high = all.high ? TRISTATE_Y : TRISTATE_N;
	}
	return all;
}

bool kconfig_has_prompt(const struct kconfig_symbol *s)
{
	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of)
		if (e->prompt)
			return true;
	return false;
}

/*
 * How far an entry itself is in effect, whether or not its prompt is shown. For members of a choice that is limited to
 * m, Kconfig's versions differ: to 6.1 the choice is a bool, and so y; to 6.12 it limits its members to m.
 */
static struct kconfig_range effect(const struct kconfig_values *v, const struct kconfig_entry *e)
{
	struct evaluation ev = { v, { TRISTATE_Y, TRISTATE_Y } };

	for (; e; e = e->parent) {
		if (e->depends)
			lower(e->depends, &ev);
		if (e->parent && e->parent->kind == KCONFIG_ENTRY_CHOICE && e->parent->type == KCONFIG_BOOL) {
			struct kconfig_range choice = effect(v, e->parent);

			ev.range.low = MIN(ev.range.low, choice.low);
			ev.range.high = choice.high ? ev.range.high : TRISTATE_N;
			break;
		}
	}
	return ev.range;
}

struct kconfig_range kconfig_select_value(const struct kconfig_values *v, const struct kconfig_property *select)
{
	struct kconfig_range condition = kconfig_eval(v, select->condition), entry = effect(v, select->entry);
	enum tristate value = select->entry->symbol ? kconfig_tristate(v, select->entry->symbol) : TRISTATE_N;

	return (struct kconfig_range){ MIN(MIN(condition.low, value), entry.low),
				       MIN(MIN(condition.high, value), entry.high) };
}

/* The first property of a kind that counts. */
static const struct kconfig_property *active_property(const struct kconfig_values *v, const struct kconfig_symbol *s,
						      enum kconfig_property_kind kind)
{
	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of) {
		if (effect(v, e).high == TRISTATE_N)
			continue;
		for (const struct kconfig_property *p = e->properties; p; p = p->next)
			if (p->kind == kind && kconfig_eval(v, p->condition).high != TRISTATE_N)
				return p;
	}
	return NULL;
}

const struct kconfig_property *kconfig_active_default(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	return active_property(v, s, KCONFIG_DEFAULT);
}

const struct kconfig_property *kconfig_active_range(const struct kconfig_values *v, const struct kconfig_symbol *s)
{
	return active_property(v, s, KCONFIG_RANGE);
}

const struct kconfig_entry *kconfig_chosen(const struct kconfig_values *v, const struct kconfig_entry *choice)
{
	for (const struct kconfig_entry *e = choice->members; e; e = e->next_member)
		if (kconfig_tristate(v, e->symbol) == TRISTATE_Y)
			return e;
	return NULL;
}

bool kconfig_is_hopeless(const struct kconfig_symbol *s)
{
	if (kconfig_has_prompt(s) || s->selects || s->implies)
		return false;
	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of)
		for (const struct kconfig_property *p = e->properties; p; p = p->next)
			if (p->kind == KCONFIG_DEFAULT)
				return false;
	return true;
}
