/*
 * Layouts: answers from a program that the compiler just made, kept as text, and read again, however damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buildid.h"
#include "debuginfo/layout.h"
#include "tests/unit/compile.h"

static const char source[] = "typedef struct { int counter; } atomic;\n"
			     "struct inner { char c; short s; };\n"
			     "struct thing {\n"
			     "	long first;\n"
			     "	union { int in_union; struct { char pad[3]; signed char deep; }; };\n"
			     "	const struct inner inner;\n"
			     "	atomic a;\n"
			     "	unsigned char flags : 5, level : 3;\n"
			     "	struct thing *next;\n"
			     "	unsigned short numbers[7];\n"
			     "};\n"
			     "enum { NEGATIVE = -1, SEVEN = 7 };\n"
			     "struct thing variable = { .first = SEVEN };\n"
			     "static struct only_declared *declared;\n"
			     "void entry(void);\n"
			     "void entry(void) { variable.first += NEGATIVE + (declared != 0); }\n";

enum {
	VARIABLE,
	ENTRY,
	THING,
	FIRST,
	IN_UNION,
	DEEP,
	INNER_S,
	COUNTER,
	LEVEL,
	NEXT,
	NUMBERS,
	NO_MEMBER,
	NO_TYPE,
	NO_SYMBOL,
	IS_NEGATIVE,
	NOT_ASKED,
	ID,
	QUESTIONS_N,
};

static const struct layout_question questions[QUESTIONS_N] = {
	[VARIABLE] = { LAYOUT_SYMBOL, NULL, "variable", NULL },
	[ENTRY] = { LAYOUT_SYMBOL, NULL, "entry", NULL },
	[THING] = { LAYOUT_TYPE, "thing", NULL, NULL },
	[FIRST] = { LAYOUT_MEMBER, "thing", "first", NULL },
	[IN_UNION] = { LAYOUT_MEMBER, "thing", "in_union", NULL },
	[DEEP] = { LAYOUT_MEMBER, "thing", "deep", NULL },
	[INNER_S] = { LAYOUT_MEMBER, "thing", "inner.s", NULL },
	[COUNTER] = { LAYOUT_MEMBER, "thing", "a.counter", NULL },
	[LEVEL] = { LAYOUT_MEMBER, "thing", "level", NULL },
	[NEXT] = { LAYOUT_MEMBER, "thing", "next", NULL },
	[NUMBERS] = { LAYOUT_MEMBER, "thing", "numbers", NULL },
	[NO_MEMBER] = { LAYOUT_MEMBER, "thing", "first.x", NULL },
	[NO_TYPE] = { LAYOUT_TYPE, "only_declared", NULL, NULL },
	[NO_SYMBOL] = { LAYOUT_SYMBOL, NULL, "nonesuch", NULL },
	[IS_NEGATIVE] = { LAYOUT_ENUMERATOR, NULL, "NEGATIVE", NULL },
	[NOT_ASKED] = { LAYOUT_MEMBER, "thing", "first", "nonesuch" },
	[ID] = { LAYOUT_BUILD_ID, NULL, NULL, NULL },
};

static void make_program(const char *folder, const char *debug)
{
	_cleanup_(free) char *path = xasprintf("%s/thing.c", folder);
	const char *cc = getenv("CC");
	const char *const argv[] = {
		cc ? cc : "cc", "-O1",   "-nostdlib", "-static", "-Wl,-e,entry", "-Wl,--build-id", debug,
		"-o",           "thing", "thing.c",   NULL
	};

	assert_null(write_file_atomic(path, source, strlen(source), 0666));
	assert_null(process_run(argv, folder, NULL, NULL));
}

static void expect_member(const struct layout_answer *a, uint64_t offset, uint32_t size, bool is_signed)
{
	assert_true(a->found);
	assert_int_equal(a->value, offset);
	assert_int_equal(a->size, size);
	assert_int_equal(a->is_signed, is_signed);
}

static void answers_questions(const char *debug)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/thing", folder);
	struct layout_answer a[QUESTIONS_N];

	make_program(folder, debug);
	assert_null(layout_resolve(path, questions, QUESTIONS_N, a));
	assert_true(a[VARIABLE].found && a[VARIABLE].value);
	assert_int_equal(a[VARIABLE].size, 48);
	assert_true(a[ENTRY].found && a[ENTRY].value);
	assert_int_equal(a[THING].size, 48);
	expect_member(&a[FIRST], 0, 8, true);
	expect_member(&a[IN_UNION], 8, 4, true);
	expect_member(&a[DEEP], 11, 1, true);
	expect_member(&a[INNER_S], 14, 2, true);
	expect_member(&a[COUNTER], 16, 4, true);
	expect_member(&a[LEVEL], 20, 1, false);
	assert_int_equal(a[LEVEL].bit_offset, 5);
	assert_int_equal(a[LEVEL].bit_size, 3);
	expect_member(&a[NEXT], 24, 8, false);
	expect_member(&a[NUMBERS], 32, 14, false);
	assert_int_equal(a[NUMBERS].count, 7);
	assert_false(a[NO_MEMBER].found);
	assert_false(a[NO_TYPE].found);
	assert_false(a[NO_SYMBOL].found);
	assert_true(a[IS_NEGATIVE].found);
	assert_int_equal(a[IS_NEGATIVE].value, UINT64_MAX);
	assert_false(a[NOT_ASKED].found);
	assert_true(a[ID].found && a[ID].value);
	assert_int_equal(a[ID].size, 20);
	assert_null(remove_tree(folder));
}

static void answers_from_dwarf_5(void **state)
{
	(void)state;
	answers_questions("-gdwarf-5");
}

static void answers_from_dwarf_4(void **state)
{
	(void)state;
	answers_questions("-gdwarf-4");
}

static void a_stripped_program_is_an_error(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/thing", folder);
	struct layout_answer a[QUESTIONS_N];
	_cleanup_(err_destroy) struct err *no_debug = NULL, *no_symbols = NULL;

	(void)state;
	make_program(folder, "-g0");
	no_debug = layout_resolve(path, questions, QUESTIONS_N, a);
	assert_int_equal(err_code(no_debug), ERR_BAD_DATA);
	assert_non_null(strstr(err_message(no_debug), "has no debug information"));
	make_program(folder, "-Wl,-s");
	no_symbols = layout_resolve(path, questions, QUESTIONS_N, a);
	assert_int_equal(err_code(no_symbols), ERR_NOT_FOUND);
	assert_non_null(strstr(err_message(no_symbols), "stripped"));
	assert_null(remove_tree(folder));
}

static void load_keeps_answers(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/thing", folder), *id = NULL,
			     *kept = NULL;
	struct layout_answer a[QUESTIONS_N], again[QUESTIONS_N];
	_cleanup_(err_destroy) struct err *other = NULL, *none = NULL, *name = NULL;

	(void)state;
	setenv("XDG_CACHE_HOME", folder, 1);
	make_program(folder, "-g");
	assert_null(build_id_read(path, &id));
	assert_null(layout_load(id, path, questions, QUESTIONS_N, a));
	/* Without the file now. */
	assert_null(layout_load(id, NULL, questions, QUESTIONS_N, again));
	assert_memory_equal(a, again, sizeof(a));
	/* A file that was cut is made again. */
	kept = xasprintf("%s/ktb/layout/%s", folder, id);
	assert_int_equal(truncate(kept, 100), 0);
	none = layout_load(id, NULL, questions, QUESTIONS_N, again);
	assert_int_equal(err_code(none), ERR_NOT_FOUND);
	assert_null(layout_load(id, path, questions, QUESTIONS_N, again));
	assert_null(layout_load(id, NULL, questions, QUESTIONS_N, again));
	other = layout_load("0123456789abcdef", path, questions, QUESTIONS_N, again);
	assert_int_equal(err_code(other), ERR_BAD_DATA);
	assert_non_null(strstr(err_message(other), id));
	assert_non_null(strstr(err_message(other), "0123456789abcdef"));
	name = layout_load("../../x", path, questions, QUESTIONS_N, again);
	assert_int_equal(err_code(name), ERR_BAD_DATA);
	assert_null(remove_tree(folder));
}

