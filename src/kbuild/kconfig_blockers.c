#include "kbuild/kconfig_blockers.h"

#include "base/util.h"
#include "kbuild/kconfig_visibility.h"

void kconfig_blockers_deinit(struct kconfig_blockers *b)
{
	free(b->v);
	pool_deinit(&b->pool);
}

/* True if e can't be brought about in this tree. */
static bool is_hopeless(const struct kconfig_expr *e)
{
	if (e->op == KCONFIG_OP_SYMBOL)
		return kconfig_is_hopeless(e->symbol);
	if (e->op == KCONFIG_OP_CONSTANT)
		return tristate_parse(e->text) == TRISTATE_N;
	if (e->op == KCONFIG_OP_AND)
		return is_hopeless(e->left) || is_hopeless(e->right);
	return e->op == KCONFIG_OP_OR && is_hopeless(e->left) && is_hopeless(e->right);
}

static const struct kconfig_expr *join(struct kconfig_blockers *b, enum kconfig_op op, const struct kconfig_expr *left,
				       const struct kconfig_expr *right)
{
	struct kconfig_expr *e = pool_alloc(&b->pool, sizeof(*e));

	*e = (struct kconfig_expr){ .op = op, .left = left, .right = right };
	e->height = 1 + MAX(left->height, right->height);
	return e;
}

/* The part of e that fails, or NULL. */
static const struct kconfig_expr *failing(struct kconfig_blockers *b, const struct kconfig_values *v,
					  const struct kconfig_expr *e, enum tristate need)
{
	const struct kconfig_expr *left, *right;

	if (e->op != KCONFIG_OP_AND && e->op != KCONFIG_OP_OR)
		return kconfig_eval(v, e).high >= need ? NULL : e;
	left = failing(b, v, e->left, need);
	right = failing(b, v, e->right, need);
	if (e->op == KCONFIG_OP_AND)
		return left && right ? join(b, KCONFIG_OP_AND, left, right) : left ? left : right;
	if (!left || !right)
		return NULL;
	if (is_hopeless(left) != is_hopeless(right))
		return is_hopeless(left) ? right : left;
	return join(b, KCONFIG_OP_OR, left, right);
}

/* Each term of a conjunction by itself, and none twice. */
static void add_terms(struct kconfig_blockers *b, const struct kconfig_expr *e)
{
	if (e->op == KCONFIG_OP_AND) {
		add_terms(b, e->left);
		add_terms(b, e->right);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i]->op == e->op && e->op == KCONFIG_OP_SYMBOL && b->v[i]->symbol == e->symbol)
			return;
	b->v = xreallocarray(b->v, b->n + 1, sizeof(*b->v));
	b->v[b->n++] = e;
}

void kconfig_blockers_add(struct kconfig_blockers *b, const struct kconfig_values *v, const struct kconfig_expr *e,
			  enum tristate need)
{
	const struct kconfig_expr *left = failing(b, v, e, need);

	if (left)
		add_terms(b, left);
}

struct adding {
	struct kconfig_blockers *blockers;
	const struct kconfig_values *values;
	enum tristate need;
};

static bool add_condition(const struct kconfig_expr *condition, void *data)
{
	struct adding *a = data;

	kconfig_blockers_add(a->blockers, a->values, condition, a->need);
	return true;
}

void kconfig_blockers_add_entry(struct kconfig_blockers *b, const struct kconfig_values *v,
				const struct kconfig_entry *e, enum tristate need)
{
	kconfig_entry_conditions(e, add_condition, &(struct adding){ b, v, need });
}
