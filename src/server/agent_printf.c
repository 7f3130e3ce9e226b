#include "server/agent_printf.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/util.h"

enum flag { LEFT = 1, PLUS = 2, SPACE = 4, ALTERNATE = 8, ZERO = 16 };

/* One piece of a format. */
struct piece {
	char literal;       /* a character as it is; only if conversion is 0 */
	char conversion;    /* "diuoxXcps" */
	unsigned int flags; /* of enum flag */
	size_t width;
	bool has_precision;
	size_t precision;
	unsigned int bits; /* of an integer that it shows: 16, 32 or 64 */
};

static const char *parse_number(const char *s, size_t *ret)
{
	size_t n = 0;

	for (; isdigit((unsigned char)*s); s++) {
		n = n * 10 + (size_t)(*s - '0');
		if (n > AGENT_WIDTH_MAX)
			return NULL;
	}
	*ret = n;
	return s;
}

static const char *parse_length(const char *s, struct piece *ret)
{
	ret->bits = 32;
	if (*s == 'h') {
		ret->bits = 16;
		return s + 1;
	}
	if (*s == 'l' || *s == 'z') {
		ret->bits = 64;
		return s[0] == 'l' && s[1] == 'l' ? s + 2 : s + 1;
	}
	return s;
}

/* What a conversion may have beside it, as GDB has it. */
static bool fits(const struct piece *p)
{
	switch (p->conversion) {
	case 'd':
	case 'i':
		return true;
	case 'u':
		return !(p->flags & (ALTERNATE | SPACE | PLUS));
	case 'o':
	case 'x':
	case 'X':
		return !(p->flags & (SPACE | PLUS));
	case 'c':
	case 'p':
		return p->bits == 32 && !p->has_precision && !(p->flags & ~(unsigned int)LEFT);
	case 's':
		return p->bits == 32 && !(p->flags & ~(unsigned int)LEFT);
	default:
		return false;
	}
}

static const char *parse_conversion(const char *s, struct piece *ret)
{
	static const char flags[] = "-+ #0";
	const char *flag;

	for (; *s && (flag = strchr(flags, *s)); s++)
		ret->flags |= 1U << (flag - flags);
	s = parse_number(s, &ret->width);
	if (s && *s == '.') {
		ret->has_precision = true;
		s = parse_number(s + 1, &ret->precision);
	}
	if (!s)
		return NULL;
	s = parse_length(s, ret);
	ret->conversion = *s;
	return fits(ret) ? s + 1 : NULL;
}

/* Returns what is behind the piece at s, which isn't the end; NULL if it is no good. */
static const char *parse_piece(const char *s, struct piece *ret)
{
	static const char letters[] = "\\abefnrtv\"", meant[] = "\\\a\b\033\f\n\r\t\v\"";
	const char *letter;

	*ret = (struct piece){ .literal = *s };
	if (*s == '\\') {
		letter = s[1] ? strchr(letters, s[1]) : NULL;
		if (!letter)
			return NULL;
		ret->literal = meant[letter - letters];
		return s + 2;
	}
	if (*s != '%')
		return s + 1;
	return s[1] == '%' ? s + 2 : parse_conversion(s + 1, ret);
}

enum agent_result agent_format_check(const char *format, size_t len, size_t n)
{
	size_t wanted = 0;
	struct piece p;

	if (!len || strnlen(format, len) != len - 1)
		return AGENT_BAD_FORMAT;
	while (*format) {
		format = parse_piece(format, &p);
		if (!format)
			return AGENT_BAD_FORMAT;
		wanted += p.conversion != 0;
	}
	return wanted == n ? AGENT_OK : AGENT_BAD_FORMAT;
}

static void flush(struct agent_printer *p)
{
	if (p->n && p->env->output)
		p->env->output(p->env->user, p->pending, p->n);
	p->n = 0;
}

static enum agent_result put(struct agent_printer *p, const char *text, size_t len)
{
	if (len > AGENT_OUTPUT_MAX - p->total)
		return AGENT_TOO_MUCH_OUTPUT;
	p->total += len;
	while (len) {
		size_t n = MIN(len, sizeof(p->pending) - p->n);

		memcpy(p->pending + p->n, text, n);
		p->n += n;
		text += n;
		len -= n;
		if (p->n == sizeof(p->pending))
			flush(p);
	}
	return AGENT_OK;
}

static enum agent_result fill(struct agent_printer *p, char c, size_t n)
{
	enum agent_result r = AGENT_OK;

	while (n-- && r == AGENT_OK)
		r = put(p, &c, 1);
	return r;
}

/* Text with blanks on the side where they belong. */
static enum agent_result put_padded(struct agent_printer *p, const struct piece *piece, const char *text, size_t len)
{
	size_t blanks = piece->width > len ? piece->width - len : 0;
	enum agent_result r = AGENT_OK;

