/*
 * Files and folders, in a folder of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ktb-test-fs.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	struct err *e = remove_tree(folder);

	(void)state;
	err_ignore(e);
	return e ? -1 : 0;
}

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void assert_fails(struct err *e, enum err_code code, int number)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_int_equal(err_errno(e), number);
	err_destroy(e);
}

static void writes_and_reads(void **state)
{
	_cleanup_(free) char *path = in_folder("f");
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct stat st;

	(void)state;
	assert_null(write_file_atomic(path, "a\0b", 3, 0640));
	buf_puts(&b, "x");
	assert_null(read_file(path, 3, &b));
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "xa\0b", 5);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_null(write_file_atomic(path, "", 0, 0600));
	buf_clear(&b);
	assert_null(read_file(path, 0, &b));
	assert_int_equal(b.len, 0);
}

static void writes_only_what_is_new(void **state)
{
	_cleanup_(free) char *path = in_folder("new"), *link_path = in_folder("dangling");
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_null(write_file_new(path, "1", 1, 0600));
	assert_fails(write_file_new(path, "2", 1, 0600), ERR_OS, EEXIST);
	assert_null(read_file(path, 10, &b));
	assert_string_equal(buf_str(&b), "1");
	assert_int_equal(symlink("nowhere", link_path), 0);
	assert_fails(write_file_new(link_path, "2", 1, 0600), ERR_OS, EEXIST);
	assert_false(file_exists(link_path));
}

static void reads_no_more_than_asked(void **state)
{
	_cleanup_(free) char *path = in_folder("big");
	_cleanup_(free) char *block = xcalloc(1, 200000);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)state;
	assert_null(write_file_atomic(path, block, 200000, 0600));
	buf_puts(&b, "before");
	assert_fails(read_file(path, 199999, &b), ERR_BAD_DATA, 0);
	assert_string_equal(buf_str(&b), "before");
	assert_int_equal(b.len, 6);
	assert_null(read_file(path, 200000, &b));
	assert_int_equal(b.len, 200006);
	assert_fails(read_file("/nonexistent/x", 10, &b), ERR_OS, ENOENT);
	assert_fails(read_file(folder, 10, &b), ERR_OS, EISDIR);
	assert_int_equal(b.len, 200006);
}

static int entries(const char *path)
{
	_cleanup_(closedir) DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	return n - 2;
}

static void a_failed_write_leaves_nothing(void **state)
{
	_cleanup_(free) char *dir = in_folder("w"), *path = in_folder("w/taken");

	(void)state;
	assert_null(mkdir_parents(path, 0700));
	assert_fails(write_file_atomic(path, "x", 1, 0600), ERR_OS, EISDIR);
	assert_int_equal(entries(dir), 1);
	assert_fails(write_file_atomic("/nonexistent/x", "x", 1, 0600), ERR_OS, ENOENT);
}

static void what_killed_writers_left_is_swept(void **state)
{
	static const char *const names[] = { "w2/log.ktb-new-a1B2c3", "w2/log.ktb-new-", "w2/log.a1B2c3", "w2/log" };
	_cleanup_(free) char *dir = in_folder("w2");

	(void)state;
	assert_null(mkdir_parents(dir, 0700));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(free) char *path = in_folder(names[i]);

		assert_null(write_file_atomic(path, "x", 1, 0600));
	}
	sweep_temporary_files(dir);
	assert_int_equal(entries(dir), ARRAY_SIZE(names) - 1);
	sweep_temporary_files("/nonexistent");
}

static void makes_folders(void **state)
{
	_cleanup_(free) char *deep = in_folder("a/b//c/"), *file = in_folder("a/file"), *below = in_folder("a/file/x");

	(void)state;
	assert_null(mkdir_parents(deep, 0700));
	assert_true(is_directory(deep));
	assert_null(mkdir_parents(deep, 0700));
	assert_null(mkdir_parents("/", 0700));
	assert_null(write_file_atomic(file, "", 0, 0600));
	assert_fails(mkdir_parents(file, 0700), ERR_BAD_DATA, 0);
	assert_fails(mkdir_parents(below, 0700), ERR_OS, ENOTDIR);
	assert_fails(mkdir_parents("", 0700), ERR_BAD_DATA, 0);
	assert_true(file_exists(file));
	assert_false(is_directory(file));
	assert_false(file_exists(below));
}

static void removes_trees_but_follows_no_link(void **state)
{
	_cleanup_(free) char *tree = in_folder("tree"), *deep = in_folder("tree/x/y/z");
	_cleanup_(free) char *kept = in_folder("kept"), *kept_file = in_folder("kept/file");
	_cleanup_(free) char *link_in = in_folder("tree/x/link"), *link_to = in_folder("link");

	(void)state;
	assert_null(mkdir_parents(deep, 0700));
	assert_null(mkdir_parents(kept, 0700));
	assert_null(write_file_atomic(kept_file, "x", 1, 0600));
	assert_int_equal(symlink(kept, link_in), 0);
	assert_int_equal(symlink(kept, link_to), 0);
	assert_null(remove_tree(tree));
	assert_false(file_exists(tree));
	assert_null(remove_tree(link_to));
	assert_false(file_exists(link_to));
	assert_true(file_exists(kept_file));
	assert_null(remove_tree(kept_file));
	assert_null(remove_tree(tree));
}

static void assert_absolute(const char *path, const char *base, const char *expected)
{
	_cleanup_(free) char *absolute = path_absolute(path, base);

	assert_string_equal(absolute, expected);
}

static void makes_paths_absolute(void **state)
{
	_cleanup_(free) char *cwd = getcwd(NULL, 0);
	_cleanup_(free) char *here = xasprintf("%s/x", cwd), *below = xasprintf("%s/b/x", cwd);

	(void)state;
	setenv("HOME", "/home/u", 1);
	assert_absolute("/a", "/b", "/a");
	assert_absolute("a/c", "/b", "/b/a/c");
	assert_absolute("./a", "/b", "/b/a");
	assert_absolute(".//a", "/b", "/b/a");
	assert_absolute("././a", "/b", "/b/a");
	assert_absolute("../a", "/b", "/b/../a");
	assert_absolute(".", "/b", "/b");
	assert_absolute("./", "/b", "/b");
	assert_absolute(".x", "/b", "/b/.x");
	assert_absolute("a", "/", "/a");
	assert_absolute("~/a", "/b", "/home/u/a");
	assert_absolute("~", "/b", "/home/u");
	assert_absolute("~a", "/b", "/b/~a");
	assert_absolute("x", NULL, here);
	assert_absolute("x", ".", here);
	assert_absolute("x", "b", below);
}

static void finds_programs(void **state)
{
	_cleanup_(free) char *bin = in_folder("bin"), *tool = in_folder("bin/ktb-tool"), *data = in_folder("bin/data");
	_cleanup_(free) char *sub = in_folder("bin/ktb-folder");
	_cleanup_(free) char *path = xasprintf("/nonexistent::%s", bin);
	_cleanup_(free) char *found = NULL, *by_path = NULL, *relative = NULL;
	_cleanup_(free) char *cwd = getcwd(NULL, 0);

	(void)state;
	assert_null(mkdir_parents(sub, 0700));
	assert_null(write_file_atomic(tool, "#!/bin/sh\n", 10, 0700));
	assert_null(write_file_atomic(data, "", 0, 0600));
	setenv("PATH", path, 1);
	found = find_program("ktb-tool");
	assert_string_equal(found, tool);
	assert_null(find_program("data"));
	assert_null(find_program("ktb-folder"));
	assert_null(find_program("ktb-nothing"));
	by_path = find_program(tool);
	assert_string_equal(by_path, tool);
	assert_null(find_program(data));
	assert_null(find_program(sub));
	assert_int_equal(chdir(folder), 0);
	relative = find_program("bin/ktb-tool");
	assert_string_equal(relative, tool);
	assert_int_equal(chdir(cwd), 0);
}

static void note(void *data)
{
	*(bool *)data = true;
}

static void locks_against_others(void **state)
{
	_cleanup_(free) char *path = in_folder("lock");
	_cleanup_(close) int mine = -1, again = -1;
	int pipefd[2], status;
	bool waited = false;
	pid_t pid;
	char c;

	(void)state;
	assert_null(lock_file(path, true, NULL, NULL, &mine));
	/* flock(2) belongs to the open file: a second open in the same process is another. */
	assert_fails(lock_file(path, true, NULL, NULL, &again), ERR_OS, EWOULDBLOCK);
	assert_int_equal(again, -1);
	close(steal_fd(&mine));
	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;
		struct err *e = lock_file(path, true, NULL, NULL, &fd);

		if (e || write(pipefd[1], "x", 1) != 1)
			_exit(1);
		usleep(50000);
		_exit(0);
	}
	assert_int_equal(read(pipefd[0], &c, 1), 1);
	assert_null(lock_file(path, false, note, &waited, &mine));
	assert_true(waited);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pipefd[0]);
	close(pipefd[1]);
	assert_fails(lock_file("/nonexistent/lock", true, NULL, NULL, &again), ERR_OS, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_reads),
		cmocka_unit_test(writes_only_what_is_new),
		cmocka_unit_test(reads_no_more_than_asked),
		cmocka_unit_test(a_failed_write_leaves_nothing),
		cmocka_unit_test(what_killed_writers_left_is_swept),
		cmocka_unit_test(makes_folders),
		cmocka_unit_test(removes_trees_but_follows_no_link),
		cmocka_unit_test(makes_paths_absolute),
		cmocka_unit_test(finds_programs),
		cmocka_unit_test(locks_against_others),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
