/*
 * What Kconfig would let be set by hand, and what options do to each other: scripts/kconfig/symbol.c.
 */
#pragma once

#include "kbuild/kconfig_expr.h"

/*
 * Calls f for each condition under which the prompt of an entry is shown, none of them NULL: its own first, then those
 * of what encloses it. Stops if f returns false.
 */
void kconfig_entry_conditions(const struct kconfig_entry *e,
			      bool (*f)(const struct kconfig_expr *condition, void *data), void *data);

/* How far the prompt is shown; n without one. */
struct kconfig_range kconfig_entry_visibility(const struct kconfig_values *v, const struct kconfig_entry *e);

/* The same for all definitions of a symbol. A bool that could be m can be y. */
struct kconfig_range kconfig_visibility(const struct kconfig_values *v, const struct kconfig_symbol *s);

bool kconfig_has_prompt(const struct kconfig_symbol *s);

/* To what a select or an imply raises its target: the value of the option that does it, as far as its `if` holds. */
struct kconfig_range kconfig_select_value(const struct kconfig_values *v, const struct kconfig_property *select);

/* The default that counts: the first whose condition can hold, and which isn't ruled out by its entry's. Or NULL. */
const struct kconfig_property *kconfig_active_default(const struct kconfig_values *v, const struct kconfig_symbol *s);

/* The range that counts, or NULL. */
const struct kconfig_property *kconfig_active_range(const struct kconfig_values *v, const struct kconfig_symbol *s);

/* The member of the choice that is set, or NULL. */
const struct kconfig_entry *kconfig_chosen(const struct kconfig_values *v, const struct kconfig_entry *choice);

/* True if nothing can ever set the symbol in this tree: not defined, or without prompt, default and selects. */
bool kconfig_is_hopeless(const struct kconfig_symbol *s);
