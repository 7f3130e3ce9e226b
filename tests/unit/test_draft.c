/*
 * Files that appear when all of them is there, in a folder of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/draft.h"
#include "base/fs.h"
#include "base/util.h"
#include "tests/unit/compile.h"

typedef struct err *(*opener)(const char *path, struct draft *ret);
static const opener openers[] = { draft_open, draft_open_named };

/* How many files are in the folder. */
static size_t count(const char *folder)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		n += *d->d_name != '.';
	return n;
}

static void expect_content(const char *path, const char *content)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_null(read_file(path, 100, &b));
	assert_string_equal(buf_str(&b), content);
}

static void write_draft(const struct draft *d, const char *text)
{
	assert_null(write_all(d->fd, text, strlen(text)));
}

static void appears_when_it_is_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(openers); i++) {
		_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/core", folder), *where = NULL;
		_cleanup_(draft_deinit) struct draft d = DRAFT_INIT, other = DRAFT_INIT, third = DRAFT_INIT;
		_cleanup_(err_destroy) struct err *e = NULL;
		struct stat st;

		assert_null(openers[i](path, &d));
		write_draft(&d, "one");
		where = draft_where(&d);
		expect_content(where, "one");
		assert_false(file_exists(path));
		assert_null(draft_publish(&d, false));
		expect_content(path, "one");
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		/* What is there stays, unless it is to be replaced. */
		assert_null(openers[i](path, &other));
		write_draft(&other, "two");
		e = draft_publish(&other, false);
		assert_non_null(e);
		assert_int_equal(err_errno(e), EEXIST);
		draft_deinit(&other);
		expect_content(path, "one");
		assert_null(openers[i](path, &third));
		write_draft(&third, "three");
		assert_null(draft_publish(&third, true));
		expect_content(path, "three");
		draft_deinit(&d);
		draft_deinit(&third);
		assert_int_equal(count(folder), 1);
		assert_null(remove_tree(folder));
	}
}

static void is_gone_when_it_is_given_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(openers); i++) {
		_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/core", folder);
		struct draft d = DRAFT_INIT;

		assert_null(openers[i](path, &d));
		write_draft(&d, "one");
		draft_deinit(&d);
		assert_int_equal(count(folder), 0);
		assert_null(remove_tree(folder));
	}
}

/* A child that makes one and is killed. */
static void be_killed(opener open, const char *path)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		struct draft d;
		struct err *e = open(path, &d);

		raise(e ? SIGTERM : SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void nothing_is_left_of_those_that_were_killed(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/core", folder),
			     *another = xasprintf("%s/another", folder);
	struct draft held = DRAFT_INIT, next = DRAFT_INIT;

	(void)state;
	be_killed(draft_open, path);
	assert_int_equal(count(folder), 0);
	/* With names they are left, until the next one comes; but not that which somebody holds, or another file's. */
	assert_null(draft_open_named(path, &held));
	be_killed(draft_open_named, path);
	be_killed(draft_open_named, another);
	assert_int_equal(count(folder), 3);
	assert_null(draft_open_named(path, &next));
	assert_int_equal(count(folder), 3);
	write_draft(&held, "held");
	assert_null(draft_publish(&held, false));
	expect_content(path, "held");
	draft_deinit(&held);
	draft_deinit(&next);
	assert_int_equal(count(folder), 2);
	assert_null(remove_tree(folder));
}

static void says_where_it_can_make_none(void **state)
{
	struct draft d;
	_cleanup_(err_destroy) struct err *e = draft_open("/nonexistent/core", &d);

	(void)state;
	assert_non_null(e);
	assert_int_equal(err_errno(e), ENOENT);
	assert_non_null(strstr(err_message(e), "create /nonexistent/core: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appears_when_it_is_published),
		cmocka_unit_test(is_gone_when_it_is_given_up),
		cmocka_unit_test(nothing_is_left_of_those_that_were_killed),
		cmocka_unit_test(says_where_it_can_make_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
