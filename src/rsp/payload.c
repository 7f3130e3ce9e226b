#include "rsp/payload.h"

#include <endian.h>
#include <string.h>

#include "base/util.h"
#include "rsp/packet.h"

/* --- Reading --- */

/* One above what the digit stands for: all that is no digit is 0. */
static const unsigned char digit_values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

int rsp_hex_digit(char c)
{
	return digit_values[(unsigned char)c] - 1;
}

bool rsp_read_char(struct rsp_reader *r, char c)
{
	if (rsp_at_end(r) || *r->p != c)
		return false;
	r->p++;
	return true;
}

bool rsp_read_text(struct rsp_reader *r, const char *text)
{
	size_t n = strlen(text);

	if (rsp_left(r) < n || (n && memcmp(r->p, text, n) != 0))
		return false;
	r->p += n;
	return true;
}

bool rsp_rest_is(const struct rsp_reader *r, const char *text)
{
	struct rsp_reader rest = *r;

	return rsp_read_text(&rest, text) && rsp_at_end(&rest);
}

bool rsp_read_field(struct rsp_reader *r, char c, struct rsp_reader *ret)
{
	const char *end;

	if (rsp_at_end(r))
		return false;
	end = memchr(r->p, c, rsp_left(r));
	*ret = (struct rsp_reader){ .p = r->p, .end = end ? end : r->end };
	r->p = end ? end + 1 : r->end;
	return true;
}

static bool read_number(struct rsp_reader *r, uint64_t base, uint64_t *ret)
{
	const char *p = r->p;
	uint64_t n = 0;

	for (; p < r->end; p++) {
		int digit = rsp_hex_digit(*p);

		if (digit < 0 || (uint64_t)digit >= base)
			break;
		if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, (uint64_t)digit, &n))
			return false;
	}
	if (p == r->p)
		return false;
	r->p = p;
	*ret = n;
	return true;
}

bool rsp_read_hex(struct rsp_reader *r, uint64_t *ret)
{
	return read_number(r, 16, ret);
}

bool rsp_read_decimal(struct rsp_reader *r, uint64_t *ret)
{
	return read_number(r, 10, ret);
}

bool rsp_read_range(struct rsp_reader *r, uint64_t *ret_address, uint64_t *ret_length)
{
	struct rsp_reader at = *r;
	uint64_t address, length;

	if (!rsp_read_hex(&at, &address) || !rsp_read_char(&at, ',') || !rsp_read_hex(&at, &length))
		return false;
	*r = at;
	*ret_address = address;
	*ret_length = length;
	return true;
}

/* False if one of the 2n characters is no digit. What was written is of no use then. */
static bool decode_hex(const char *digits, unsigned char *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high = rsp_hex_digit(digits[2 * i]), low = rsp_hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

bool rsp_read_hex_bytes(struct rsp_reader *r, void *ret, size_t n)
{
	if (rsp_left(r) / 2 < n)
		return false;
	for (size_t i = 0; i < 2 * n; i++) {
		if (rsp_hex_digit(r->p[i]) < 0)
			return false;
	}
	decode_hex(r->p, ret, n);
	r->p += 2 * n;
	return true;
}

bool rsp_read_hex_data(struct rsp_reader *r, size_t max, struct buf *ret)
{
	size_t digits = 0;

	while (digits < rsp_left(r) && rsp_hex_digit(r->p[digits]) >= 0)
		digits++;
	if (digits % 2 || digits / 2 > max)
		return false;
	decode_hex(r->p, (unsigned char *)buf_reserve(ret, digits / 2), digits / 2);
	buf_commit(ret, digits / 2);
	r->p += digits;
	return true;
}

static bool read_id(struct rsp_reader *r, int64_t *ret)
{
	uint64_t id;

	if (rsp_read_text(r, "-1")) {
		*ret = RSP_ALL;
		return true;
	}
	if (!rsp_read_hex(r, &id) || id > INT64_MAX)
		return false;
	*ret = (int64_t)id;
	return true;
}

bool rsp_read_thread(struct rsp_reader *r, struct rsp_thread *ret)
{
	struct rsp_thread t = { .pid = RSP_ANY, .tid = RSP_ALL };
	struct rsp_reader at = *r;

	if (rsp_read_char(&at, 'p')) {
		if (!read_id(&at, &t.pid) || (rsp_read_char(&at, '.') && !read_id(&at, &t.tid)))
			return false;
	} else if (!read_id(&at, &t.tid)) {
		return false;
	}
	*r = at;
	*ret = t;
	return true;
}

/* --- Writing --- */

static const char hex_digits[] = "0123456789abcdef";

/* Eight digits for four bytes, all at once: each nibble in a byte of its own, and the step from 9 to a where it is needed. */
static void put_digits(char *to, const unsigned char *from)
{
	uint32_t bytes;
	uint64_t x;

	memcpy(&bytes, from, sizeof(bytes));
	x = le32toh(bytes);
	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x >> 4 | x << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	x += UINT64_C(0x3030303030303030) +
	     ((x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101)) * ('a' - '9' - 1);
	x = htole64(x);
	memcpy(to, &x, sizeof(x));
}

void rsp_put_hex_bytes(struct buf *b, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	size_t i = 0;
	char *to;

	to = buf_reserve(b, 2 * len);
	for (; len - i >= 4; i += 4, to += 8)
		put_digits(to, from + i);
	for (; i < len; i++) {
		*to++ = hex_digits[from[i] >> 4];
		*to++ = hex_digits[from[i] & 0xf];
	}
	buf_commit(b, 2 * len);
}

void rsp_put_hex_text(struct buf *b, const char *text)
{
	rsp_put_hex_bytes(b, text, strlen(text));
}

void rsp_put_hex(struct buf *b, uint64_t n)
{
	char digits[16];
	size_t i = sizeof(digits);

	do {
		digits[--i] = hex_digits[n & 0xf];
		n >>= 4;
	} while (n);
	buf_append(b, digits + i, sizeof(digits) - i);
}

static void put_id(struct buf *b, int64_t id)
{
	if (id == RSP_ALL)
		buf_puts(b, "-1");
	else
		rsp_put_hex(b, (uint64_t)id);
}

void rsp_put_thread(struct buf *b, struct rsp_thread t)
{
	if (t.pid != RSP_ANY) {
		buf_putc(b, 'p');
		put_id(b, t.pid);
		buf_putc(b, '.');
	}
	put_id(b, t.tid);
}

/* Without a branch: compilers make a few instructions of it. */
enum { BLOCK = 64 };

static size_t encoded_block(const char bytes[BLOCK])
{
	unsigned char escaped = 0;

	for (size_t i = 0; i < BLOCK; i++)
		escaped = (unsigned char)(escaped + (bytes[i] == '$') + (bytes[i] == '#') + (bytes[i] == '}') +
					  (bytes[i] == '*'));
	return BLOCK + escaped;
}

size_t rsp_put_binary(struct buf *b, const void *bytes, size_t len, size_t max)
{
	const char *from = bytes;
	size_t n = 0;

	for (; len - n >= BLOCK && max >= (size_t)2 * BLOCK; n += BLOCK)
		max -= encoded_block(from + n);
	while (n < len && rsp_encoded_size(from[n]) <= max)
		max -= rsp_encoded_size(from[n++]);
	buf_append(b, bytes, n);
	return n;
}
