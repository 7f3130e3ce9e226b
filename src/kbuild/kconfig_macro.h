/*
 * Kconfig's macro language (Documentation/kbuild/kconfig-macro-language.rst), as far as it can be followed without
 * running anything: variables are expanded; what calls a function, $(cc-option,-foo), or names a variable that isn't
 * known here, is opaque.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "kbuild/name_map.h"
#include "kbuild/pool.h"

struct kconfig_macros {
	struct pool pool;
	struct name_map variables;
	size_t spent; /* of what may be expanded in all: references and bytes */
};

enum kconfig_assignment {
	KCONFIG_ASSIGN_RECURSIVE, /* = */
	KCONFIG_ASSIGN_SIMPLE,    /* := */
	KCONFIG_ASSIGN_APPEND,    /* += */
};

void kconfig_macros_deinit(struct kconfig_macros *m);

struct err *kconfig_macros_set(struct kconfig_macros *m, const char *name, size_t name_len, enum kconfig_assignment how,
			       const char *value, size_t value_len) err_must_check;

/*
 * Adds the text with its references expanded. *ret_opaque is set if one of them isn't known; what was added is then
 * of no use.
 */
struct err *kconfig_macros_expand(struct kconfig_macros *m, const char *text, size_t len, struct buf *b,
				  bool *ret_opaque) err_must_check;

/* Length of the reference that begins at s ("$(" ... ")", nested ones included), or 0 if it has no end in len bytes. */
size_t kconfig_macro_length(const char *s, size_t len);
