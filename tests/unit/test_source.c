#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/util.h"
#include "kbuild/configure.h"
#include "kbuild/objects.h"
#include "kbuild/source.h"
#include "kbuild/stale.h"
#include "kbuild/tree.h"

static char *folder; /* of this test */

static int make_folder(void **state)
{
	(void)state;
	folder = xstrdup("/tmp/ktb-source.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	err_ignore(remove_tree(folder));
	free(steal(&folder));
	return 0;
}

static void write_text(const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	_cleanup_(free) char *parent = xstrdup(path);

	*strrchr(parent, '/') = '\0';
	assert_null(mkdir_parents(parent, 0700));
	assert_null(write_file_atomic(path, text, strlen(text), 0600));
}

/* The files that a text names, with blanks between them. */
static char *files_in(const char *text)
{
	struct buf b = BUF_INIT;
	const char *name;
	size_t len;

	while (stale_next_file(&text, &name, &len)) {
		buf_append(&b, name, len);
		buf_puts(&b, " ");
	}
	buf_puts(&b, "");
	return buf_steal(&b);
}

static void knows_what_an_object_was_made_from(void **state)
{
	static const struct {
		const char *text, *files;
	} cases[] = {
		{ "savedcmd_a.o := gcc -o a.o a.c ; x\n\nsource_a.o := /src/a.c\n\ndeps_a.o := \\\n"
		  "    $(wildcard include/config/X) \\\n  /src/a.h \\\n  include/b.h \\\n\na.o: "
		  "$(deps_a.o)\n\n$(deps_a.o):\n",
		  "/src/a.c /src/a.h include/b.h " },
		{ "cmd_all.o := ld -r -o all.o a.o", "" },
		{ "source_a.o := /src/a.c", "/src/a.c " },
		{ "source_a.o := \n", "" },
		{ "source_a.o\n   \n \\\n\t\n x", "x " },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(free) char *files = files_in(cases[i].text);

		assert_string_equal(files, cases[i].files);
	}
}

static void set_time(const char *name, time_t seconds)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	const struct timespec times[] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static size_t count_stale(void)
{
	size_t n = 1000;

	assert_null(objects_count_stale(folder, &n));
	return n;
}

static void counts_what_make_will_make_anew(void **state)
{
	static const char *const files[] = { "a.c", "include/h.h", "kernel/a.o", "kernel/b.o", "scripts/c.o" };
	_cleanup_(free) char *a = xasprintf("source_a.o := %s/a.c\ndeps_a.o := \\\n  include/h.h \\\n", folder);
	_cleanup_(free) char *path = xasprintf("%s/a.c", folder);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		write_text(files[i], "");
	write_text("kernel/.a.o.cmd", a);
	write_text("kernel/.b.o.cmd", "deps_b.o := \\\n  include/h.h \\\n");
	write_text("scripts/.c.o.cmd", "deps_c.o := \\\n  include/h.h \\\n");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		set_time(files[i], 1000);
	assert_int_equal(count_stale(), 0);
	set_time("a.c", 1001);
	assert_int_equal(count_stale(), 1);
	set_time("include/h.h", 1001);
	/* Programs for this machine are no part of the kernel. */
	assert_int_equal(count_stale(), 2);
	set_time("include/h.h", 1000);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(count_stale(), 1);
}

static void takes_the_highest_version(void **state)
{
	char *path = NULL;
	struct err *e = source_newest_package(folder, &path);

	(void)state;
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
	write_text("linux-source-6.9.tar.xz", "");
	write_text("linux-source-6.12.tar.gz", "");
	write_text("linux-source-6.1.tar.xz", "");
	write_text("linux-source-7.0.patch.xz", "");
	write_text("linux-source-8.tar.sig", "");
	write_text("linux-source-x.tar.xz", "");
	write_text("linux-config-9.tar.xz", "");
	assert_null(source_newest_package(folder, &path));
	assert_non_null(strstr(path, "/linux-source-6.12.tar.gz"));
	free(path);
	write_text("linux-source-6.12.3.tar.zst", "");
	assert_null(source_newest_package(folder, &path));
	assert_non_null(strstr(path, "/linux-source-6.12.3.tar.zst"));
	free(path);
}

static void reads_git_status(void **state)
{
	static const char out[] = "# branch.oid 0123\0"
				  "1 .M N... 100644 100644 100644 0 0 a b.c\0"
				  "2 R. N... 100644 100644 100644 0 0 R100 new\0old\0"
				  "u UU N... 100644 100644 100644 100644 0 0 0 both\0"
				  "? new file\0"
				  "! ignored\0"
				  "1 .M short\0"
				  "? last";
	static const char *const expected[] = { "a b.c", "new", "both", "new file", "last" };
	size_t offset = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(git_status_next(out, sizeof(out) - 1, &offset), expected[i]);
	assert_null(git_status_next(out, sizeof(out) - 1, &offset));
}

static void notices_a_change_of_a_tree(void **state)
{
	struct digest first, second;

	(void)state;
	write_text("kernel/a.c", "a");
	write_text("kernel/b.c", "b");
	assert_null(tree_state(folder, &first));
	assert_null(tree_state(folder, &second));
	assert_string_equal(first.hex, second.hex);
	write_text("kernel/b.c", "c");
	assert_null(tree_state(folder, &second));
	assert_string_not_equal(first.hex, second.hex);
	assert_null(tree_state(folder, &first));
	write_text("kernel/c.c", "");
	assert_null(tree_state(folder, &second));
	assert_string_not_equal(first.hex, second.hex);
}

static void refuses_a_tree_built_in_place(void **state)
{
	struct err *e;

	(void)state;
	assert_null(tree_check_clean(folder));
	write_text("include/config/auto.conf", "");
	e = tree_check_clean(folder);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "make -C"));
	err_destroy(e);
}

