/*
 * check: no valgrind: it does not know pidfd_open(2)
 *
 * Addresses of a program that the compiler just made: linked, and as a module whose sections were put somewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile.h"
#include "debuginfo/lines.h"
#include "debuginfo/symbols.h"
#include "kernel/symbolize.h"

/* The lines that the tests ask for are counted from 1. */
static const char program[] = "#define MARK(name) __asm__ volatile(\".globl \" #name \"\\n\" #name \": nop\")\n"
			      "static inline __attribute__((always_inline)) int inner(int a)\n"
			      "{\n"
			      "	MARK(at_inner);\n"
			      "	return a * 3;\n"
			      "}\n"
			      "static inline __attribute__((always_inline)) int middle(int a)\n"
			      "{\n"
			      "	if (a)\n"
			      "		a = inner(a);\n"
			      "	return a;\n"
			      "}\n"
			      "int entry(int a);\n"
			      "int entry(int a)\n"
			      "{\n"
			      "	a = middle(a);\n"
			      "	MARK(at_entry);\n"
			      "	return a;\n"
			      "}\n"
			      "__attribute__((section(\".text.other\"))) int other(int a);\n"
			      "int other(int a)\n"
			      "{\n"
			      "	MARK(at_other);\n"
			      "	return a + 1;\n"
			      "}\n";

#define MODULE_TEXT UINT64_C(0xffffffffc0001000)
#define MODULE_OTHER UINT64_C(0xffffffffc0005000)

static const struct section_place places[] = { { ".text", MODULE_TEXT }, { ".text.other", MODULE_OTHER } };

static char *folder;

/* Compiled to `out` there; the caller frees the path. */
static char *make(const char *how, const char *debug, const char *out)
{
	_cleanup_(free) char *source = xasprintf("%s/main.c", folder);
	const char *cc = getenv("CC");
	const char *const argv[] = {
		cc ? cc : "cc", "-O2", "-nostdlib", "-static", "-fno-asynchronous-unwind-tables", debug, how,
		"-o",           out,   "main.c",    NULL
	};

	assert_null(write_file_atomic(source, program, sizeof(program) - 1, 0600));
	assert_null(process_run(argv, folder, NULL, NULL));
	return xasprintf("%s/%s", folder, out);
}

static uint64_t address_of(const struct symbols *symbols, const char *name)
{
	uint64_t address = 0;

	assert_true(symbols_find_function(symbols, name, &address));
	return address;
}

static void expect(const struct lines_frame *f, const char *function, uint32_t line)
{
	assert_non_null(f->function);
	assert_string_equal(f->function, function);
	assert_int_equal(f->line, line);
	assert_non_null(f->file);
	assert_true(has_suffix(f->file, "/main.c"));
}

static void check_lines(const struct symbols *symbols, const struct dwarf_file *file)
{
	_cleanup_(lines_destroy) struct lines *lines = lines_create(file);
	struct lines_frame frames[LINES_FRAMES_MAX];

	assert_int_equal(lines_at(lines, address_of(symbols, "at_inner"), frames), 3);
	expect(&frames[0], "inner", 4);
	expect(&frames[1], "middle", 10);
	expect(&frames[2], "entry", 16);
	assert_int_equal(lines_at(lines, address_of(symbols, "at_entry"), frames), 1);
	expect(&frames[0], "entry", 17);
	assert_int_equal(lines_at(lines, address_of(symbols, "at_other"), frames), 1);
	expect(&frames[0], "other", 23);
	assert_int_equal(lines_at(lines, 0x10, frames), 0);
	assert_int_equal(lines_at(lines, UINT64_MAX, frames), 0);
}

static void program_has_lines(const char *debug)
{
	_cleanup_(free) char *path = make("-Wl,-e,entry", debug, "out");
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;

	assert_null(symbols_open(path, &symbols));
	assert_null(dwarf_file_open(&file, path));
	check_lines(symbols, &file);
}

static void lines_of_dwarf_5(void **state)
{
	(void)state;
	program_has_lines("-gdwarf-5");
}

static void lines_of_dwarf_4(void **state)
{
	(void)state;
	program_has_lines("-gdwarf-4");
}

static void lines_of_a_module(void **state)
{
	_cleanup_(free) char *path = make("-c", "-gdwarf-5", "module.o");
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	_cleanup_(err_destroy) struct err *nowhere = NULL;

	(void)state;
	assert_null(symbols_open_module(path, places, ARRAY_SIZE(places), &symbols));
	assert_int_equal(address_of(symbols, "other"), MODULE_OTHER);
	assert_null(dwarf_file_open_module(&file, path, places, ARRAY_SIZE(places)));
	check_lines(symbols, &file);
	nowhere = dwarf_file_open_module(&file, path, NULL, 0);
	assert_int_equal(err_code(nowhere), ERR_USAGE);
}

