/*
 * What payloads of GDB's remote serial protocol are made of: numbers, bytes in hexadecimal digits, thread ids. Pure.
 * Here a payload is what rsp_decode() yields and rsp_encode() takes: no escapes in it.
 *
 * Sources: GDB's manual, nodes Overview and Packets (thread-id syntax) of the remote protocol.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define rsp_must_check __attribute__((warn_unused_result))

/* --- Reading --- */

/* What is left to read of a payload, which must outlive it. */
struct rsp_reader {
	const char *p;
	const char *end;
};

static inline struct rsp_reader rsp_reader_on(const void *bytes, size_t len)
{
	const char *p = len ? bytes : "";

	return (struct rsp_reader){ .p = p, .end = p + len };
}

static inline size_t rsp_left(const struct rsp_reader *r)
{
	return (size_t)(r->end - r->p);
}

static inline bool rsp_at_end(const struct rsp_reader *r)
{
	return r->p == r->end;
}

/* The functions below go on behind what they have read. On false nothing was, and `*ret` is as it was. */

/* This character comes next. */
bool rsp_read_char(struct rsp_reader *r, char c) rsp_must_check;
/* This text comes next. */
bool rsp_read_text(struct rsp_reader *r, const char *text) rsp_must_check;
/* The whole rest is this text. */
bool rsp_rest_is(const struct rsp_reader *r, const char *text) rsp_must_check;
/*
 * All up to the next c, which is passed over, or to the end. False at the end: a list is read by
 * `while (rsp_read_field(&r, ';', &field))`.
 */
bool rsp_read_field(struct rsp_reader *r, char c, struct rsp_reader *ret) rsp_must_check;

/* What a digit, of either case, stands for; -1: it is none. */
int rsp_hex_digit(char c);
/* A number in hexadecimal digits, the highest first. False: there is no digit, or the number is above 2^64 - 1. */
bool rsp_read_hex(struct rsp_reader *r, uint64_t *ret) rsp_must_check;
/* The same in decimal digits. */
bool rsp_read_decimal(struct rsp_reader *r, uint64_t *ret) rsp_must_check;
/* ADDRESS,LENGTH in hexadecimal digits, as in m and Z packets. */
bool rsp_read_range(struct rsp_reader *r, uint64_t *ret_address, uint64_t *ret_length) rsp_must_check;

/* Exactly n bytes, two digits each. */
bool rsp_read_hex_bytes(struct rsp_reader *r, void *ret, size_t n) rsp_must_check;
/*
 * Bytes, two digits each, up to the first character that is no digit or to the end; appended to ret. False: half a
 * byte, or more than max bytes.
 */
bool rsp_read_hex_data(struct rsp_reader *r, size_t max, struct buf *ret) rsp_must_check;

#define RSP_ALL (-1)
#define RSP_ANY 0

/* RSP_ALL, RSP_ANY, or the one with this id. */
struct rsp_thread {
	int64_t pid; /* RSP_ANY where none is named */
	int64_t tid;
};

/* TID, pPID or pPID.TID, where each is hexadecimal or -1. pPID alone means all threads of it. */
bool rsp_read_thread(struct rsp_reader *r, struct rsp_thread *ret) rsp_must_check;

/* --- Writing: all append --- */

/* Two digits for each byte. */
void rsp_put_hex_bytes(struct buf *b, const void *bytes, size_t len);
/* The bytes of a text, two digits each. */
void rsp_put_hex_text(struct buf *b, const char *text);
/* A number in hexadecimal digits, the highest first, no zeros in front. */
void rsp_put_hex(struct buf *b, uint64_t n);
/* pPID.TID, or TID alone if t.pid is RSP_ANY. */
void rsp_put_thread(struct buf *b, struct rsp_thread t);
/*
 * As many of the bytes as take up at most max bytes once they are encoded; returns how many that are. For replies whose
 * size the client has bounded, such as those to qXfer and x.
 */
size_t rsp_put_binary(struct buf *b, const void *bytes, size_t len, size_t max);
