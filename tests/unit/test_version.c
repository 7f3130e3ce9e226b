/*
 * What programs say of themselves, remembered.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/util.h"
#include "kbuild/version.h"

/*
 * The program that is asked is a copy of this one. Each time it is, it adds a byte to the file $VERSION_ASKED; $VERSION_ANSWER
 * is for another one's answer.
 */
#define OWN_ANSWER "program (for tests, 7a) 1.2.3"

enum { PROGRAM_MAX = 64 << 20 };

static char *folder, *cache, *program, *asked; /* of this test */

static int answer(void)
{
	const char *text = getenv("VERSION_ANSWER"), *path = getenv("VERSION_ASKED");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

	if (fd < 0 || write(fd, ".", 1) != 1)
		return 1;
	printf("%s\nAnd more.\n", text ? text : OWN_ANSWER);
	return 0;
}

static void copy_program(const char *to)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_null(read_file("/proc/self/exe", PROGRAM_MAX, &b));
	assert_null(write_file_atomic(to, b.data, b.len, 0700));
}

static int make_folder(void **state)
{
	(void)state;
	folder = xstrdup("/tmp/ktb-version.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	cache = xasprintf("%s/cache", folder);
	program = xasprintf("%s/program", folder);
	asked = xasprintf("%s/asked", folder);
	setenv("VERSION_ASKED", asked, 1);
	unsetenv("VERSION_ANSWER");
	copy_program(program);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	err_ignore(remove_tree(folder));
	free(steal(&folder));
	free(steal(&cache));
	free(steal(&program));
	free(steal(&asked));
	return 0;
}

static size_t times_asked(void)
{
	struct stat st;

	return stat(asked, &st) == 0 ? (size_t)st.st_size : 0;
}

static void expect_version(const char *where, const char *version, size_t times)
{
	_cleanup_(free) char *got = NULL;

	assert_null(program_version(program, where, &got));
	assert_string_equal(got, version);
	assert_int_equal(times_asked(), times);
}

static void asks_once(void **state)
{
	(void)state;
	expect_version(cache, OWN_ANSWER, 1);
	expect_version(cache, OWN_ANSWER, 1);
	expect_version(NULL, OWN_ANSWER, 2);
}

static void asks_each_of_them(void **state)
{
	_cleanup_(free) char *link = xasprintf("%s/link", folder), *got = NULL;

	(void)state;
	expect_version(cache, OWN_ANSWER, 1);
	/* By another name it may say another thing. */
	assert_int_equal(symlink(program, link), 0);
	assert_null(program_version(link, cache, &got));
	assert_int_equal(times_asked(), 2);
	expect_version(cache, OWN_ANSWER, 2);
}

static void asks_another_file(void **state)
{
	struct stat st;

	(void)state;
	expect_version(cache, OWN_ANSWER, 1);
	assert_int_equal(stat(program, &st), 0);
	copy_program(program);
	/* It says that it is as old. */
	assert_int_equal(utimensat(AT_FDCWD, program, (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
	expect_version(cache, OWN_ANSWER, 2);
	expect_version(cache, OWN_ANSWER, 2);
}

static void asks_where_a_link_leads_elsewhere(void **state)
{
	_cleanup_(free) char *first = xasprintf("%s/first", folder), *second = xasprintf("%s/second", folder);

	(void)state;
	assert_int_equal(rename(program, first), 0);
	copy_program(second);
	assert_int_equal(symlink(first, program), 0);
	expect_version(cache, OWN_ANSWER, 1);
	assert_int_equal(unlink(program), 0);
	assert_int_equal(symlink(second, program), 0);
	expect_version(cache, OWN_ANSWER, 2);
}

/* ccache: what it says is the compiler's answer, which may be another one tomorrow. */
static void asks_who_answers_for_another_each_time(void **state)
{
	(void)state;
	/* Put together, so that it is nowhere in this program. */
	_cleanup_(free) char *other = xasprintf("program (for tests, 7a) %d.%d.%d", 4, 5, 6);

	setenv("VERSION_ANSWER", other, 1);
	expect_version(cache, other, 1);
	expect_version(cache, other, 2);
	unsetenv("VERSION_ANSWER");
	expect_version(cache, OWN_ANSWER, 3);
}

static void asks_a_script_each_time(void **state)
{
	static const char script[] = "#!/bin/sh\nprintf . >>\"$VERSION_ASKED\"\necho 'script 1.2.3'\n";

	(void)state;
	assert_null(write_file_atomic(program, script, strlen(script), 0700));
	expect_version(cache, "script 1.2.3", 1);
	expect_version(cache, "script 1.2.3", 2);
}

static void cut_memory(void)
{
	_cleanup_(free) char *path = xasprintf("%s/toolchain", cache);
	_cleanup_(closedir) DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *file = xasprintf("%s/%s", path, d->d_name);
		struct stat st;

		if (*d->d_name == '.')
			continue;
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(truncate(file, st.st_size - 4), 0);
		n++;
	}
	assert_int_equal(n, 1);
}

static void asks_where_the_memory_is_damaged(void **state)
{
	(void)state;
	expect_version(cache, OWN_ANSWER, 1);
	cut_memory();
	expect_version(cache, OWN_ANSWER, 2);
	expect_version(cache, OWN_ANSWER, 2);
}

static void a_cache_that_cannot_be_written_costs_no_answer(void **state)
{
	(void)state;
	expect_version("/proc/self/nowhere", OWN_ANSWER, 1);
	expect_version("/proc/self/nowhere", OWN_ANSWER, 2);
}

static void a_program_that_does_not_run(void **state)
{
	static const char script[] = "#!/bin/sh\necho broken >&2\nexit 1\n";
	_cleanup_(free) char *got = NULL;
	struct err *e;

	(void)state;
	assert_null(write_file_atomic(program, script, strlen(script), 0700));
	e = program_version(program, cache, &got);
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_PREREQ);
	assert_non_null(strstr(err_message(e), "broken"));
	assert_null(got);
	err_destroy(e);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_once, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_each_of_them, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_another_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_where_a_link_leads_elsewhere, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_who_answers_for_another_each_time, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_a_script_each_time, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(asks_where_the_memory_is_damaged, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_cache_that_cannot_be_written_costs_no_answer, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_program_that_does_not_run, make_folder, remove_folder),
	};

	if (argc == 2 && streq(argv[1], "--version"))
		return answer();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
