/*
 * Breakpoints against a small "kernel" with one module.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/gdb_break.h"
#include "compile.h"

static const char kernel[] = "static inline __attribute__((always_inline)) int went_away(int a) { return a * 3; }\n"
			     "int entry(int a) { return went_away(a); }\n"
			     "int kernel_clone(int a) { return a + 1; }\n"
			     "int __x64_sys_openat(int a) { return a + 2; }\n"
			     "int vfs_read(int a) { return a + 3; }\n";
static const char module[] = "int entry(void) { return 1; }\nint mod_probe(int a) { return a + 4; }\n";
static const char order[] = "kernel/none.o\nkernel/the-mod.o\n";

struct fixture {
	char *folder;
	char *vmlinux;
	struct symbols *symbols;
	struct gdb_break_scope scope;
};

static void write_text(const char *folder, const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);

	assert_null(write_file_atomic(path, text, strlen(text), 0600));
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_(free) char *below = NULL;

	f->folder = make_test_folder();
	f->vmlinux = xasprintf("%s/vmlinux", f->folder);
	below = xasprintf("%s/kernel", f->folder);
	assert_null(mkdir_parents(below, 0700));
	write_text(f->folder, "kernel.c", kernel);
	write_text(f->folder, "module.c", module);
	write_text(f->folder, "modules.order", order);
	assert_null(compile(f->folder, "kernel.c", "vmlinux"));
	assert_null(compile(f->folder, "module.c", "kernel/the-mod.ko"));
	assert_null(symbols_open(f->vmlinux, &f->symbols));
	f->scope = (struct gdb_break_scope){ f->symbols, f->vmlinux, f->folder };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	symbols_destroy(f->symbols);
	assert_null(remove_tree(f->folder));
	free(f->folder);
	free(f->vmlinux);
	free(f);
	return 0;
}

static void check(const struct fixture *f, const char *where, const char *expected, bool pending, const char *in_note)
{
	_cleanup_(gdb_break_deinit) struct gdb_break b = GDB_BREAK_INIT;
	_cleanup_(free) char *note = NULL;

	assert_null(gdb_break_resolve(&f->scope, where, &b, &note));
	assert_string_equal(b.where, expected);
	assert_int_equal(b.pending, pending);
	if (in_note)
		assert_non_null(strstr(note, in_note));
	else
		assert_null(note);
}

static void check_unknown(const struct fixture *f, const char *where, const char *in_message)
{
	_cleanup_(gdb_break_deinit) struct gdb_break b = GDB_BREAK_INIT;
	_cleanup_(free) char *note = NULL;
	_cleanup_(err_destroy) struct err *e = gdb_break_resolve(&f->scope, where, &b, &note);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	assert_non_null(strstr(err_message(e), in_message));
	assert_null(b.where);
	assert_null(note);
}

static void test_functions(void **state)
{
	const struct fixture *f = *state;

	check(f, "kernel_clone", "kernel_clone", false, NULL);
	check(f, "  kernel_clone if args->flags & 1", "kernel_clone if args->flags & 1", false, NULL);
	check(f, "kernel_clone\tthread 2", "kernel_clone\tthread 2", false, NULL);
	check(f, "went_away", "went_away", false, NULL);
}

static void test_old_names(void **state)
{
	const struct fixture *f = *state;

	check(f, "do_fork", "kernel_clone", false, "kernel_clone");
	check(f, "sys_open if $rdi == 3", "__x64_sys_openat if $rdi == 3", false, "__x64_sys_open");
}

static void test_modules(void **state)
{
	const struct fixture *f = *state;
	struct fixture no_modules = *f;

	check(f, "mod_probe", "mod_probe", true, NULL);
	check(f, "the_mod:mod_probe", "mod_probe", true, NULL);
	check(f, "the_mod:mod_probe if a == 1", "mod_probe if a == 1", true, NULL);
	check_unknown(f, "the_mod:kernel_clone", "the_mod");
	check_unknown(f, "other_mod:mod_probe", "other_mod");
	no_modules.scope.build_dir = NULL;
	check_unknown(&no_modules, "mod_probe", "mod_probe");
	check_unknown(&no_modules, "the_mod:mod_probe", "the_mod");
}

static void test_left_to_gdb(void **state)
{
	static const char *const places[] = {
		"kernel/fork.c:2738",
		"fork.c:kernel_clone",
		"fork.c:12 if x",
		"*0xffffffff81000000",
		"*kernel_clone+4",
		"12",
		"+1",
		"-1",
		"-function nothing",
		"if x == 1",
		"thread 1",
		"kernel_clone:out",
		"a::b",
		"'fork.c'::nothing",
		"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		check(*state, places[i], places[i], false, NULL);
}

static void test_unknown(void **state)
{
	const struct fixture *f = *state;

	check_unknown(f, "vfs_raed", "vfs_read");
	check_unknown(f, "kernel_clon if x", "kernel_clone");
	check_unknown(f, "nothing_like_it", "nothing_like_it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),   cmocka_unit_test(test_old_names), cmocka_unit_test(test_modules),
		cmocka_unit_test(test_left_to_gdb), cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
