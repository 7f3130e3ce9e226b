#include "rsp/transcript.h"

#include "base/util.h"

enum { TIME_DIGITS = 6, USEC_PER_SEC = 1000000 };

static const struct {
	const char *text;
	enum rsp_side side;
	enum rsp_direction direction;
} ways[] = {
	{ "<", RSP_SIDE_CLIENT, RSP_IN },
	{ ">", RSP_SIDE_CLIENT, RSP_OUT },
	{ "stub<", RSP_SIDE_STUB, RSP_IN },
	{ "stub>", RSP_SIDE_STUB, RSP_OUT },
};

/* What a line says of an event; a payload follows where one can. */
static const struct {
	const char *text;
	enum rsp_event event;
	bool has_payload;
} marks[] = {
	{ "$", RSP_PACKET, true },        { "%", RSP_NOTIFICATION, true }, { "+", RSP_ACK, false },
	{ "-", RSP_NAK, false },          { "^C", RSP_INTERRUPT, false },  { "!sum", RSP_BAD_SUM, false },
	{ "!long", RSP_TOO_LONG, false },
};

/* --- Writing --- */

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '\\';
}

static void put_payload(struct buf *b, const char *bytes, size_t len)
{
	while (len) {
		size_t n = 0;

		while (n < len && is_plain(bytes[n]))
			n++;
		/* Editors take spaces at the end of a line away. */
		if (n == len && bytes[n - 1] == ' ')
			n--;
		buf_append(b, bytes, n);
		bytes += n;
		len -= n;
		if (!len)
			break;
		if (*bytes == '\\')
			buf_puts(b, "\\\\");
		else
			buf_printf(b, "\\x%02x", (unsigned char)*bytes);
		bytes++;
		len--;
	}
}

void rsp_transcript_put(struct buf *b, const struct rsp_record *r)
{
	buf_printf(b, "%llu.%06llu ", (unsigned long long)(r->time_us / USEC_PER_SEC),
		   (unsigned long long)(r->time_us % USEC_PER_SEC));
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].side == r->side && ways[i].direction == r->direction)
			buf_puts(b, ways[i].text);
	}
	buf_putc(b, ' ');
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (marks[i].event != r->event)
			continue;
		buf_puts(b, marks[i].text);
		if (marks[i].has_payload)
			put_payload(b, r->payload, r->len);
	}
	buf_putc(b, '\n');
}

/* --- Reading --- */

void rsp_transcript_reader_deinit(struct rsp_transcript_reader *r)
{
	buf_deinit(&r->payload);
}

static bool read_time(struct rsp_reader *line, uint64_t *ret_us)
{
	uint64_t seconds, us;
	const char *fraction;

	if (!rsp_read_decimal(line, &seconds) || !rsp_read_char(line, '.'))
		return false;
	fraction = line->p;
	return rsp_read_decimal(line, &us) && line->p - fraction == TIME_DIGITS &&
	       !__builtin_mul_overflow(seconds, (uint64_t)USEC_PER_SEC, ret_us) &&
	       !__builtin_add_overflow(*ret_us, us, ret_us) && rsp_read_char(line, ' ');
}

static bool read_way(struct rsp_reader *line, struct rsp_record *ret)
{
	struct rsp_reader way;

	if (!rsp_read_field(line, ' ', &way))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (rsp_rest_is(&way, ways[i].text)) {
			ret->side = ways[i].side;
			ret->direction = ways[i].direction;
			return true;
		}
	}
	return false;
}

static bool read_payload(struct rsp_reader *line, struct buf *ret)
{
	buf_clear(ret);
	while (!rsp_at_end(line)) {
		size_t n = 0;
		unsigned char byte;

		while (n < rsp_left(line) && is_plain(line->p[n]))
			n++;
		buf_append(ret, line->p, n);
		line->p += n;
		if (rsp_at_end(line))
			break;
		if (rsp_read_text(line, "\\\\"))
			byte = '\\';
		else if (!rsp_read_text(line, "\\x") || !rsp_read_hex_bytes(line, &byte, 1))
			return false;
		buf_putc(ret, (char)byte);
	}
	return true;
}

static bool read_event(struct rsp_reader *line, struct rsp_record *ret, struct buf *payload)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (!rsp_read_text(line, marks[i].text))
			continue;
		ret->event = marks[i].event;
		if (!marks[i].has_payload)
			return rsp_at_end(line);
		if (!read_payload(line, payload))
			return false;
		ret->payload = buf_str(payload);
		ret->len = payload->len;
		return true;
	}
	return false;
}

struct err *rsp_transcript_next(struct rsp_transcript_reader *r, bool *ret_more, struct rsp_record *ret)
{
	struct rsp_reader text = { .p = r->p, .end = r->end }, line;

	while (rsp_read_field(&text, '\n', &line)) {
		struct rsp_record record = { .payload = "" };

		r->p = text.p;
		r->line++;
		if (rsp_at_end(&line) || *line.p == '#')
			continue;
		if (!read_time(&line, &record.time_us) || !read_way(&line, &record) ||
		    !read_event(&line, &record, &r->payload))
			return err_create(ERR_BAD_DATA,
					  "line %u of the transcript is no event, such as '0.001234 < $g'", r->line);
		*ret = record;
		*ret_more = true;
		return NULL;
	}
	*ret_more = false;
	return NULL;
}
