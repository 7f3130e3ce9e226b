#include "kbuild/build_log.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"

enum { LINES_BEFORE = 4, LINES_AFTER = 6, LINE_MAX_SHOWN = 400 };

struct line {
	const char *text;
	size_t len;
};

static bool is_action_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool action_is(const struct build_step *step, const char *name)
{
	size_t n = strlen(name);

	return step->action_len >= n && memcmp(step->action, name, n) == 0 &&
	       (step->action_len == n || step->action[n] == ' ');
}

bool build_step_parse(const char *line, size_t len, struct build_step *ret)
{
	struct build_step step = { 0 };
	size_t i = 2, begin;

	if (len < 3 || line[0] != ' ' || line[1] != ' ')
		return false;
	while (i < len && is_action_char(line[i]))
		i++;
	if (i == 2 || i == len || line[i] != ' ')
		return false;
	/* "[M]", "[U]": made for a module, for user space. */
	if (i + 4 <= len && line[i + 1] == '[' && line[i + 3] == ']')
		i += 4;
	step.action = line + 2;
	step.action_len = i - 2;
	begin = i;
	while (i < len && line[i] == ' ')
		i++;
	if (i == begin || i == len)
		return false;
	step.target = line + i;
	step.target_len = len - i;
	step.object = (action_is(&step, "CC") || action_is(&step, "AS")) && len >= 2 && line[len - 2] == '.' &&
		      line[len - 1] == 'o';
	*ret = step;
	return true;
}

/* The next line of the text, without its newline; false at the end. */
static bool next_line(const char *log, size_t len, size_t *offset, struct line *ret)
{
	const char *end;

	if (*offset >= len)
		return false;
	ret->text = log + *offset;
	end = memchr(ret->text, '\n', len - *offset);
	ret->len = end ? (size_t)(end - ret->text) : len - *offset;
	*offset += ret->len + 1;
	return true;
}

static bool contains(const struct line *l, const char *what)
{
	return memmem(l->text, l->len, what, strlen(what)) != NULL;
}

static bool begins(const struct line *l, const char *what)
{
	size_t n = strlen(what);

	return l->len >= n && memcmp(l->text, what, n) == 0;
}

static bool is_step(const struct line *l)
{
	struct build_step step;

	return build_step_parse(l->text, l->len, &step);
}

static bool is_make(const struct line *l)
{
	return begins(l, "make:") || begins(l, "make[");
}

/* Somebody who knows what is wrong speaks. */
static bool is_error(const struct line *l)
{
	static const char *const marks[] = {
		": error:",                /* gcc, clang, lld; also Kconfig's recursive dependencies */
		": fatal error:",          /* a header that is missing */
		": Error:",                /* as */
		"undefined reference to ", /* ld */
		"multiple definition of ",
		"ERROR: modpost:",
		": syntax error", /* Kconfig */
		": not found",    /* sh: a program that is missing */
		": command not found",
		"No space left on device",
		"Permission denied",
		"Out of memory",
		"Killed signal terminated program", /* gcc, when its cc1 was killed */
		"internal compiler error",
		"Traceback (most recent call last)",
	};

	if (is_step(l) || is_make(l) || contains(l, "warning:"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (contains(l, marks[i]))
			return true;
	}
	return begins(l, "ld: ") || begins(l, "error:") || begins(l, "ERROR:") || begins(l, "FAILED ");
}

/* make itself gives up: "make[2]: *** [...] Error 1", "Makefile:5: *** text.  Stop.", "***", "*** text". */
static bool is_failure(const struct line *l)
{
	return contains(l, "*** ") && !contains(l, "Waiting for unfinished jobs") && !is_step(l);
}

static void add_line(struct buf *b, const struct line *l)
{
	size_t n = MIN(l->len, (size_t)LINE_MAX_SHOWN);

	if (b->len)
		buf_putc(b, '\n');
	for (size_t i = 0; i < n; i++) {
		char c = l->text[i];

		if (c == '\r')
			continue;
		buf_putc(b, (c >= 0 && c < ' ' && c != '\t') || c == 0x7f ? '?' : c);
	}
	if (l->len > n)
		buf_puts(b, "...");
}

static char *with_context(const struct line *before, size_t n, const struct line *error, const char *log, size_t len,
			  size_t offset)
{
	struct buf b = BUF_INIT;
	struct line l;

	for (size_t i = 0; i < n; i++)
		add_line(&b, &before[i]);
	add_line(&b, error);
	for (int i = 0; i < LINES_AFTER && next_line(log, len, &offset, &l); i++) {
		if (is_step(&l) || is_make(&l))
			break;
		add_line(&b, &l);
	}
	return buf_steal(&b);
}

static char *first_where(const char *log, size_t len, bool (*wanted)(const struct line *))
{
	struct line before[LINES_BEFORE], l;
	size_t n = 0, offset = 0;

	while (next_line(log, len, &offset, &l)) {
		if (wanted(&l))
			return with_context(before, n, &l, log, len, offset);
		/* What comes right before belongs to it ("In file included from"), unless it is about another file. */
		if (is_step(&l) || is_make(&l)) {
			n = 0;
			continue;
		}
		if (n == LINES_BEFORE)
			memmove(before, before + 1, --n * sizeof(before[0]));
		before[n++] = l;
	}
	return NULL;
}

char *build_log_first_error(const char *log, size_t len)
{
	char *text = first_where(log, len, is_error);

	return text ? text : first_where(log, len, is_failure);
}

bool build_log_disk_full(const char *log, size_t len)
{
	static const char words[] = "No space left on device";

	return memmem(log, len, words, sizeof(words) - 1) != NULL;
}
