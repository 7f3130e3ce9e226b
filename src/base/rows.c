#include "base/rows.h"

#include <errno.h>
#include <json-c/json.h>

#include "base/buf.h"
#include "base/printable.h"
#include "base/util.h"

enum { OUTPUT_BYTES = 65536 };

/* In bytes, and in characters. */
struct cell {
	uint32_t len, width;
};

struct rows {
	const struct rows_column *columns;
	size_t columns_n;
	bool json;
	bool begun;
	size_t column;
	/* JSON: an array of objects, and the one being filled, which it owns. */
	struct json_object *array;
	struct json_object *row;
	/* Table: the texts of its cells, one behind the other, row by row. */
	struct buf text;
	struct buf number; /* scratch */
	struct cell *cells;
	size_t cells_n, cells_cap;
	size_t *widths; /* by column, in characters */
};

struct rows *rows_create(const struct rows_column *columns, bool json)
{
	struct rows *r = xcalloc(1, sizeof(*r));

	r->columns = columns;
	while (columns[r->columns_n].key)
		r->columns_n++;
	r->json = json;
	if (json)
		r->array = json_object_new_array();
	r->widths = xcalloc(r->columns_n + 1, sizeof(*r->widths));
	return r;
}

void rows_destroy(struct rows *r)
{
	if (!r)
		return;
	json_object_put(r->array);
	buf_deinit(&r->text);
	buf_deinit(&r->number);
	free(r->cells);
	free(r->widths);
	free(r);
}

static void check_complete(const struct rows *r)
{
	if (r->begun && r->column != r->columns_n)
		abort(); /* a caller left out a column */
}

void rows_begin(struct rows *r)
{
	check_complete(r);
	r->begun = true;
	r->column = 0;
	if (!r->json)
		return;
	r->row = json_object_new_object();
	json_object_array_add(r->array, r->row);
}

/* JSON is UTF-8: what isn't becomes U+FFFD. */
struct json_object *rows_json_text(const char *s)
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
static size_t width(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

static void next_column(struct rows *r)
{
	if (r->column >= r->columns_n)
		abort();
	r->column++;
}

static void add_value(struct rows *r, struct json_object *value)
{
	next_column(r);
	json_object_object_add(r->row, r->columns[r->column - 1].key, value);
}

/* What a column that isn't shown would show is not even kept. */
static void add_cell(struct rows *r, const char *shown)
{
	size_t begin = r->text.len, column = r->column;
	struct cell cell;

	next_column(r);
	if (!r->columns[column].title)
		shown = "";
	if (r->cells_n == r->cells_cap) {
		r->cells_cap = r->cells_cap ? 2 * r->cells_cap : 64;
		r->cells = xreallocarray(r->cells, r->cells_cap, sizeof(*r->cells));
	}
	printable_append(&r->text, shown, strlen(shown));
	if (r->text.len - begin > UINT32_MAX)
		abort();
	cell.len = (uint32_t)(r->text.len - begin);
	cell.width = (uint32_t)width(buf_str(&r->text) + begin, cell.len);
	r->cells[r->cells_n++] = cell;
	r->widths[column] = MAX(r->widths[column], (size_t)cell.width);
}

void rows_str(struct rows *r, const char *s)
{
	if (r->json)
		add_value(r, s ? rows_json_text(s) : NULL);
	else
		add_cell(r, s ? s : "-");
}

void rows_u64_as(struct rows *r, uint64_t value, const char *shown)
{
	if (r->json)
		add_value(r, json_object_new_uint64(value));
	else
		add_cell(r, shown);
}

void rows_u64(struct rows *r, uint64_t value)
{
	buf_clear(&r->number);
	buf_number(&r->number, value, 0, ' ');
	rows_u64_as(r, value, buf_str(&r->number));
}

void rows_bool(struct rows *r, bool value)
{
	if (r->json)
		add_value(r, json_object_new_boolean(value));
	else
		add_cell(r, value ? "yes" : "no");
}

void rows_json(struct rows *r, struct json_object *value, const char *shown)
{
	if (r->json)
		add_value(r, value);
	else
		add_cell(r, shown);
}

void rows_unknown(struct rows *r)
{
	if (r->json)
		add_value(r, NULL);
	else
		add_cell(r, "?");
}

static struct json_object *json_list(const struct strv *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->n; i++)
		json_object_array_add(array, rows_json_text(list->v[i]));
	return array;
}

void rows_list(struct rows *r, const struct strv *list)
{
	if (r->json) {
		add_value(r, json_list(list));
	} else {
		_cleanup_(free) char *shown = strv_join(list, ",");

		add_cell(r, list->n ? shown : "-");
	}
}

void rows_nested(struct rows *r, struct rows *nested)
{
	check_complete(nested);
	if (r->json)
		add_value(r, json_object_get(nested->array));
	else
		add_cell(r, "");
}

static void pad(struct buf *line, size_t n)
{
	memset(buf_reserve(line, n), ' ', n);
	buf_commit(line, n);
}

/* A cell of a column that is shown, with the line's first byte at `begin`. */
static void add_to_line(const struct rows *r, size_t column, const char *text, struct cell cell, size_t begin,
			struct buf *out)
{
	size_t space = r->widths[column] - cell.width;
	bool is_number = r->columns[column].kind == ROWS_NUMBER;

	if (out->len > begin)
		buf_append(out, "  ", 2);
	if (is_number)
		pad(out, space);
	buf_append(out, text, cell.len);
	if (!is_number)
		pad(out, space);
}

static void end_line(struct buf *out, size_t begin)
{
	while (out->len > begin && out->data[out->len - 1] == ' ')
		buf_truncate(out, out->len - 1);
	buf_putc(out, '\n');
}

static struct cell title(const struct rows *r, size_t column)
{
	const char *text = r->columns[column].title;
	size_t len = text ? strlen(text) : 0;

	return (struct cell){ (uint32_t)len, (uint32_t)width(text, len) };
}

static void add_titles(struct rows *r, struct buf *out)
{
	for (size_t i = 0; i < r->columns_n; i++) {
		r->widths[i] = MAX(r->widths[i], (size_t)title(r, i).width);
		if (r->columns[i].title)
			add_to_line(r, i, r->columns[i].title, title(r, i), 0, out);
	}
	end_line(out, 0);
}

static void emit_table(struct rows *r, FILE *out)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	const char *at = buf_str(&r->text);
	const struct cell *cell = r->cells;

	if (!r->columns_n || !r->cells_n)
		return;
	add_titles(r, &text);
	for (size_t left = r->cells_n; left; left -= r->columns_n) {
		size_t begin = text.len;

		for (size_t i = 0; i < r->columns_n; at += cell->len, i++, cell++) {
			if (r->columns[i].title)
				add_to_line(r, i, at, *cell, begin, &text);
		}
		end_line(&text, begin);
		/* A little at a time stays in the processor's cache. */
		if (text.len >= OUTPUT_BYTES) {
			fwrite(text.data, 1, text.len, out);
			buf_clear(&text);
		}
	}
	fwrite(buf_str(&text), 1, text.len, out);
}

static struct err *flush(FILE *out)
{
	if (fflush(out) == EOF || ferror(out))
		return err_os(errno, "write the result");
	return NULL;
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
	return flush(out);
}

struct err *rows_emit_lines(struct rows *r, FILE *out)
{
	check_complete(r);
	if (!r->json)
		return rows_emit(r, out);
	for (size_t i = 0; i < json_object_array_length(r->array); i++)
		fprintf(out, "%s\n",
			json_object_to_json_string_ext(json_object_array_get_idx(r->array, i),
						       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	return flush(out);
}
