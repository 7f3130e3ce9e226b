/*
 * Why an option isn't as it was asked for.
 */
#pragma once

#include "base/util.h"
#include "kbuild/fragment.h"
#include "kbuild/kconfig_expr.h"

enum kconfig_reason {
	KCONFIG_REASON_UNKNOWN,
	KCONFIG_REASON_NO_SUCH_OPTION,
	KCONFIG_REASON_DEPENDENCY, /* something that it needs isn't there */
	KCONFIG_REASON_CHOICE,     /* another member of its choice is set */
	KCONFIG_REASON_NO_PROMPT,  /* only other options can set it */
	KCONFIG_REASON_SELECTED,   /* another option needs it */
	KCONFIG_REASON_VALUE,      /* of the wrong type, or out of range */
};

/* As scripts see it in JSON: "no-such-option". Static. */
const char *kconfig_reason_name(enum kconfig_reason reason);

struct kconfig_why {
	enum kconfig_reason reason;
	struct strv lines; /* for people; what belongs to a line follows it, indented by two spaces more */
	/* A request of a higher layer that made this one fall: nothing is wrong then. Or NULL. */
	const struct fragment_request *cause;
};

void kconfig_why_deinit(struct kconfig_why *w);

/*
 * Explains why the .config doesn't have what r, one of the requests, asks for. The caller gives *ret back with
 * kconfig_why_deinit().
 */
void kconfig_explain(const struct kconfig_values *v, const struct fragment_set *requests,
		     const struct fragment_request *r, struct kconfig_why *ret);
