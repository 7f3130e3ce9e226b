/*
 * Why an option is less than it should be. Each condition that fails is followed to the options that it hangs on, until
 * there is one that the reader can set.
 */
#include <string.h>

#include "kbuild/kconfig_explainer.h"

/* "NAME " below the first level, where it isn't clear of what is spoken. */
static char *subject(const struct explainer *x, const struct kconfig_symbol *s)
{
	return x->depth ? xasprintf("%s ", s->name) : xstrdup("");
}

static void go_deeper(struct explainer *x, const struct kconfig_symbol *s, enum tristate need)
{
	if (x->depth >= EXPLAIN_DEPTH_MAX || x->steps >= EXPLAIN_STEPS_MAX)
		return;
	x->depth++;
	explain_low(x, s, need);
	x->depth--;
}

static bool in_choice(const struct kconfig_symbol *s)
{
	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of)
		if (e->choice)
			return true;
	return false;
}

/* True if it is enough to ask for it. */
static bool is_settable(const struct explainer *x, const struct kconfig_symbol *s, enum tristate need)
{
	return !in_choice(s) && kconfig_visibility(x->values, s).low >= need;
}

/* What to set s to: m only for somebody who asks for a module. */
static const char *proposal(const struct explainer *x, const struct kconfig_symbol *s)
{
	return s->type == KCONFIG_TRISTATE && streq(x->about->value, "m") ? "m" : "y";
}

/* The condition e asks for at least `need` of s. */
static void explain_symbol_blocker(struct explainer *x, const struct kconfig_symbol *s, const struct kconfig_expr *e,
				   enum tristate need)
{
	_cleanup_(free) char *asked = explain_asked_for(x, s);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	kconfig_expr_print(&text, e, x->values, KCONFIG_OP_OR);
	if (!s->entries) {
		explain_say(x, "needs %s, which no Kconfig file of this kernel defines", s->name);
	} else if (*asked) {
		explain_say(x, "needs %s%s", buf_str(&text), asked);
	} else if (is_settable(x, s, explain_need(s, need))) {
		explain_say(x, "needs %s: set %s=%s", buf_str(&text), s->name,
			    need == TRISTATE_Y ? "y" : proposal(x, s));
	} else {
		explain_say(x, "needs %s", buf_str(&text));
		go_deeper(x, s, explain_need(s, need));
	}
}

struct mention {
	struct explainer *x;
	struct buf *settable;
	size_t n;
	enum tristate need;
};

/* A symbol in a condition that is said as a whole: it may be to blame, or be what there is to set. */
static void mention_symbol(const struct kconfig_symbol *s, void *data)
{
	struct mention *m = data;

	if (!s->entries || explain_blame(m->x, s))
		return;
	if (kconfig_tristate(m->x->values, s) != TRISTATE_N) {
		explain_trace_selectors(m->x, s);
	} else if (is_settable(m->x, s, explain_need(s, m->need))) {
		_cleanup_(free) char *text = xasprintf("%s=%s", s->name, proposal(m->x, s));

		explain_list(m->settable, m->n++, text);
	} else {
		m->x->silent++;
		go_deeper(m->x, s, m->need);
		m->x->silent--;
	}
}

/* True if any one of the symbols in e, if it were set, would do. */
static bool is_alternatives(const struct kconfig_expr *e)
{
	if (e->op == KCONFIG_OP_OR)
		return is_alternatives(e->left) && is_alternatives(e->right);
	return e->op != KCONFIG_OP_AND;
}

static void explain_other_blocker(struct explainer *x, const struct kconfig_expr *e, enum tristate need)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT, settable = BUF_INIT;
	struct mention m = { x, &settable, 0, need };

	kconfig_expr_print(&text, e, x->values, KCONFIG_OP_OR);
	kconfig_expr_symbols(e, mention_symbol, &m);
	explain_list_end(&settable, m.n);
	if (e->op == KCONFIG_OP_NOT && e->left->op == KCONFIG_OP_SYMBOL) {
		_cleanup_(free) char *asked = explain_asked_for(x, e->left->symbol);

		explain_say(x, "needs %s%s", buf_str(&text), asked);
	} else if (e->op == KCONFIG_OP_OR && m.n && is_alternatives(e)) {
		explain_say(x, "needs %s: set %s%s", buf_str(&text), m.n > 1 ? "one of " : "", buf_str(&settable));
	} else {
		explain_say(x, "needs %s", buf_str(&text));
	}
}

/* `A = y` is the way to say that m won't do. */
static bool is_equal_to_y(const struct kconfig_expr *e)
{
	return e->op == KCONFIG_OP_EQUAL && e->left->op == KCONFIG_OP_SYMBOL && e->right->op == KCONFIG_OP_CONSTANT &&
	       streq(e->right->text, "y");
}

void explain_blockers(struct explainer *x, const struct kconfig_blockers *b, enum tristate need)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->v[i]->op == KCONFIG_OP_SYMBOL)
			explain_symbol_blocker(x, b->v[i]->symbol, b->v[i], need);
		else if (is_equal_to_y(b->v[i]))
			explain_symbol_blocker(x, b->v[i]->left->symbol, b->v[i], TRISTATE_Y);
		else
			explain_other_blocker(x, b->v[i], need);
	}
}

