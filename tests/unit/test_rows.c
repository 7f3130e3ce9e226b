/*
 * The row emitter: the same rows as a table and as JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>
#include <stdio.h>

#include "base/rows.h"
#include "base/util.h"

static const struct rows_column columns[] = {
	{ "NAME", "name", ROWS_TEXT }, { "SIZE", "size", ROWS_NUMBER }, { NULL, "hidden", ROWS_TEXT },
	{ "UP", "up", ROWS_TEXT },     { NULL, NULL, ROWS_TEXT },
};

static void add(struct rows *r, const char *name, uint64_t size, const char *hidden, bool up)
{
	rows_begin(r);
	rows_str(r, name);
	rows_u64(r, size);
	rows_str(r, hidden);
	rows_bool(r, up);
}

/* What is printed; the caller frees it. */
static char *emit(struct rows *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_null(rows_emit(r, out));
	fclose(out);
	return text;
}

static void prints_a_table(void **state)
{
	_cleanup_(rows_destroy) struct rows *r = rows_create(columns, false);
	_cleanup_(free) char *text = NULL;

	(void)state;
	add(r, "a", 5, "x", true);
	add(r, NULL, 12345678, NULL, false);
	add(r, "a longer name", 0, "", false);
	text = emit(r);
	assert_string_equal(text, "NAME               SIZE  UP\n"
				  "a                     5  yes\n"
				  "-              12345678  no\n"
				  "a longer name         0  no\n");
}

static void prints_json(void **state)
{
	_cleanup_(rows_destroy) struct rows *r = rows_create(columns, true);
	_cleanup_(free) char *text = NULL;
	struct json_object *array, *row, *value;

	(void)state;
	add(r, "a/\"b\"\n", UINT64_MAX, NULL, true);
	text = emit(r);
	array = json_tokener_parse(text);
	assert_true(json_object_is_type(array, json_type_array));
	assert_int_equal(json_object_array_length(array), 1);
	row = json_object_array_get_idx(array, 0);
	assert_true(json_object_object_get_ex(row, "name", &value));
	assert_string_equal(json_object_get_string(value), "a/\"b\"\n");
	assert_true(json_object_object_get_ex(row, "size", &value));
	assert_true(json_object_get_uint64(value) == UINT64_MAX);
	assert_true(json_object_object_get_ex(row, "hidden", &value));
	assert_null(value);
	assert_true(json_object_object_get_ex(row, "up", &value));
	assert_true(json_object_get_boolean(value));
	json_object_put(array);
}

static void nothing_is_nothing_or_an_empty_array(void **state)
{
	_cleanup_(rows_destroy) struct rows *table = rows_create(columns, false), *json = rows_create(columns, true);
	_cleanup_(free) char *table_text = emit(table), *json_text = emit(json);

	(void)state;
	assert_string_equal(table_text, "");
	assert_string_equal(json_text, "[]\n");
}

static void shows_a_number_in_another_form(void **state)
{
	static const struct rows_column one[] = { { "SIZE", "size", ROWS_NUMBER }, { NULL, NULL, ROWS_TEXT } };
	_cleanup_(rows_destroy) struct rows *table = rows_create(one, false), *json = rows_create(one, true);
	_cleanup_(free) char *table_text = NULL, *json_text = NULL;

	(void)state;
	rows_begin(table);
	rows_u64_as(table, 2048, "2 KB");
	rows_begin(json);
	rows_u64_as(json, 2048, "2 KB");
	table_text = emit(table);
	json_text = emit(json);
	assert_string_equal(table_text, "SIZE\n2 KB\n");
	assert_non_null(strstr(json_text, "2048"));
}

static void lists_and_rows_in_rows(void **state)
{
	static const struct rows_column inner[] = { { NULL, "n", ROWS_NUMBER }, { NULL, NULL, ROWS_TEXT } };
	static const struct rows_column outer[] = {
		{ "LIST", "list", ROWS_TEXT },
		{ NULL, "rows", ROWS_TEXT },
		{ NULL, NULL, ROWS_TEXT },
	};
	_cleanup_(strv_deinit) struct strv none = STRV_INIT, two = STRV_INIT;

	(void)state;
	strv_add(&two, "a");
	strv_add(&two, "b");
	for (int json = 0; json < 2; json++) {
		_cleanup_(rows_destroy) struct rows *r = rows_create(outer, json);
		_cleanup_(free) char *text = NULL;

		for (int i = 0; i < 2; i++) {
			_cleanup_(rows_destroy) struct rows *nested = rows_create(inner, json);

			rows_begin(r);
			rows_list(r, i ? &none : &two);
			rows_begin(nested);
			rows_u64(nested, 42);
			rows_nested(r, nested);
		}
		text = emit(r);
		if (!json) {
			assert_string_equal(text, "LIST\na,b\n-\n");
			continue;
		}
		assert_non_null(strstr(text, "\"a\""));
		assert_non_null(strstr(text, "\"n\": 42"));
	}
}

static void a_terminal_gets_nothing_to_obey(void **state)
{
	static const struct rows_column one[] = { { "NAME", "name", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT } };
	_cleanup_(rows_destroy) struct rows *table = rows_create(one, false), *json = rows_create(one, true);
	_cleanup_(free) char *table_text = NULL, *json_text = NULL;
	static const char evil[] = "\033[2J\tb\xff\xc2\x9b\xc3\xa4\x7f";

	(void)state;
	rows_begin(table);
	rows_str(table, evil);
	rows_begin(json);
	rows_str(json, evil);
	table_text = emit(table);
	json_text = emit(json);
	assert_string_equal(table_text, "NAME\n\\x1b[2J\\x09b\\xff\\xc2\\x9b\xc3\xa4\\x7f\n");
	/* Each byte of the output belongs to a UTF-8 character. */
	for (const char *p = json_text; *p; p += utf8_length(p))
		assert_true(utf8_length(p) > 0);
	assert_non_null(strstr(json_text, "\\u001b[2J\\tb\xef\xbf\xbd"));
}

static void columns_are_as_wide_as_their_characters(void **state)
{
	_cleanup_(rows_destroy) struct rows *r = rows_create(columns, false);
	_cleanup_(free) char *text = NULL;

	(void)state;
	add(r, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac", 1, NULL, true);
	add(r, "abcde", 1, NULL, true);
	text = emit(r);
	assert_string_equal(text, "NAME   SIZE  UP\n"
				  "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac     1  yes\n"
				  "abcde     1  yes\n");
}

static void a_full_disk_is_an_error(void **state)
{
	_cleanup_(rows_destroy) struct rows *r = rows_create(columns, false);
	_cleanup_(fclose) FILE *full = fopen("/dev/full", "w");
	_cleanup_(err_destroy) struct err *e = NULL;

	(void)state;
	add(r, "a", 1, NULL, true);
	assert_non_null(full);
	e = rows_emit(r, full);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_OS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_a_table),
		cmocka_unit_test(prints_json),
		cmocka_unit_test(nothing_is_nothing_or_an_empty_array),
		cmocka_unit_test(shows_a_number_in_another_form),
		cmocka_unit_test(lists_and_rows_in_rows),
		cmocka_unit_test(a_terminal_gets_nothing_to_obey),
		cmocka_unit_test(columns_are_as_wide_as_their_characters),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
