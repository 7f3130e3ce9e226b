/*
 * Fuzzes the control port's frames: reads a buffer as the guest and the host do, frame after frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guest/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void read_payload(const struct frame *f)
{
	struct frame_winsize ws;
	uint8_t buf[KTB_FRAME_SMALL];
	size_t n;

	if (frame_get_winsize(f, &ws)) {
		n = frame_put_winsize(buf, &ws);
		check(memcmp(buf + KTB_FRAME_HEADER, f->payload, n - KTB_FRAME_HEADER) == 0);
	}
}

/* What is said to be inside is. */
static void read_agent_payload(const struct frame *f)
{
	const char *end = (const char *)f->payload + f->length, *s;
	struct frame_credit credit;
	struct frame_open open;
	struct frame_end last;
	uint32_t number;

	if (frame_get_open(f, &open)) {
		s = open.strings;
		for (size_t i = 0; i < (size_t)1 + open.args_n + open.env_n; i++) {
			check(s < end);
			s += strlen(s) + 1;
		}
		check(s <= end);
	}
	if (frame_get_end(f, &last))
		check(last.text + last.text_len == end);
	check(frame_get_credit(f, &credit) == (f->length >= 8));
	check(frame_get_number(f, &number) == (f->length >= 4));
}

/* Wherever it is looked from, the same SYNC is found. */
static void look_for_sync(const uint8_t *data, size_t size)
{
	uint64_t number, again;
	size_t used, more;

	if (!frame_find_sync(data, size, &number, &used)) {
		check(used <= size && size - used < KTB_SYNC_SIZE);
		return;
	}
	check(used >= KTB_SYNC_SIZE && used <= size);
	check(frame_find_sync(data + used - KTB_SYNC_SIZE, KTB_SYNC_SIZE, &again, &more) && again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t used = 0;
	struct frame f;

	look_for_sync(data, size);
	while (frame_parse(data + used, size - used, &f) == FRAME_COMPLETE) {
		uint8_t header[KTB_FRAME_HEADER];

		check(f.length <= KTB_FRAME_PAYLOAD_MAX && frame_size(&f) <= size - used);
		frame_put_header(header, f.length, f.type, f.channel);
		check(memcmp(header, data + used, sizeof(header)) == 0);
		read_payload(&f);
		read_agent_payload(&f);
		used += frame_size(&f);
	}
	return 0;
}
