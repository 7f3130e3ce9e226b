#include <inttypes.h>
#include <json-c/json.h>

#include "base/printable.h"
#include "base/rows.h"
#include "base/util.h"
#include "kernel/shown.h"

#define HIGH (UINT64_C(0xff) << 56)

/* A struct of few members without others in it is one line, if that is no longer than this. */
enum { LINE_MAX_LEN = 100, LINE_MEMBERS = 4, REPEATS_SHOWN = 4, INDENT = 4 };

struct writer {
	struct buf *out;
	unsigned int level;
};

static void write_value(struct writer *w, const struct shown *s, bool with_type);

/* --- Scalars --- */

/* As C has it between quotes. */
static void put_quoted(struct buf *out, const char *s, char quote)
{
	buf_putc(out, quote);
	for (; *s; s++) {
		static const char plain[] = "\n\t\r\"\\'", escaped[] = "ntr\"\\'";
		const char *found = strchr(plain, *s);

		if (found && (*s != '"' || quote == '"') && (*s != '\'' || quote == '\''))
			buf_printf(out, "\\%c", escaped[found - plain]);
		else if (utf8_length(s))
			printable_append(out, s, utf8_length(s));
		else
			buf_printf(out, "\\x%02x", (unsigned char)*s);
		s += utf8_length(s) ? utf8_length(s) - 1 : 0;
	}
	buf_putc(out, quote);
}

static void put_text(struct buf *out, const struct shown *s)
{
	put_quoted(out, s->text, '"');
	if (s->text_cut)
		buf_puts(out, "...");
}

static void put_char(struct buf *out, uint64_t number)
{
	const char text[] = { (char)number, '\0' };

	buf_printf(out, "%" PRId64, (int64_t)number);
	if ((number & 0x7f) == number && number >= ' ' && number != 0x7f) {
		buf_putc(out, ' ');
		put_quoted(out, text, '\'');
	}
}

static void put_pointer(struct buf *out, const struct shown *s)
{
	buf_printf(out, "0x%" PRIx64, s->number);
	if (s->symbol) {
		buf_puts(out, " <");
		printable_append(out, s->symbol, strlen(s->symbol));
		buf_putc(out, '>');
	}
	if (s->text) {
		buf_putc(out, ' ');
		put_text(out, s);
	}
}

/* True if it is one. */
static bool put_scalar(struct buf *out, const struct shown *s)
{
	switch (s->kind) {
	case SHOWN_UNSIGNED:
		/* That large it is an address, or a mask. */
		buf_printf(out, s->number >= HIGH ? "0x%" PRIx64 : "%" PRIu64, s->number);
		return true;
	case SHOWN_SIGNED:
		buf_printf(out, "%" PRId64, (int64_t)s->number);
		return true;
	case SHOWN_BYTE:
		buf_printf(out, "0x%02" PRIx64, s->number);
		return true;
	case SHOWN_BOOL:
		buf_puts(out, s->number ? "true" : "false");
		return true;
	case SHOWN_CHAR:
		put_char(out, s->number);
		return true;
	case SHOWN_ENUM:
		if (s->text)
			printable_append(out, s->text, strlen(s->text));
		else
			buf_printf(out, "%" PRId64, (int64_t)s->number);
		return true;
	case SHOWN_POINTER:
		put_pointer(out, s);
		return true;
	case SHOWN_TEXT:
		put_text(out, s);
		return true;
	case SHOWN_CUT:
		buf_puts(out, "{ ... }");
		return true;
	case SHOWN_FAULT:
		buf_puts(out, "<not readable>");
		return true;
	case SHOWN_NOTHING:
		buf_puts(out, "<no value>");
		return true;
	case SHOWN_STRUCT:
	case SHOWN_ARRAY:
	default:
		return false;
	}
}

/* --- Structs and arrays --- */

static void new_line(struct writer *w)
{
	buf_printf(w->out, "\n%*s", (int)(INDENT * w->level), "");
}

static bool is_compound(const struct shown *s)
{
	return s->kind == SHOWN_STRUCT || s->kind == SHOWN_ARRAY;
}

static void put_repeats(struct buf *out, const struct shown *s)
{
	if (s->repeats > REPEATS_SHOWN)
		buf_printf(out, " <repeats %" PRIu64 " times>", s->repeats);
}

/* What is written for an element: once, with how often it repeats, or as often as it does. */
static uint64_t times(const struct shown *s)
{
	return s->repeats > REPEATS_SHOWN ? 1 : s->repeats;
}

/* A struct in one line; false, and nothing is written, if that is too much for a line. */
static bool write_line(struct writer *w, const struct shown *s)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;

	if (s->n > LINE_MEMBERS || s->more)
		return false;
	buf_puts(&line, "{");
	for (size_t i = 0; i < s->n; i++) {
		const struct shown *m = &s->items[i];

		if (is_compound(m))
			return false;
		buf_printf(&line, "%s .%s = (%s) ", i ? "," : "", m->name, m->type ? m->type : "?");
		put_scalar(&line, m);
		if (line.len > LINE_MAX_LEN)
			return false;
	}
	buf_puts(&line, s->n ? " }" : "}");
	buf_append(w->out, line.data, line.len);
	return true;
}

