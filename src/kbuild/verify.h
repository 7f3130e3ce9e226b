/*
 * Whether a kernel's configuration has what was asked for. Kconfig drops what can't be, and says nothing.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "kbuild/dotconfig.h"
#include "kbuild/fragment.h"
#include "kbuild/kconfig_explain.h"
#include "kbuild/kconfig_tree.h"

/* A request that the .config doesn't have. */
struct kconfig_problem {
	const struct fragment_request *request;
	enum kconfig_type type; /* KCONFIG_UNKNOWN without a definition */
	char *value;            /* what the .config has; NULL: nothing */
	char *defined;          /* where the option is defined, "lib/Kconfig.debug:412"; NULL: nowhere */
	struct kconfig_why why;
};

struct kconfig_problems {
	struct kconfig_problem *v;
	size_t n;
};

struct kconfig_verdict {
	struct kconfig_problems dropped;
	/* Requests that fell because of what a higher layer asked for (why.cause): nothing is wrong with those. */
	struct kconfig_problems overridden;
};

void kconfig_verdict_deinit(struct kconfig_verdict *v);
DEFINE_CLEANUP_STORAGE(struct kconfig_verdict, kconfig_verdict_deinit);

/*
 * Compares each request with the .config. Only where they differ the Kconfig files are read, for the explanations; if
 * they can't be read or understood, the explanation says that. The verdict refers to `requests`.
 */
void kconfig_verify(const struct fragment_set *requests, const struct dotconfig *config,
		    const struct kconfig_reader *reader, struct kconfig_verdict *ret);

/* True if `value`, of the .config (NULL: not there), is what r asks for. */
bool kconfig_request_holds(const struct fragment_request *r, const char *value);

/* Adds an explanation of all dropped requests, for a person at a terminal; no newline at the end. */
void kconfig_verdict_print(const struct kconfig_verdict *v, struct buf *b);

/* Adds a line for each request that gave way to one of a higher layer, by its name or as a consequence. */
void kconfig_verdict_print_overridden(const struct kconfig_verdict *v, const struct fragment_set *requests,
				      struct buf *b);