/* --- With names and modules --- */

static void expect_place(const struct place *p, const char *module, const char *symbol, size_t frames_n)
{
	assert_true(p->module == NULL ? module == NULL : module && streq(p->module, module));
	assert_true(p->symbol == NULL ? symbol == NULL : symbol && streq(p->symbol, symbol));
	assert_int_equal(p->frames_n, frames_n);
}

static void addresses_become_places(void **state)
{
	_cleanup_(free) char *path = make("-Wl,-e,entry", "-gdwarf-5", "out"),
			     *module = make("-c", "-gdwarf-5", "module.o"), *stripped = make("-c", "-g0", "plain.o");
	const uint64_t slide = 0x1c000000;
	const struct symbolizer_range ranges[] = { { MODULE_TEXT, 0x1000 }, { MODULE_OTHER, 0x1000 } },
				      far = { MODULE_TEXT + 0x100000, 0x1000 };
	const struct section_place far_text = { ".text", MODULE_TEXT + 0x100000 };
	const struct symbolizer_module modules[] = {
		{ "mod", ranges, 2, module, places, ARRAY_SIZE(places) },
		{ "plain", &far, 1, stripped, &far_text, 1 },
	};
	_cleanup_(symbolizer_destroy) struct symbolizer *s = NULL;
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;
	const struct place *p;
	uint64_t entry, mark;

	(void)state;
	assert_null(symbols_open(path, &symbols));
	entry = address_of(symbols, "entry") + slide;
	mark = address_of(symbols, "at_entry") + slide;
	assert_null(symbolizer_create(path, slide, &s));
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		symbolizer_add_module(s, &modules[i]);
	p = symbolize(s, mark + 1, true);
	/* The marks are symbols too. */
	expect_place(p, NULL, "at_entry", 1);
	assert_int_equal(p->offset, 1);
	assert_int_equal(p->frames[0].line, 17);
	assert_ptr_equal(symbolize(s, mark + 1, true), p);
	/* A call that is the last of a function still is in that function. */
	p = symbolize(s, entry, true);
	assert_true(!p->symbol || !streq(p->symbol, "entry"));
	expect_place(symbolize(s, entry, false), NULL, "entry", 1);
	expect_place(symbolize(s, entry - slide, false), NULL, NULL, 0);
	p = symbolize(s, MODULE_OTHER, false);
	expect_place(p, "mod", "other", 1);
	assert_string_equal(p->frames[0].function, "other");
	/* Without debug information there is the name. */
	p = symbolize(s, MODULE_TEXT + 0x100000, false);
	expect_place(p, "plain", "entry", 1);
	assert_string_equal(p->frames[0].function, "entry");
	assert_null(p->frames[0].file);
	/* So many addresses that the table grows. */
	for (uint64_t i = 0; i < 5000; i++)
		expect_place(symbolize(s, i << 20, false), NULL, NULL, 0);
	expect_place(symbolize(s, entry, false), NULL, "entry", 1);
}

static void paths_are_short_in_the_tree(void **state)
{
	_cleanup_(symbolizer_destroy) struct symbolizer *s = NULL;
	_cleanup_(free) char *tree = xasprintf("%s/init", folder), *source = xasprintf("%s/init/main.c", folder),
			     *program_path = xasprintf("%s/kernel", folder), *other = xasprintf("%s/x/y.c", folder);

	(void)state;
	assert_null(mkdir_parents(tree, 0700));
	assert_null(write_file_atomic(source, program, sizeof(program) - 1, 0600));
	assert_null(compile(folder, "init/main.c", "kernel"));
	assert_null(symbolizer_create(program_path, 0, &s));
	assert_string_equal(symbolizer_short_path(s, source), "init/main.c");
	assert_string_equal(symbolizer_short_path(s, other), "x/y.c");
	assert_string_equal(symbolizer_short_path(s, "/elsewhere/y.c"), "/elsewhere/y.c");
}

static int make_folder(void **state)
{
	(void)state;
	folder = make_test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	assert_null(remove_tree(folder));
	free(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_dwarf_5),
		cmocka_unit_test(lines_of_dwarf_4),
		cmocka_unit_test(lines_of_a_module),
		cmocka_unit_test(addresses_become_places),
		cmocka_unit_test(paths_are_short_in_the_tree),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
