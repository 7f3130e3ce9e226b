/*
 * Fuzzes what a server process says of a shared serial line: the same messages come out however the stream was cut, and none
 * reaches beyond what there is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "supervisor/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the messages at the start, as they would be sent again; returns how many bytes they were. */
static size_t take(const char *bytes, size_t len, struct buf *ret, bool *ret_bad)
{
	size_t done = 0, n = 0;
	struct line_message m;
	enum line_parsed parsed;

	while ((parsed = line_parse(bytes + done, len - done, &m, &n)) == LINE_WHOLE) {
		bool follow = m.word == LINE_WRITE || m.word == LINE_BREAK;

		if (n > len - done || m.word >= LINE_WORDS_N || (follow && m.size > n))
			abort();
		line_put(ret, m.word, follow ? m.bytes : NULL, m.size);
		done += n;
	}
	*ret_bad = parsed == LINE_BAD;
	return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf whole = BUF_INIT, apart = BUF_INIT, pending = BUF_INIT;
	bool bad, bad_apart = false;
	size_t done = take((const char *)data, size, &whole, &bad);

	for (size_t i = 0; i < size && !bad_apart; i++) {
		buf_putc(&pending, (char)data[i]);
		buf_consume(&pending, take(pending.data, pending.len, &apart, &bad_apart));
	}
	if (bad != bad_apart || whole.len != apart.len || whole.len != done)
		abort();
	if (done && (memcmp(whole.data, apart.data, done) != 0 || memcmp(whole.data, data, done) != 0))
		abort();
	return 0;
}