static void explain_choice(struct explainer *x, const struct kconfig_entry *e)
{
	const struct kconfig_entry *chosen = kconfig_chosen(x->values, e->choice);
	_cleanup_(free) char *asked = chosen ? explain_asked_for(x, chosen->symbol) : xstrdup("");
	_cleanup_(free) char *who = subject(x, e->symbol), *advice = NULL;
	const char *name = e->symbol->name;

	if (*asked && fragment_set_find(x->requests, name))
		advice = xstrdup("take out one of the two");
	else if (*asked)
		advice = xasprintf("ask for %s=y in its place", name);
	else if (chosen && !x->depth)
		advice = xasprintf("set %s=y and %s=n", name, chosen->symbol->name);
	else
		advice = xasprintf("set %s=y", name);
	explain_reason(x, KCONFIG_REASON_CHOICE);
	explain_say(x, "%sis in the choice \"%s\" (%s:%d), %s%s%s%s: %s", who, explain_title(e->choice),
		    e->choice->file, e->choice->line, chosen ? "which " : "of which nothing is set",
		    chosen ? chosen->symbol->name : "", chosen ? " holds" : "", asked, advice);
}

/* The choice in which all options that select s are, if there is one; *ret_first is one of them. */
static const struct kconfig_entry *common_choice(const struct kconfig_symbol *s, const struct kconfig_entry **ret_first)
{
	const struct kconfig_entry *choice = NULL;

	for (const struct kconfig_property *p = s->selects; p; p = p->next_source) {
		if (!p->entry->choice || (choice && p->entry->choice != choice))
			return NULL;
		choice = p->entry->choice;
		*ret_first = p->entry;
	}
	return choice;
}

/* Options that select s and that something could bring about; *ret_only is the only one, or NULL. */
static size_t list_selectors(const struct explainer *x, const struct kconfig_symbol *s, struct buf *b,
			     const struct kconfig_property **ret_only)
{
	size_t n = 0;

	*ret_only = NULL;
	for (const struct kconfig_property *p = s->selects; p; p = p->next_source) {
		_cleanup_(free) char *text = NULL;

		if (!p->entry->symbol || kconfig_is_hopeless(p->entry->symbol))
			continue;
		text = xasprintf("%s (=%s)", p->entry->symbol->name,
				 tristate_name(kconfig_tristate(x->values, p->entry->symbol)));
		*ret_only = n ? NULL : p;
		explain_list(b, n++, text);
	}
	explain_list_end(b, n);
	return n;
}

/* A select that doesn't: its option isn't set, or its `if` doesn't hold. */
static void explain_select(struct explainer *x, const struct kconfig_property *p)
{
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

	if (kconfig_tristate(x->values, p->entry->symbol) == TRISTATE_N) {
		if (!explain_blame(x, p->entry->symbol))
			go_deeper(x, p->entry->symbol, TRISTATE_M);
		return;
	}
	if (!p->condition)
		return;
	kconfig_blockers_add(&b, x->values, p->condition, TRISTATE_M);
	x->depth++;
	if (b.n)
		explain_say(x, "%s selects it only under a condition (%s:%d):", p->entry->symbol->name, p->entry->file,
			    p->line);
	x->depth++;
	explain_blockers(x, &b, TRISTATE_M);
	x->depth -= 2;
}

/* Without a prompt and without anybody to select it: what its default makes of it. */
static void explain_default(struct explainer *x, const struct kconfig_symbol *s, const char *who)
{
	const struct kconfig_property *p = kconfig_active_default(x->values, s);
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

	if (!p) {
		for (const struct kconfig_entry *e = s->entries; e && !p; e = e->next_of)
			for (p = e->properties; p && p->kind != KCONFIG_DEFAULT;)
				p = p->next;
		if (!p) {
			explain_say(x, "%shas no prompt, and nothing in this kernel sets it", who);
			return;
		}
		kconfig_blockers_add_entry(&b, x->values, p->entry, TRISTATE_M);
		if (p->condition)
			kconfig_blockers_add(&b, x->values, p->condition, TRISTATE_M);
	}
	kconfig_blockers_add(&b, x->values, p->value, TRISTATE_M);
	explain_say(x, "%shas no prompt: Kconfig works it out of other options, at %s:%d", who, p->entry->file,
		    p->line);
	x->depth++;
	explain_blockers(x, &b, TRISTATE_M);
	x->depth--;
}

/* Says so if several options would do, and all of them are members of one choice. */
static bool explain_common_choice(struct explainer *x, const struct kconfig_symbol *s)
{
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };
	const struct kconfig_entry *first = NULL, *choice = common_choice(s, &first);

	if (!choice)
		return false;
	explain_say(x, "set one of them; all are in the choice \"%s\" (%s:%d)", explain_title(choice), choice->file,
		    choice->line);
	kconfig_blockers_add_entry(&b, x->values, choice, TRISTATE_M);
	explain_blockers(x, &b, TRISTATE_M);
	return true;
}

