/*
 * All that is known about one option: what `ktb config explain` prints.
 */
#pragma once

#include "base/util.h"
#include "kbuild/fragment.h"
#include "kbuild/kconfig_expr.h"

/* One thing that is known. */
struct kconfig_fact {
	const char *key;   /* as scripts see it */
	const char *title; /* as people do */
	bool list;         /* any number of lines; else exactly one */
	struct strv lines;
};

struct kconfig_description {
	struct kconfig_fact *v;
	size_t n;
};

void kconfig_description_deinit(struct kconfig_description *d);
DEFINE_CLEANUP_STORAGE(struct kconfig_description, kconfig_description_deinit);

/*
 * The option that a person may mean: the name as it is, without CONFIG_, or in capitals. NULL if the tree defines none of
 * these.
 */
const struct kconfig_symbol *kconfig_find_meant(const struct kconfig_tree *t, const char *name);

/*
 * Describes an option that is defined, with the values that the .config has. What there is nothing to say of is left
 * out, but for the first facts: name, type and value. The caller gives *ret back with kconfig_description_deinit().
 */
void kconfig_describe(const struct kconfig_values *v, const struct fragment_set *requests,
		      const struct kconfig_symbol *s, struct kconfig_description *ret);
