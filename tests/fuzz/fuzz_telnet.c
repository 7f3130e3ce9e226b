/*
 * Fuzzes telnet: the same however the stream is cut; no more comes out than went in; answers are whole; and what is sent, in
 * whatever was agreed on, is read back as it was by a peer that agreed on the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/telnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static void read_back(const struct telnet *t, const char *bytes, size_t size)
{
	_cleanup_(buf_deinit) struct buf sent = BUF_INIT, got = BUF_INIT, answer = BUF_INIT;
	struct telnet peer = { 0 };

	memcpy(peer.theirs, t->ours, sizeof(peer.theirs));
	telnet_put(t, bytes, size, &sent);
	telnet_feed(&peer, buf_str(&sent), sent.len, &got, &answer);
	if (got.len != size || (size && memcmp(got.data, bytes, size) != 0) || answer.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf all = BUF_INIT, one = BUF_INIT, answer = BUF_INIT, answer_one = BUF_INIT;
	const char *bytes = (const char *)data;
	struct telnet whole = { 0 }, apart = { 0 };

	telnet_feed(&whole, bytes, size, &all, &answer);
	for (size_t i = 0; i < size; i++)
		telnet_feed(&apart, bytes + i, 1, &one, &answer_one);
	if (!same(&all, &one) || !same(&answer, &answer_one) || memcmp(&whole, &apart, sizeof(whole)) != 0)
		abort();
	if (all.len > size || answer.len > size || answer.len % 3)
		abort();
	read_back(&whole, bytes, size);
	return 0;
}
