#include "kbuild/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void problems_deinit(struct kconfig_problems *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].value);
		free(p->v[i].defined);
		kconfig_why_deinit(&p->v[i].why);
	}
	free(p->v);
	*p = (struct kconfig_problems){ 0 };
}

void kconfig_verdict_deinit(struct kconfig_verdict *v)
{
	problems_deinit(&v->dropped);
	problems_deinit(&v->overridden);
}

/* Kconfig writes hexadecimal values with 0x, and takes them without. */
static bool same_number(const char *asked, const char *value)
{
	bool hex = strncmp(value, "0x", 2) == 0 || strncmp(value, "0X", 2) == 0;
	bool negative = *asked == '-', value_negative = *value == '-';
	unsigned long long a, b;
	char *end_a, *end_b;

	a = strtoull(asked + negative, &end_a, hex ? 16 : 10);
	b = strtoull(value + value_negative, &end_b, hex ? 16 : 10);
	return a == b && negative == value_negative && !*end_a && !*end_b && *value;
}

bool kconfig_request_holds(const struct fragment_request *r, const char *value)
{
	switch (r->kind) {
	case DOTCONFIG_TRISTATE:
		return streq(r->value, value ? value : "n");
	case DOTCONFIG_NUMBER:
		return value && (streq(r->value, value) || same_number(r->value, value));
	case DOTCONFIG_STRING:
	default:
		return value && streq(r->value, value);
	}
}

static char *definition_of(const struct kconfig_symbol *s)
{
	const struct kconfig_entry *e = s ? s->entries : NULL;

	/* A definition with a prompt is the one that people look for. */
	for (const struct kconfig_entry *other = e; other; other = other->next_of) {
		if (other->prompt) {
			e = other;
			break;
		}
	}
	return e ? xasprintf("%s:%d", e->file, e->line) : NULL;
}

static void add_problem(struct kconfig_problems *to, struct kconfig_problem *p)
{
	if (!(to->n & (to->n - 1)))
		to->v = xreallocarray(to->v, to->n ? 2 * to->n : 1, sizeof(*to->v));
	to->v[to->n++] = *p;
}

static void explain(const struct kconfig_values *v, const struct fragment_set *requests, struct kconfig_problem *p,
		    struct kconfig_verdict *ret)
{
	const struct kconfig_symbol *s = kconfig_tree_find(v->tree, p->request->name);

	if (p->request->if_known && (!s || !s->entries))
		return;
	p->defined = definition_of(s);
	p->type = s ? s->type : KCONFIG_UNKNOWN;
	kconfig_explain(v, requests, p->request, &p->why);
	add_problem(p->why.cause ? &ret->overridden : &ret->dropped, p);
	*p = (struct kconfig_problem){ 0 };
}

/* Without the Kconfig files, all that is known is that it was dropped. */
static void explain_without_tree(const struct err *e, struct kconfig_problem *p, struct kconfig_verdict *ret)
{
	strv_addf(&p->why.lines, "why isn't known: %s", err_message(e));
	add_problem(&ret->dropped, p);
	*p = (struct kconfig_problem){ 0 };
}

void kconfig_verify(const struct fragment_set *requests, const struct dotconfig *config,
		    const struct kconfig_reader *reader, struct kconfig_verdict *ret)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *tree = NULL;
	_cleanup_(err_destroy) struct err *e = NULL;

	*ret = (struct kconfig_verdict){ 0 };
	for (size_t i = 0; i < fragment_set_count(requests); i++) {
		const struct fragment_request *r = fragment_set_at(requests, i);
		const char *value = dotconfig_get(config, r->name);
		struct kconfig_problem p = { .request = r };

		if (kconfig_request_holds(r, value))
			continue;
		if (!tree && !e)
			e = kconfig_tree_load(reader, &tree);
		p.value = value ? xstrdup(value) : NULL;
		if (tree)
			explain(&(struct kconfig_values){ config, tree }, requests, &p, ret);
		else
			explain_without_tree(e, &p, ret);
		free(p.value);
	}
}

static void print_problem(const struct kconfig_problem *p, struct buf *b)
{
	_cleanup_(free) char *asked = fragment_request_text(p->request), *place = fragment_request_place(p->request);
	const char *quote = p->type == KCONFIG_STRING && p->value ? "\"" : "";
	const char *unset = p->request->kind == DOTCONFIG_TRISTATE ? "n" : "not set";

	buf_printf(b, "\n  %s, asked for in %s, ", asked, place);
	if (p->why.reason == KCONFIG_REASON_NO_SUCH_OPTION)
		buf_puts(b, "doesn't exist");
	else
		buf_printf(b, "is %s%s%s", quote, p->value ? p->value : unset, quote);
	if (p->defined)
		buf_printf(b, "\n      defined at %s", p->defined);
	for (size_t i = 0; i < p->why.lines.n; i++)
		buf_printf(b, "\n      %s", p->why.lines.v[i]);
}

void kconfig_verdict_print(const struct kconfig_verdict *v, struct buf *b)
{
	if (v->dropped.n == 1)
		buf_puts(b, "1 option that was asked for is not in the kernel's configuration:");
	else
		buf_printf(b, "%zu options that were asked for are not in the kernel's configuration:", v->dropped.n);
	for (size_t i = 0; i < v->dropped.n; i++)
		print_problem(&v->dropped.v[i], b);
}

static void print_overridden(const struct fragment_request *r, const struct fragment_request *by, struct buf *b)
{
	_cleanup_(free) char *text = fragment_request_text(r), *place = fragment_request_place(r);
	_cleanup_(free) char *by_text = fragment_request_text(by), *by_place = fragment_request_place(by);

	buf_printf(b, "%s of %s gives way to %s of %s\n", text, place, by_text, by_place);
}

void kconfig_verdict_print_overridden(const struct kconfig_verdict *v, const struct fragment_set *requests,
				      struct buf *b)
{
	for (size_t i = 0; i < fragment_set_count(requests); i++) {
		const struct fragment_request *r = fragment_set_at(requests, i);

		/* What a profile changes is what it was asked for. */
		if (r->overrides && r->layer != FRAGMENT_PROFILE &&
		    (r->kind != r->overrides->kind || !streq(r->value, r->overrides->value)))
			print_overridden(r->overrides, r, b);
	}
	for (size_t i = 0; i < v->overridden.n; i++)
		print_overridden(v->overridden.v[i].request, v->overridden.v[i].why.cause, b);
}
