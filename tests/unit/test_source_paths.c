/*
 * Where the sources of a small "kernel" were, compiled as Kbuild does: in the source tree, below it, and beside it.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile.h"
#include "debuginfo/source_paths.h"

static const char program[] = "int entry(int a);\nint entry(int a)\n{\n\treturn a + 1;\n}\n";

/* tree/init/main.c is compiled in the folder `build` below the tree or beside it, under the name `source`. */
static void check_paths(const char *build, const char *source)
{
	_cleanup_(free) char *folder = make_test_folder();
	_cleanup_(free) char *init = xasprintf("%s/tree/init", folder);
	_cleanup_(free) char *file = xasprintf("%s/main.c", init);
	_cleanup_(free) char *tree = xasprintf("%s/tree", folder);
	_cleanup_(free) char *cwd = xasprintf("%s/%s", folder, build);
	_cleanup_(free) char *vmlinux = xasprintf("%s/vmlinux", cwd);
	_cleanup_(free) char *got_build = NULL, *got_source = NULL;

	assert_null(mkdir_parents(init, 0700));
	assert_null(mkdir_parents(cwd, 0700));
	assert_null(write_file_atomic(file, program, sizeof(program) - 1, 0600));
	assert_null(compile(cwd, source ? source : file, "vmlinux"));
	assert_null(source_paths_read(vmlinux, &got_build, &got_source));
	assert_string_equal(got_build, cwd);
	assert_string_equal(got_source, tree);
	assert_null(remove_tree(folder));
}

static void test_built_in_the_tree(void **state)
{
	(void)state;
	check_paths("tree", "init/main.c");
	check_paths("tree", "./init/main.c");
}

static void test_built_below_the_tree(void **state)
{
	(void)state;
	check_paths("tree/build", "../init/main.c");
}

static void test_built_elsewhere(void **state)
{
	(void)state;
	check_paths("build", NULL);
}

static void check_fails(const char *path, enum err_code code)
{
	char *build = NULL, *source = NULL;
	struct err *e = source_paths_read(path, &build, &source);

	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_null(build);
	assert_null(source);
	err_destroy(e);
}

static void test_nothing_to_read(void **state)
{
	_cleanup_(free) char *folder = make_test_folder();
	_cleanup_(free) char *source = xasprintf("%s/other.c", folder);
	_cleanup_(free) char *out = xasprintf("%s/out", folder);

	(void)state;
	assert_null(write_file_atomic(source, program, sizeof(program) - 1, 0600));
	assert_null(compile(folder, "other.c", "out"));
	check_fails(out, ERR_NOT_FOUND);
	check_fails(source, ERR_BAD_DATA);
	check_fails("/nonexistent/vmlinux", ERR_OS);
	assert_null(remove_tree(folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built_in_the_tree),
		cmocka_unit_test(test_built_below_the_tree),
		cmocka_unit_test(test_built_elsewhere),
		cmocka_unit_test(test_nothing_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
