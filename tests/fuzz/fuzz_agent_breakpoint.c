/*
 * Fuzzes the options that a breakpoint comes with: what is understood is sound bytecode, and no more than the text can hold.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "server/agent_expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t check(const struct agent_list *list, bool want_value)
{
	size_t bytes = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (agent_check(list->v[i].code, list->v[i].len, want_value, NULL) != AGENT_OK)
			abort();
		bytes += list->v[i].len;
	}
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint b = { .persist = false };
	struct err *e = agent_parse_breakpoint((const char *)data, size, &b);

	if (e && (err_code(e) != ERR_BAD_DATA || b.conditions.n || b.commands.n))
		abort();
	if (!e && (check(&b.conditions, true) + check(&b.commands, false)) * 2 > size)
		abort();
	err_ignore(e);
	return 0;
}