/* Of many options that would do, those that can simply be set. Returns their number. */
static size_t explain_settable_selectors(struct explainer *x, const struct kconfig_symbol *s)
{
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;
	size_t n = 0;

	for (const struct kconfig_property *p = s->selects; p; p = p->next_source) {
		const struct kconfig_symbol *by = p->entry->symbol;
		_cleanup_(free) char *text = NULL;

		if (!by || !is_settable(x, by, TRISTATE_M) || kconfig_tristate(x->values, by) != TRISTATE_N ||
		    kconfig_eval(x->values, p->condition).low == TRISTATE_N)
			continue;
		text = xasprintf("%s=%s", by->name, proposal(x, by));
		explain_list(&list, n++, text);
	}
	explain_list_end(&list, n);
	if (n)
		explain_say(x, "set %s%s", n > 1 ? "one of " : "", buf_str(&list));
	return n;
}

/* How much stands in the way of an option; SIZE_MAX if nothing can be done about it. */
static size_t count_obstacles(const struct explainer *x, const struct kconfig_symbol *s)
{
	const struct kconfig_entry *e = explain_nearest_entry(x, s, TRISTATE_M);
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

	if (!e)
		return SIZE_MAX;
	kconfig_blockers_add_entry(&b, x->values, e, TRISTATE_M);
	for (size_t i = 0; i < b.n; i++)
		if (b.v[i]->op == KCONFIG_OP_SYMBOL && kconfig_is_hopeless(b.v[i]->symbol))
			return SIZE_MAX;
	return b.n;
}

/* None of the options that would do can simply be set: what it takes for the one that is nearest to that. */
static void explain_nearest_selector(struct explainer *x, const struct kconfig_symbol *s)
{
	const struct kconfig_symbol *nearest = NULL;
	size_t best = SIZE_MAX;

	if (x->silent)
		return;
	for (const struct kconfig_property *p = s->selects; p; p = p->next_source) {
		const struct kconfig_symbol *by = p->entry->symbol;
		size_t n = by && kconfig_tristate(x->values, by) == TRISTATE_N ? count_obstacles(x, by) : SIZE_MAX;

		if (n < best) {
			best = n;
			nearest = by;
		}
	}
	if (!nearest)
		return;
	explain_say(x, "the nearest of them is %s, and that", nearest->name);
	go_deeper(x, nearest, TRISTATE_M);
}

static void explain_promptless(struct explainer *x, const struct kconfig_symbol *s)
{
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;
	_cleanup_(free) char *who = subject(x, s);
	const struct kconfig_property *only;
	size_t n = list_selectors(x, s, &list, &only);

	explain_reason(x, KCONFIG_REASON_NO_PROMPT);
	if (!n) {
		explain_default(x, s, who);
		return;
	}
	explain_say(x, "%shas no prompt: only options that select it can set it: %s", who, buf_str(&list));
	if (only) {
		explain_select(x, only);
		return;
	}
	x->depth++;
	if (!explain_common_choice(x, s) && !explain_settable_selectors(x, s))
		explain_nearest_selector(x, s);
	x->silent++;
	for (const struct kconfig_property *p = s->selects; p && x->steps < EXPLAIN_STEPS_MAX; p = p->next_source)
		if (p->entry->symbol)
			explain_select(x, p);
	x->silent--;
	x->depth--;
}

const struct kconfig_entry *explain_nearest_entry(const struct explainer *x, const struct kconfig_symbol *s,
						  enum tristate need)
{
	const struct kconfig_entry *best = NULL;
	size_t best_n = 0;

	for (const struct kconfig_entry *e = s->entries; e; e = e->next_of) {
		_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

		if (!e->prompt)
			continue;
		kconfig_blockers_add_entry(&b, x->values, e, need);
		if (!best || b.n < best_n) {
			best = e;
			best_n = b.n;
		}
	}
	return best;
}

static bool say_if_opaque(const struct kconfig_expr *condition, void *data)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct explainer *x = data;

	if (kconfig_eval(x->values, condition).low == TRISTATE_N) {
		kconfig_expr_print(&text, condition, x->values, KCONFIG_OP_OR);
		explain_say(x, "depends on what the compiler and the other tools can do: %s", buf_str(&text));
	}
	return true;
}

void explain_low(struct explainer *x, const struct kconfig_symbol *s, enum tristate need)
{
	const struct kconfig_entry *e = explain_nearest_entry(x, s, need);
	_cleanup_(kconfig_blockers_deinit) struct kconfig_blockers b = { 0 };

	x->steps++;
	if (!e) {
		explain_promptless(x, s);
		return;
	}
	kconfig_blockers_add_entry(&b, x->values, e, need);
	if (b.n) {
		explain_reason(x, KCONFIG_REASON_DEPENDENCY);
		explain_blockers(x, &b, need);
	} else if (e->choice) {
		explain_choice(x, e);
	} else if (kconfig_entry_visibility(x->values, e).low < need) {
		explain_reason(x, KCONFIG_REASON_DEPENDENCY);
		kconfig_entry_conditions(e, say_if_opaque, x);
	} else if (x->depth) {
		explain_say(x, "set %s=%s", s->name, proposal(x, s));
	}
}
