/*
 * What the parts of kconfig_explain() share: what is being explained, and how a line is said. kconfig_explain.c has
 * the beginning, and what is more than was asked for; kconfig_explain_low.c what is less.
 */
#pragma once

#include "kbuild/kconfig_blockers.h"
#include "kbuild/kconfig_explain.h"
#include "kbuild/kconfig_visibility.h"

enum {
	EXPLAIN_DEPTH_MAX = 4,
	EXPLAIN_STEPS_MAX = 200, /* options looked at for one explanation */
	EXPLAIN_LINES_MAX = 16,
	EXPLAIN_LIST_MAX = 4, /* names in an enumeration */
};

struct explainer {
	const struct kconfig_values *values;
	const struct fragment_set *requests;
	const struct fragment_request *about;
	struct kconfig_why *why;
	int depth;  /* of indentation, and of the options that were gone through */
	int silent; /* above 0: looks for a cause only */
	int steps;
};

/* A line at the present depth, unless it has been said before: two ways may lead to the same option. */
void explain_say(struct explainer *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first reason given is the one that counts. */
void explain_reason(struct explainer *x, enum kconfig_reason reason);

/* Who asked for the value that s has now, or NULL. Takes note if that is a higher layer than that of what is explained. */
const struct fragment_request *explain_blame(struct explainer *x, const struct kconfig_symbol *s);

/* ", asked for in PLACE" if the present value was; else "". The caller frees it. */
char *explain_asked_for(struct explainer *x, const struct kconfig_symbol *s);

/* Looks for a cause among the options that select s, and those that select these. */
void explain_trace_selectors(struct explainer *x, const struct kconfig_symbol *s);

/* Adds s to an enumeration of which n were added, unless it is long enough; at its end, how many were left out. */
void explain_list(struct buf *b, size_t n, const char *s);
void explain_list_end(struct buf *b, size_t n);

/* The prompt of a choice. */
const char *explain_title(const struct kconfig_entry *choice);

/* What a dependency needs of an option: a bool has no m, and is y where m would do. */
enum tristate explain_need(const struct kconfig_symbol *s, enum tristate wanted);

/* Of all definitions with a prompt, the one of which the least stands in the way; or NULL. */
const struct kconfig_entry *explain_nearest_entry(const struct explainer *x, const struct kconfig_symbol *s,
						  enum tristate need);

/* A line, or some, for each. */
void explain_blockers(struct explainer *x, const struct kconfig_blockers *b, enum tristate need);

/* Why s isn't at least `need`. */
void explain_low(struct explainer *x, const struct kconfig_symbol *s, enum tristate need);