static void damaged_answers_are_refused(void **state)
{
	struct layout_answer a[QUESTIONS_N] = { 0 }, again[QUESTIONS_N];
	_cleanup_(free) char *text = NULL;
	size_t n;

	(void)state;
	a[FIRST] = (struct layout_answer){ .found = true, .value = 0x123, .size = 8, .count = 1 };
	text = layout_format("abc", questions, QUESTIONS_N, a);
	n = strlen(text);
	assert_null(layout_parse(text, n, "abc", questions, QUESTIONS_N, again));
	assert_memory_equal(a, again, sizeof(a));
	for (size_t i = 0; i < n; i++) {
		_cleanup_(err_destroy) struct err *cut = layout_parse(text, i, "abc", questions, QUESTIONS_N, again);
		_cleanup_(err_destroy) struct err *changed = NULL;

		assert_int_equal(err_code(cut), ERR_BAD_DATA);
		text[i] ^= 1;
		changed = layout_parse(text, n, "abc", questions, QUESTIONS_N, again);
		assert_int_equal(err_code(changed), ERR_BAD_DATA);
		text[i] ^= 1;
	}
	_cleanup_(err_destroy) struct err *other = layout_parse(text, n, "abd", questions, QUESTIONS_N, again);
	_cleanup_(err_destroy) struct err *fewer = layout_parse(text, n, "abc", questions, QUESTIONS_N - 1, again);

	assert_int_equal(err_code(other), ERR_BAD_DATA);
	assert_int_equal(err_code(fewer), ERR_BAD_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_from_dwarf_5),           cmocka_unit_test(answers_from_dwarf_4),
		cmocka_unit_test(a_stripped_program_is_an_error), cmocka_unit_test(load_keeps_answers),
		cmocka_unit_test(damaged_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