static void write_struct(struct writer *w, const struct shown *s)
{
	if (!write_line(w, s)) {
		buf_putc(w->out, '{');
		w->level++;
		for (size_t i = 0; i < s->n; i++) {
			new_line(w);
			buf_printf(w->out, ".%s = ", s->items[i].name);
			write_value(w, &s->items[i], true);
			buf_putc(w->out, ',');
		}
		if (s->more) {
			new_line(w);
			buf_puts(w->out, "...");
		}
		w->level--;
		new_line(w);
		buf_putc(w->out, '}');
	}
	if (s->is_empty)
		buf_puts(w->out, " /* empty */");
}

/* Structs and the like: a line for each, with its index. */
static void write_large_elements(struct writer *w, const struct shown *s)
{
	uint64_t index = 0;

	buf_putc(w->out, '{');
	w->level++;
	for (size_t i = 0; i < s->n; index += s->items[i++].repeats) {
		const struct shown *item = &s->items[i];

		new_line(w);
		if (item->repeats > 1)
			buf_printf(w->out, "[%" PRIu64 " ... %" PRIu64 "] = ", index, index + item->repeats - 1);
		else
			buf_printf(w->out, "[%" PRIu64 "] = ", index);
		write_value(w, item, false);
		buf_putc(w->out, ',');
	}
	if (s->more) {
		new_line(w);
		buf_printf(w->out, "... /* %" PRIu64 " more */", s->more);
	}
	w->level--;
	new_line(w);
	buf_putc(w->out, '}');
}

/* In columns, of the line that is being written. */
static size_t line_length(const struct writer *w)
{
	const char *newline = memrchr(w->out->data, '\n', w->out->len);

	return newline ? (size_t)(w->out->data + w->out->len - newline) - 1 : w->out->len;
}

static void next_element(struct writer *w)
{
	buf_putc(w->out, ',');
	if (line_length(w) <= LINE_MAX_LEN) {
		buf_putc(w->out, ' ');
		return;
	}
	w->level++;
	new_line(w);
	w->level--;
}

/* Numbers and the like: as many in a line as there is room for. */
static void write_small_elements(struct writer *w, const struct shown *s)
{
	buf_putc(w->out, '{');
	for (size_t i = 0; i < s->n; i++) {
		for (uint64_t j = 0; j < times(&s->items[i]); j++) {
			if (i || j)
				next_element(w);
			else
				buf_putc(w->out, ' ');
			put_scalar(w->out, &s->items[i]);
		}
		put_repeats(w->out, &s->items[i]);
	}
	if (s->more)
		buf_printf(w->out, "%s... /* %" PRIu64 " more */", s->n ? ", " : " ", s->more);
	buf_puts(w->out, s->n || s->more ? " }" : "}");
}

static void write_array(struct writer *w, const struct shown *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (is_compound(&s->items[i])) {
			write_large_elements(w, s);
			return;
		}
	}
	write_small_elements(w, s);
}

static void write_value(struct writer *w, const struct shown *s, bool with_type)
{
	if (with_type && s->type)
		buf_printf(w->out, "(%s) ", s->type);
	if (put_scalar(w->out, s))
		return;
	if (s->kind == SHOWN_ARRAY)
		write_array(w, s);
	else
		write_struct(w, s);
}

void shown_format(const struct shown *s, struct buf *ret)
{
	struct writer w = { ret, 0 };

	write_value(&w, s, true);
}

/* --- JSON --- */

static struct json_object *hexadecimal(uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, number);
	return json_object_new_string(text);
}

static struct json_object *json_struct(const struct shown *s)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < s->n; i++)
		json_object_object_add(object, s->items[i].name, shown_json(&s->items[i]));
	return object;
}

/* All elements that are known. What is alike is shared, which json-c does by counting. */
static struct json_object *json_array(const struct shown *s)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < s->n; i++) {
		struct json_object *item = shown_json(&s->items[i]);

		for (uint64_t j = 1; j < s->items[i].repeats; j++)
			json_object_array_add(array, json_object_get(item));
		json_object_array_add(array, item);
	}
	return array;
}

struct json_object *shown_json(const struct shown *s)
{
	switch (s->kind) {
	case SHOWN_UNSIGNED:
	case SHOWN_BYTE:
		return json_object_new_uint64(s->number);
	case SHOWN_SIGNED:
	case SHOWN_CHAR:
		return json_object_new_int64((int64_t)s->number);
	case SHOWN_BOOL:
		return json_object_new_boolean(s->number != 0);
	case SHOWN_ENUM:
		return s->text ? rows_json_text(s->text) : json_object_new_int64((int64_t)s->number);
	case SHOWN_POINTER:
		return hexadecimal(s->number);
	case SHOWN_TEXT:
		return rows_json_text(s->text);
	case SHOWN_STRUCT:
		return json_struct(s);
	case SHOWN_ARRAY:
		return json_array(s);
	case SHOWN_CUT:
	case SHOWN_FAULT:
	case SHOWN_NOTHING:
	default:
		return NULL;
	}
}