	if (!(piece->flags & LEFT))
		r = fill(p, ' ', blanks);
	if (r == AGENT_OK)
		r = put(p, text, len);
	if (r == AGENT_OK && (piece->flags & LEFT))
		r = fill(p, ' ', blanks);
	return r;
}

/* The value in digits, and what stands before them: a sign, or 0x. */
static const char *prefix_and_digits(const struct piece *piece, uint64_t value, char digits[32])
{
	bool is_signed = piece->conversion == 'd' || piece->conversion == 'i', negative;
	unsigned int unused = 64 - piece->bits;

	if (is_signed) {
		value = (uint64_t)((int64_t)(value << unused) >> unused);
		negative = (int64_t)value < 0;
		snprintf(digits, 32, "%" PRIu64, negative ? -value : value);
		return negative ? "-" : piece->flags & PLUS ? "+" : piece->flags & SPACE ? " " : "";
	}
	value = value << unused >> unused;
	switch (piece->conversion) {
	case 'o':
		snprintf(digits, 32, "%" PRIo64, value);
		return "";
	case 'x':
		snprintf(digits, 32, "%" PRIx64, value);
		return piece->flags & ALTERNATE && value ? "0x" : "";
	case 'X':
		snprintf(digits, 32, "%" PRIX64, value);
		return piece->flags & ALTERNATE && value ? "0X" : "";
	default:
		snprintf(digits, 32, "%" PRIu64, value);
		return "";
	}
}

static enum agent_result put_integer(struct agent_printer *p, const struct piece *piece, uint64_t value)
{
	char digits[32], text[AGENT_WIDTH_MAX + sizeof(digits) + 2];
	const char *prefix = prefix_and_digits(piece, value, digits);
	size_t n, prefix_len = strlen(prefix), zeros, len;

	if (piece->has_precision && !piece->precision && streq(digits, "0"))
		digits[0] = '\0';
	n = strlen(digits);
	if (piece->has_precision)
		zeros = piece->precision > n ? piece->precision - n : 0;
	else if ((piece->flags & ZERO) && !(piece->flags & LEFT))
		zeros = piece->width > n + prefix_len ? piece->width - n - prefix_len : 0;
	else
		zeros = 0;
	if (piece->conversion == 'o' && (piece->flags & ALTERNATE) && !zeros && digits[0] != '0')
		zeros = 1;
	memcpy(text, prefix, prefix_len + 1);
	memset(text + prefix_len, '0', zeros);
	memcpy(text + prefix_len + zeros, digits, n + 1);
	len = prefix_len + zeros + n;
	return put_padded(p, piece, text, len);
}

/* As GDB's own printf shows it. */
static enum agent_result put_pointer(struct agent_printer *p, const struct piece *piece, uint64_t value)
{
	char text[32];

	if (value)
		snprintf(text, sizeof(text), "0x%" PRIx64, value);
	else
		snprintf(text, sizeof(text), "(nil)");
	return put_padded(p, piece, text, strlen(text));
}

/*
 * Memory is read in blocks that cross no boundary of their size, and so no page: a string that ends just before memory that
 * isn't there is read.
 */
static enum agent_result put_string(struct agent_printer *p, const struct piece *piece, uint64_t address,
				    uint64_t *ret_what)
{
	enum { BLOCK = 64 };
	size_t max = piece->has_precision ? piece->precision : AGENT_STRING_MAX, len = 0;
	char text[AGENT_STRING_MAX];

	_Static_assert(AGENT_WIDTH_MAX <= AGENT_STRING_MAX, "a precision fits");
	if (!address)
		return put_padded(p, piece, "(null)", MIN(max, strlen("(null)")));
	while (len < max) {
		size_t n = MIN(max - len, BLOCK - (size_t)((address + len) % BLOCK)), found;

		if (!p->env->read_memory(p->env->user, address + len, text + len, n)) {
			*ret_what = address + len;
			return AGENT_FAULT;
		}
		found = strnlen(text + len, n);
		len += found;
		if (found < n)
			break;
	}
	return put_padded(p, piece, text, len);
}

static enum agent_result put_piece(struct agent_printer *p, const struct piece *piece, uint64_t value,
				   uint64_t *ret_what)
{
	const char c = (char)value;

	switch (piece->conversion) {
	case 'c':
		return put_padded(p, piece, &c, 1);
	case 'p':
		return put_pointer(p, piece, value);
	case 's':
		return put_string(p, piece, value, ret_what);
	default:
		return put_integer(p, piece, value);
	}
}

enum agent_result agent_format_print(struct agent_printer *p, const char *format, const uint64_t *args, size_t n,
				     uint64_t *ret_what)
{
	enum agent_result r = AGENT_OK;
	struct piece piece;

	while (r == AGENT_OK && *format) {
		format = parse_piece(format, &piece);
		r = piece.conversion ? put_piece(p, &piece, args[--n], ret_what) : put(p, &piece.literal, 1);
	}
	flush(p);
	return r;
}