static void reads_the_list_of_kconfig_files(void **state)
{
	static const char text[] =
		"deps_config := \\\n\tlib/Kconfig \\\n\tKconfig \\\n\ninclude/config/auto.conf: \\\n\tno\n";
	size_t offset = 0, len;
	const char *name = configuration_next_input(text, sizeof(text) - 1, &offset, &len);

	(void)state;
	assert_int_equal(len, 11);
	assert_memory_equal(name, "lib/Kconfig", len);
	name = configuration_next_input(text, sizeof(text) - 1, &offset, &len);
	assert_int_equal(len, 7);
	assert_memory_equal(name, "Kconfig", len);
	assert_null(configuration_next_input(text, sizeof(text) - 1, &offset, &len));
	offset = 0;
	assert_null(configuration_next_input("x", 1, &offset, &len));
}

static void counts_options(void **state)
{
	(void)state;
	assert_int_equal(configuration_count_options("#\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=yes\n"
						     "CONFIG_E=\"y\"\nCONFIG_F=y"),
			 3);
}

static void knows_how_often_the_clock_ticks(void **state)
{
	(void)state;
	assert_int_equal(configuration_hz("#\n# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n"), 250);
	assert_int_equal(configuration_hz("#\nCONFIG_HZ=1000\nCONFIG_A=y\n"), 1000);
	assert_int_equal(configuration_hz("#\nCONFIG_HZ_250=y\n"), 0);
	assert_int_equal(configuration_hz("#\nCONFIG_HZ=often\n"), 0);
	assert_int_equal(configuration_hz(""), 0);
}

static void age(const char *name, time_t seconds)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void removes_half_written_objects(void **state)
{
	_cleanup_(free) char *torn = xasprintf("%s/kernel/torn.o", folder),
			     *whole = xasprintf("%s/kernel/whole.o", folder);
	size_t n;

	(void)state;
	write_text("kernel/torn.o", "");
	write_text("kernel/.torn.o.cmd", "");
	write_text("kernel/whole.o", "");
	write_text("kernel/.whole.o.cmd", "");
	write_text("scripts/.host.o.cmd", "");
	age("kernel/torn.o", 2000);
	age("kernel/.torn.o.cmd", 1000);
	age("kernel/whole.o", 1000);
	age("kernel/.whole.o.cmd", 1000);
	assert_null(objects_survey(folder, false, &n));
	assert_int_equal(n, 2);
	assert_true(file_exists(torn));
	assert_null(objects_survey(folder, true, &n));
	assert_false(file_exists(torn));
	assert_true(file_exists(whole));
	assert_null(objects_survey("/nonexistent", true, &n));
	assert_int_equal(n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(knows_what_an_object_was_made_from), TEST(reads_git_status),
		TEST(counts_what_make_will_make_anew),    TEST(reads_git_status),
		TEST(takes_the_highest_version),          TEST(reads_git_status),
		TEST(notices_a_change_of_a_tree),         TEST(refuses_a_tree_built_in_place),
		TEST(reads_the_list_of_kconfig_files),    TEST(counts_options),
		TEST(knows_how_often_the_clock_ticks),    TEST(removes_half_written_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
