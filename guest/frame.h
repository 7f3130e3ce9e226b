/*
 * Frames of the control port (protocol.h), read from and written to buffers: no input or output here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* What all payloads of channel 0 fit in. */
enum { KTB_FRAME_SMALL = KTB_FRAME_HEADER + 8 };

struct frame {
	uint32_t length;
	uint16_t type;
	uint16_t channel;
	/* Points into the buffer that was parsed. */
	const uint8_t *payload;
};

struct frame_hello {
	uint32_t version;
	uint32_t flags;
};

struct frame_winsize {
	uint16_t rows;
	uint16_t cols;
};

enum frame_status {
	FRAME_COMPLETE,
	/* The buffer ends before the frame does: come again with more. */
	FRAME_PARTIAL,
	/* The length is above KTB_FRAME_PAYLOAD_MAX: what follows can't be told into frames. */
	FRAME_TOO_LONG,
};

/* The frame at the beginning of buf. *ret is written only for FRAME_COMPLETE; the next one is frame_size(ret) on. */
enum frame_status frame_parse(const uint8_t *buf, size_t size, struct frame *ret);

/* Bytes a parsed frame takes, header included. */
size_t frame_size(const struct frame *f);

/* The payloads. False, and *ret untouched, if it is too short to be one. */
bool frame_get_hello(const struct frame *f, struct frame_hello *ret);
bool frame_get_winsize(const struct frame *f, struct frame_winsize *ret);

/* Writes a header alone; length is the payload's, at most KTB_FRAME_PAYLOAD_MAX. */
void frame_put_header(uint8_t buf[static KTB_FRAME_HEADER], uint32_t length, uint16_t type, uint16_t channel);

/* Write whole frames of channel 0. Return their size in bytes. */
size_t frame_put_hello(uint8_t buf[static KTB_FRAME_SMALL], const struct frame_hello *hello);
size_t frame_put_winsize(uint8_t buf[static KTB_FRAME_SMALL], const struct frame_winsize *ws);
/* One without payload: KTB_FRAME_POWEROFF, KTB_FRAME_REBOOT. */
size_t frame_put_empty(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_frame_type type);
