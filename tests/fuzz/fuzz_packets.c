/*
 * Fuzzes what a debug client sends: the same passes however it was cut, and what passes is well-formed, never hides another
 * packet, and is no command for QEMU's monitor but a harmless one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hmp.h"
#include "base/util.h"
#include "supervisor/packets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A packet's body, as the stub decodes it. */
static void check_body(const char *body, size_t len)
{
	_cleanup_(buf_deinit) struct buf payload = BUF_INIT, line = BUF_INIT;
	const char *command;

	for (size_t i = 0; i < len; i++) {
		if (body[i] == '$' || body[i] == '#' || body[i] == '*')
			abort();
		if (body[i] == '}' && i + 1 < len)
			buf_putc(&payload, (char)(body[++i] ^ 0x20));
		else if (body[i] != '}')
			buf_putc(&payload, body[i]);
	}
	command = buf_str(&payload);
	if (*command == 'b')
		abort();
	if (strncmp(command, "qRcmd", 5) != 0)
		return;
	for (command += strlen("qRcmd,"); command[0] && command[1]; command += 2) {
		const char digits[] = { command[0], command[1], '\0' };

		buf_putc(&line, (char)strtol(digits, NULL, 16));
	}
	if (!hmp_is_harmless(buf_str(&line)) || strlen(buf_str(&line)) != line.len)
		abort();
}

static void check_passed(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		const char *end;

		if (b->data[i] == '+' || b->data[i] == '-' || b->data[i] == 3)
			continue;
		end = b->data[i] == '$' ? memchr(b->data + i, '#', b->len - i) : NULL;
		if (!end || b->data + b->len - end < 3)
			abort();
		check_body(b->data + i + 1, (size_t)(end - b->data) - i - 1);
		i = (size_t)(end - b->data) + 2;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(packets_deinit) struct packets whole = PACKETS_INIT, pieces = PACKETS_INIT, held = PACKETS_INIT;
	_cleanup_(buf_deinit) struct buf stub = BUF_INIT, stub2 = BUF_INIT, client = BUF_INIT, client2 = BUF_INIT,
					 stub3 = BUF_INIT, client3 = BUF_INIT;

	packets_feed(&whole, (const char *)data, size, &stub, &client);
	for (size_t i = 0; i < size; i++)
		packets_feed(&pieces, (const char *)data + i, 1, &stub2, &client2);
	if (stub.len != stub2.len || client.len != client2.len ||
	    (stub.len && memcmp(stub.data, stub2.data, stub.len) != 0) ||
	    (client.len && memcmp(client.data, client2.data, client.len) != 0))
		abort();
	check_passed(&stub);
	packets_hold(&held);
	packets_feed(&held, (const char *)data, size, &stub3, &client3);
	packets_release(&held, &stub3);
	/* Later, but the same. */
	if (stub.len != stub3.len || (stub.len && memcmp(stub.data, stub3.data, stub.len) != 0))
		abort();
	return 0;
}
