#include "frame.h"

#include <string.h>

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_u32(const uint8_t *p)
{
	return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

static void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)v);
	put_u16(p + 2, (uint16_t)(v >> 16));
}

enum frame_status frame_parse(const uint8_t *buf, size_t size, struct frame *ret)
{
	uint32_t length;

	if (size < KTB_FRAME_HEADER)
		return FRAME_PARTIAL;
	length = get_u32(buf);
	if (length > KTB_FRAME_PAYLOAD_MAX)
		return FRAME_TOO_LONG;
	if (size - KTB_FRAME_HEADER < length)
		return FRAME_PARTIAL;

	ret->length = length;
	ret->type = get_u16(buf + 4);
	ret->channel = get_u16(buf + 6);
	ret->payload = buf + KTB_FRAME_HEADER;
	return FRAME_COMPLETE;
}

size_t frame_size(const struct frame *f)
{
	return KTB_FRAME_HEADER + (size_t)f->length;
}

bool frame_get_winsize(const struct frame *f, struct frame_winsize *ret)
{
	if (f->length < 4)
		return false;
	ret->rows = get_u16(f->payload);
	ret->cols = get_u16(f->payload + 2);
	return true;
}

void frame_put_header(uint8_t buf[static KTB_FRAME_HEADER], uint32_t length, uint16_t type, uint16_t channel)
{
	put_u32(buf, length);
	put_u16(buf + 4, type);
	put_u16(buf + 6, channel);
}

size_t frame_put_winsize(uint8_t buf[static KTB_FRAME_SMALL], const struct frame_winsize *ws)
{
	frame_put_header(buf, 4, KTB_FRAME_WINSIZE, 0);
	put_u16(buf + KTB_FRAME_HEADER, ws->rows);
	put_u16(buf + KTB_FRAME_HEADER + 2, ws->cols);
	return KTB_FRAME_HEADER + 4;
}

size_t frame_put_empty(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_frame_type type)
{
	frame_put_header(buf, 0, (uint16_t)type, 0);
	return KTB_FRAME_HEADER;
}

/* --- The agent's port --- */

static uint64_t get_u64(const uint8_t *p)
{
	return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)v);
	put_u32(p + 4, (uint32_t)(v >> 32));
}

void frame_set_channel(uint8_t buf[static KTB_FRAME_HEADER], uint16_t channel)
{
	put_u16(buf + 6, channel);
}

static void put_sync_head(uint8_t *buf)
{
	frame_put_header(buf, KTB_SYNC_SIZE - KTB_FRAME_HEADER, KTB_AGENT_SYNC, 0);
	memcpy(buf + KTB_FRAME_HEADER, KTB_AGENT_MAGIC, KTB_AGENT_MAGIC_SIZE);
}

bool frame_find_sync(const uint8_t *buf, size_t size, uint64_t *ret_number, size_t *ret_used)
{
	uint8_t head[KTB_SYNC_SIZE - 8];
	size_t at = 0;

	put_sync_head(head);
	for (; at < size; at++) {
		size_t n = size - at < sizeof(head) ? size - at : sizeof(head);

		if (memcmp(buf + at, head, n) != 0)
			continue;
		if (size - at < KTB_SYNC_SIZE)
			break;
		*ret_number = get_u64(buf + at + sizeof(head));
		*ret_used = at + KTB_SYNC_SIZE;
		return true;
	}
	*ret_used = at;
	return false;
}

size_t frame_put_sync(uint8_t buf[static KTB_SYNC_SIZE], uint64_t number)
{
	put_sync_head(buf);
	put_u64(buf + KTB_SYNC_SIZE - 8, number);
	return KTB_SYNC_SIZE;
}

static bool has_strings(const uint8_t *p, size_t size, size_t n)
{
	for (; n; n--) {
		const uint8_t *end = memchr(p, '\0', size);

		if (!end)
			return false;
		size -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	return true;
}

bool frame_get_open(const struct frame *f, struct frame_open *ret)
{
	const size_t head = KTB_OPEN_HEAD - KTB_FRAME_HEADER;
	struct frame_open open;

	if (f->length <= head)
		return false;
	open = (struct frame_open){
		.flags = get_u32(f->payload),
		.rows = get_u16(f->payload + 4),
		.cols = get_u16(f->payload + 6),
		.out_credit = get_u32(f->payload + 8),
		.err_credit = get_u32(f->payload + 12),
		.args_n = get_u16(f->payload + 16),
		.env_n = get_u16(f->payload + 18),
		.strings = (const char *)f->payload + head,
		.strings_len = f->length - head,
	};
	if (!has_strings(f->payload + head, f->length - head, (size_t)1 + open.args_n + open.env_n))
		return false;
	*ret = open;
	return true;
}

bool frame_get_credit(const struct frame *f, struct frame_credit *ret)
{
	if (f->length < 8)
		return false;
	ret->stream = get_u32(f->payload);
	ret->bytes = get_u32(f->payload + 4);
	return true;
}

bool frame_get_end(const struct frame *f, struct frame_end *ret)
{
	if (f->length < 8)
		return false;
	ret->how = get_u32(f->payload);
	ret->value = get_u32(f->payload + 4);
	ret->text = (const char *)f->payload + 8;
	ret->text_len = f->length - 8;
	return true;
}

bool frame_get_number(const struct frame *f, uint32_t *ret)
{
	if (f->length < 4)
		return false;
	*ret = get_u32(f->payload);
	return true;
}

void frame_put_open(uint8_t buf[static KTB_OPEN_HEAD], const struct frame_open *open, uint32_t strings)
{
	uint8_t *p = buf + KTB_FRAME_HEADER;

	frame_put_header(buf, KTB_OPEN_HEAD - KTB_FRAME_HEADER + strings, KTB_AGENT_OPEN, 0);
	put_u32(p, open->flags);
	put_u16(p + 4, open->rows);
	put_u16(p + 6, open->cols);
	put_u32(p + 8, open->out_credit);
	put_u32(p + 12, open->err_credit);
	put_u16(p + 16, open->args_n);
	put_u16(p + 18, open->env_n);
}

size_t frame_put_agent_winsize(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_winsize *ws)
{
	frame_put_header(buf, 4, KTB_AGENT_WINSIZE, channel);
	put_u16(buf + KTB_FRAME_HEADER, ws->rows);
	put_u16(buf + KTB_FRAME_HEADER + 2, ws->cols);
	return KTB_FRAME_HEADER + 4;
}

static size_t put_two(uint8_t *buf, enum ktb_agent_frame type, uint16_t channel, uint32_t a, uint32_t b)
{
	frame_put_header(buf, 8, (uint16_t)type, channel);
	put_u32(buf + KTB_FRAME_HEADER, a);
	put_u32(buf + KTB_FRAME_HEADER + 4, b);
	return KTB_FRAME_HEADER + 8;
}

size_t frame_put_credit(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_credit *credit)
{
	return put_two(buf, KTB_AGENT_CREDIT, channel, credit->stream, credit->bytes);
}

size_t frame_put_end(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_end *end)
{
	return put_two(buf, KTB_AGENT_END, channel, end->how, end->value);
}

size_t frame_put_number(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_agent_frame type, uint16_t channel, uint32_t n)
{
	frame_put_header(buf, 4, (uint16_t)type, channel);
	put_u32(buf + KTB_FRAME_HEADER, n);
	return KTB_FRAME_HEADER + 4;
}

size_t frame_put_plain(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_agent_frame type, uint16_t channel)
{
	frame_put_header(buf, 0, (uint16_t)type, channel);
	return KTB_FRAME_HEADER;
}
