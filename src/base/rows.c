#include "base/rows.h"

#include <errno.h>
#include <json-c/json.h>

#include "base/buf.h"
#include "base/util.h"

struct rows {
	const struct rows_column *columns;
	size_t columns_n;
	bool json;
	struct json_object *array; /* of objects */
	struct json_object *row;   /* the one being filled; owned by array */
	struct strv cells;         /* for the table, row by row */
	size_t column;
};

struct rows *rows_create(const struct rows_column *columns, bool json)
{
	struct rows *r = xcalloc(1, sizeof(*r));

	r->columns = columns;
	while (columns[r->columns_n].key)
		r->columns_n++;
	r->json = json;
	r->array = json_object_new_array();
	return r;
}

void rows_destroy(struct rows *r)
{
	if (!r)
		return;
	json_object_put(r->array);
	strv_deinit(&r->cells);
	free(r);
}

static void check_complete(const struct rows *r)
{
	if (r->row && r->column != r->columns_n)
		abort(); /* a caller left out a column */
}

void rows_begin(struct rows *r)
{
	check_complete(r);
	r->row = json_object_new_object();
	json_object_array_add(r->array, r->row);
	r->column = 0;
}

/* Shown as \xNN: control characters (C1's too, which some terminals obey), and what is no UTF-8. */
static char *printable(const char *s)
{
	struct buf b = BUF_INIT;

	while (*s) {
		size_t n = utf8_length(s);
		bool c1 = n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0;

		if (n > 1 && !c1) {
			buf_append(&b, s, n);
			s += n;
			continue;
		}
		for (n = MAX(n, (size_t)1); n; n--, s++) {
			unsigned char c = (unsigned char)*s;

			if (c < 0x20 || c >= 0x7f)
				buf_printf(&b, "\\x%02x", c);
			else
				buf_putc(&b, *s);
		}
	}
	return buf_steal(&b);
}

/* JSON is UTF-8: what isn't becomes U+FFFD. */
static struct json_object *json_text(const char *s)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	while (*s) {
		size_t n = utf8_length(s);

		buf_append(&b, n ? s : "\xef\xbf\xbd", n ? n : 3);
		s += n ? n : 1;
	}
	return json_object_new_string_len(buf_str(&b), (int)b.len);
}

/* In characters. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void add_cell(struct rows *r, struct json_object *value, const char *shown)
{
	if (r->column >= r->columns_n)
		abort();
	json_object_object_add(r->row, r->columns[r->column].key, value);
	strv_take(&r->cells, printable(shown));
	r->column++;
}

void rows_str(struct rows *r, const char *s)
{
	add_cell(r, s ? json_text(s) : NULL, s ? s : "-");
}

void rows_u64_as(struct rows *r, uint64_t value, const char *shown)
{
	add_cell(r, json_object_new_uint64(value), shown);
}

void rows_u64(struct rows *r, uint64_t value)
{
	_cleanup_(free) char *shown = xasprintf("%llu", (unsigned long long)value);

	rows_u64_as(r, value, shown);
}

void rows_bool(struct rows *r, bool value)
{
	add_cell(r, json_object_new_boolean(value), value ? "yes" : "no");
}

static void emit_line(const struct rows *r, const size_t *widths, const char *const *cells, FILE *out)
{
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;
	bool first = true;
	int pad;

	for (size_t i = 0; i < r->columns_n; i++) {
		if (!r->columns[i].title)
			continue;
		if (!first)
			buf_puts(&line, "  ");
		first = false;
		pad = (int)(widths[i] - width(cells[i]));
		if (r->columns[i].kind == ROWS_NUMBER)
			buf_printf(&line, "%*s%s", pad, "", cells[i]);
		else
			buf_printf(&line, "%s%*s", cells[i], pad, "");
	}
	while (line.len && line.data[line.len - 1] == ' ')
		buf_truncate(&line, line.len - 1);
	fprintf(out, "%s\n", buf_str(&line));
}

static void emit_table(struct rows *r, FILE *out)
{
	_cleanup_(free) size_t *widths = xcalloc(r->columns_n, sizeof(*widths));
	_cleanup_(free) const char **titles = xcalloc(r->columns_n, sizeof(*titles));

	if (!r->columns_n || !r->cells.n)
		return;
	for (size_t i = 0; i < r->columns_n; i++) {
		titles[i] = r->columns[i].title ? r->columns[i].title : "";
		widths[i] = width(titles[i]);
	}
	for (size_t i = 0; i < r->cells.n; i++)
		widths[i % r->columns_n] = MAX(widths[i % r->columns_n], width(r->cells.v[i]));
	emit_line(r, widths, titles, out);
	for (size_t i = 0; i + r->columns_n <= r->cells.n; i += r->columns_n)
		emit_line(r, widths, (const char *const *)r->cells.v + i, out);
}

struct err *rows_emit(struct rows *r, FILE *out)
{
	check_complete(r);
	if (r->json && !json_object_array_length(r->array))
		fputs("[]\n", out); /* json-c would break the line */
	else if (r->json)
		fprintf(out, "%s\n",
			json_object_to_json_string_ext(r->array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
									 JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		emit_table(r, out);
	if (fflush(out) == EOF || ferror(out))
		return err_os(errno, "write the result");
	return NULL;
}
