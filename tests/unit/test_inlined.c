/*
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile.h"
#include "debuginfo/inlined.h"

static const char program[] = "static inline __attribute__((always_inline)) int went_away(int a)\n"
			      "{\n\treturn a * 3;\n}\n"
			      "struct only_a_type { int went; };\n"
			      "int entry(struct only_a_type *t);\n"
			      "int entry(struct only_a_type *t)\n{\n\treturn went_away(t->went);\n}\n";

static bool find(const char *path, const char *name)
{
	bool found = false;

	assert_null(inlined_find(path, name, &found));
	return found;
}

static void test_inlined(void **state)
{
	_cleanup_(free) char *folder = make_test_folder();
	_cleanup_(free) char *source = xasprintf("%s/main.c", folder);
	_cleanup_(free) char *out = xasprintf("%s/out", folder);
	struct err *e;
	bool found;

	(void)state;
	assert_null(write_file_atomic(source, program, sizeof(program) - 1, 0600));
	assert_null(compile(folder, "main.c", "out"));
	assert_true(find(out, "went_away"));
	assert_false(find(out, "went_awa"));
	assert_false(find(out, "only_a_type"));
	assert_false(find(out, ""));
	e = inlined_find(source, "went_away", &found);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	err_destroy(e);
	assert_null(remove_tree(folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_inlined) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
