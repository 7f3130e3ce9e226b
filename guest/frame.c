#include "frame.h"

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

bool frame_get_hello(const struct frame *f, struct frame_hello *ret)
{
	if (f->length < 8)
		return false;
	ret->version = get_u32(f->payload);
	ret->flags = get_u32(f->payload + 4);
	return true;
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

size_t frame_put_hello(uint8_t buf[static KTB_FRAME_SMALL], const struct frame_hello *hello)
{
	frame_put_header(buf, 8, KTB_FRAME_HELLO, 0);
	put_u32(buf + KTB_FRAME_HEADER, hello->version);
	put_u32(buf + KTB_FRAME_HEADER + 4, hello->flags);
	return KTB_FRAME_HEADER + 8;
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
