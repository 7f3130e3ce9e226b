/*
 * Answers as text, one a line, in the order of the questions:
 *
 *	ktb layout 1 BUILD_ID
 *	KIND TYPE NAME IF_SYMBOL FOUND SIGNED VALUE SIZE COUNT BIT_OFFSET BIT_SIZE
 *	...
 *	end CHECKSUM
 *
 * with - for what is NULL. Each line names its question, so that the answers of a program with other questions are no
 * answers. The checksum finds accidents: files that were cut or half-written. Against malice nothing is needed but that
 * the parser takes anything, since the folder is the user's own; and whoever uses an answer to read guest memory has to take
 * any result.
 */
#include <inttypes.h>

#include "base/buildid.h"
#include "base/log.h"
#include "base/util.h"
#include "debuginfo/kept.h"
#include "debuginfo/layout.h"

enum { FILE_MAX = 1 << 20 };

static const char *const kinds[] = { "symbol", "type", "member", "enumerator", "build-id" };

/* FNV-1a, 64 bits. */
static uint64_t checksum(const char *text, size_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static const char *or_dash(const char *s)
{
	return s ? s : "-";
}

static void put_question(struct buf *b, const struct layout_question *q)
{
	buf_printf(b, "%s %s %s %s ", kinds[q->kind], or_dash(q->type), or_dash(q->name), or_dash(q->if_symbol));
}

char *layout_format(const char *build_id, const struct layout_question *questions, size_t n,
		    const struct layout_answer *answers)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "ktb layout 1 %s\n", build_id);
	for (size_t i = 0; i < n; i++) {
		const struct layout_answer *a = &answers[i];

		put_question(&b, &questions[i]);
		buf_printf(&b, "%d %d %" PRIx64 " %" PRIx32 " %" PRIx32 " %x %x\n", a->found, a->is_signed, a->value,
			   a->size, a->count, a->bit_offset, a->bit_size);
	}
	buf_printf(&b, "end %016" PRIx64 "\n", checksum(b.data, b.len));
	return buf_steal(&b);
}

static struct err *damaged(const char *what)
{
	return err_create(ERR_BAD_DATA, "the kept answers about the kernel's layout are damaged: %s", what);
}

/* A hexadecimal number of at most max, and the white space that ends it. */
static bool take_number(const char **at, const char *end, uint64_t max, char delimiter, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *at;

	for (; p < end && *p != delimiter; p++) {
		int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;

		if (digit < 0 || value > (max >> 4))
			return false;
		value = value << 4 | (uint64_t)digit;
	}
	if (p == *at || p == end || value > max)
		return false;
	*at = p + 1;
	*ret = value;
	return true;
}

/* The answer to a question in the line that begins at *at, which is moved to the next. */
static struct err *parse_line(const char **at, const char *end, const struct layout_question *q,
			      struct layout_answer *ret)
{
	_cleanup_(buf_deinit) struct buf question = BUF_INIT;
	uint64_t found, is_signed, value, size, count, bit_offset, bit_size;

	put_question(&question, q);
	if ((size_t)(end - *at) < question.len || memcmp(*at, question.data, question.len) != 0)
		return damaged("other questions");
	*at += question.len;
	if (!take_number(at, end, 1, ' ', &found) || !take_number(at, end, 1, ' ', &is_signed) ||
	    !take_number(at, end, UINT64_MAX, ' ', &value) || !take_number(at, end, LAYOUT_SIZE_MAX, ' ', &size) ||
	    !take_number(at, end, LAYOUT_SIZE_MAX, ' ', &count) || !take_number(at, end, 7, ' ', &bit_offset) ||
	    !take_number(at, end, 64, '\n', &bit_size))
		return damaged("not a number");
	if (q->kind == LAYOUT_MEMBER && value > LAYOUT_OFFSET_MAX)
		return damaged("out of range");
	*ret = (struct layout_answer){ .found = found,
				       .is_signed = is_signed,
				       .value = value,
				       .size = (uint32_t)size,
				       .count = (uint32_t)count,
				       .bit_offset = (uint16_t)bit_offset,
				       .bit_size = (uint16_t)bit_size };
	return NULL;
}

static struct err *parse(const char *text, size_t len, const char *build_id, const struct layout_question *questions,
			 size_t n, struct layout_answer *answers)
{
	_cleanup_(free) char *head = xasprintf("ktb layout 1 %s\n", build_id);
	const char *at = text, *end = text + len;
	uint64_t sum;

	if (len < strlen(head) || memcmp(text, head, strlen(head)) != 0)
		return damaged("of another kernel or program");
	at += strlen(head);
	for (size_t i = 0; i < n; i++)
		TRY(parse_line(&at, end, &questions[i], &answers[i]));
	len = (size_t)(at - text);
	if (end - at < 4 || memcmp(at, "end ", 4) != 0)
		return damaged("other questions");
	at += 4;
	if (!take_number(&at, end, UINT64_MAX, '\n', &sum) || at != end || sum != checksum(text, len))
		return damaged("the checksum is wrong");
	return NULL;
}

struct err *layout_parse(const char *text, size_t len, const char *build_id, const struct layout_question *questions,
			 size_t n, struct layout_answer *ret)
{
	_cleanup_(free) struct layout_answer *answers = xcalloc(n, sizeof(*answers));

	TRY(parse(text, len, build_id, questions, n, answers));
	memcpy(ret, answers, n * sizeof(*answers));
	return NULL;
}

/* False: it has to be found out again. */
static bool load_kept(const struct kept *kept, const char *build_id, const struct layout_question *questions, size_t n,
		      struct layout_answer *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct err *e;

	if (!kept_read(kept, FILE_MAX, &text))
		return false;
	e = layout_parse(buf_str(&text), text.len, build_id, questions, n, ret);
	if (!e)
		return true;
	kept_is_unusable(kept, e);
	return false;
}

struct err *layout_load(const char *build_id, const char *vmlinux, const struct layout_question *questions, size_t n,
			struct layout_answer *ret)
{
	_cleanup_(kept_deinit) struct kept kept = KEPT_INIT;
	_cleanup_(free) char *text = NULL;

	TRY(kept_open(&kept, build_id, ""));
	if (load_kept(&kept, build_id, questions, n, ret))
		return NULL;
	if (!vmlinux)
		return err_create(ERR_NOT_FOUND,
				  "no vmlinux is known for the kernel with the build ID %s; name it by --vmlinux",
				  build_id);
	TRY(build_id_check(vmlinux, build_id));
	log_debug("reading how the kernel is laid out from %s", vmlinux);
	TRY(layout_resolve(vmlinux, questions, n, ret));
	text = layout_format(build_id, questions, n, ret);
	kept_write(&kept, text, strlen(text));
	return NULL;
}
