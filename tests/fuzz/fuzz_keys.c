/*
 * Fuzzes the console's keys: the same whether typed at once or key by key, and no byte is lost or made up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends what the guest gets to *out and the actions to *actions. Returns whether Ctrl-a was the last key. */
static bool feed(const char *bytes, size_t len, size_t at_once, struct buf *out, struct buf *actions)
{
	struct keys k = { 0 };

	for (size_t i = 0; i < len;) {
		size_t n = at_once < len - i ? at_once : len - i, taken;
		enum keys_action action;

		taken = keys_feed(&k, bytes + i, n, out, &action);
		if (taken < 1 || taken > n || (action == KEYS_NONE && taken != n))
			abort();
		if (action != KEYS_NONE)
			buf_putc(actions, (char)action);
		i += taken;
	}
	return k.prefixed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT, out2 = BUF_INIT, actions = BUF_INIT, actions2 = BUF_INIT;
	bool prefixed = feed((const char *)data, size, size, &out, &actions);
	size_t doubled = 0;

	if (feed((const char *)data, size, 1, &out2, &actions2) != prefixed)
		abort();
	if (out.len != out2.len || (out.len && memcmp(out.data, out2.data, out.len) != 0) ||
	    actions.len != actions2.len || (actions.len && memcmp(actions.data, actions2.data, actions.len) != 0))
		abort();
	for (size_t i = 0; i + 1 < size; i++) {
		if (data[i] == 1 && data[i + 1] == 1) {
			doubled++;
			i++;
		} else if (data[i] == 1) {
			i++;
		}
	}
	if (out.len + 2 * actions.len + doubled + prefixed != size)
		abort();
	return 0;
}
