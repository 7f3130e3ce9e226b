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
/* Header, magic, number. */
enum { KTB_SYNC_SIZE = KTB_FRAME_HEADER + KTB_AGENT_MAGIC_SIZE + 8 };
/* What stands before the strings of an OPEN, header included. */
enum { KTB_OPEN_HEAD = KTB_FRAME_HEADER + 20 };

struct frame {
	uint32_t length;
	uint16_t type;
	uint16_t channel;
	/* Points into the buffer that was parsed. */
	const uint8_t *payload;
};

struct frame_winsize {
	uint16_t rows;
	uint16_t cols;
};

struct frame_open {
	uint32_t flags;
	uint16_t rows, cols;
	uint32_t out_credit, err_credit;
	uint16_t args_n, env_n;
	/* 1 + args_n + env_n strings, each ended by a zero byte, inside the buffer that was parsed. */
	const char *strings;
	size_t strings_len;
};

struct frame_credit {
	uint32_t stream;
	uint32_t bytes;
};

struct frame_end {
	uint32_t how;
	uint32_t value;
	/* Not terminated, and whatever the guest likes. */
	const char *text;
	size_t text_len;
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
bool frame_get_winsize(const struct frame *f, struct frame_winsize *ret);

/* Writes a header alone; length is the payload's, at most KTB_FRAME_PAYLOAD_MAX. */
void frame_put_header(uint8_t buf[static KTB_FRAME_HEADER], uint32_t length, uint16_t type, uint16_t channel);

/* Write whole frames of channel 0. Return their size in bytes. */
size_t frame_put_winsize(uint8_t buf[static KTB_FRAME_SMALL], const struct frame_winsize *ws);
/* One without payload: KTB_FRAME_POWEROFF, KTB_FRAME_AGENT. */
size_t frame_put_empty(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_frame_type type);

/* --- The agent's port --- */

/* The channel of a whole frame that is to be sent on under another number. */
void frame_set_channel(uint8_t buf[static KTB_FRAME_HEADER], uint16_t channel);

/*
 * Looks for a SYNC frame. True if there is one: *ret_used is where it ends. False: *ret_used bytes can be dropped, what
 * is behind them may be the beginning of one.
 */
bool frame_find_sync(const uint8_t *buf, size_t size, uint64_t *ret_number, size_t *ret_used);
size_t frame_put_sync(uint8_t buf[static KTB_SYNC_SIZE], uint64_t number);

/* The payloads. False, and *ret untouched, if it can't be one. */
bool frame_get_open(const struct frame *f, struct frame_open *ret);
bool frame_get_credit(const struct frame *f, struct frame_credit *ret);
bool frame_get_end(const struct frame *f, struct frame_end *ret);
/* OPENED and SIGNAL. */
bool frame_get_number(const struct frame *f, uint32_t *ret);

/* All but the strings of an OPEN, which are `strings` bytes and follow. */
void frame_put_open(uint8_t buf[static KTB_OPEN_HEAD], const struct frame_open *open, uint32_t strings);
/* Write whole frames, an END without text. Return their size in bytes. */
size_t frame_put_agent_winsize(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_winsize *ws);
size_t frame_put_credit(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_credit *credit);
size_t frame_put_number(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_agent_frame type, uint16_t channel, uint32_t n);
size_t frame_put_end(uint8_t buf[static KTB_FRAME_SMALL], uint16_t channel, const struct frame_end *end);
/* EOF, PING, PONG, CLOSE. */
size_t frame_put_plain(uint8_t buf[static KTB_FRAME_SMALL], enum ktb_agent_frame type, uint16_t channel);
