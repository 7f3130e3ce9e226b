/*
 * Fuzzes expressions and types of ktb read: whatever is understood lies within the text, and begins with a variable or a
 * number.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct expr *e, size_t size)
{
	if (!e->n || e->n > EXPR_STEPS_MAX)
		abort();
	for (size_t i = 0; i < e->n; i++) {
		const struct expr_step *s = &e->steps[i];
		bool first = s->op == EXPR_VARIABLE || s->op == EXPR_NUMBER;
		bool named = s->op == EXPR_VARIABLE || s->op == EXPR_MEMBER || s->op == EXPR_ARROW;

		if (first != (i == 0) || named != (s->name != NULL) || s->begin >= s->end || s->end > size)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *text = xstrndup((const char *)data, size);
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };
	struct err *error = expr_parse(text, &e);

	if (error && err_code(error) != ERR_USAGE)
		abort();
	if (!error)
		check(&e, strlen(text));
	err_ignore(error);
	error = expr_type_parse(text, &t);
	if (!error && (!t.name || !*t.name))
		abort();
	err_ignore(error);
	return 0;
}
