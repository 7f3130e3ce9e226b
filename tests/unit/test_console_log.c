/*
 * The console's log, on a disk that is full at times: files of ours may not grow beyond a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "supervisor/console_log.h"

static char folder[64];
static int dir_fd;

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ktb-test-log.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	dir_fd = open(folder, O_DIRECTORY | O_CLOEXEC);
	signal(SIGXFSZ, SIG_IGN);
	return dir_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	struct err *e = remove_tree(folder);

	(void)state;
	err_ignore(e);
	close(dir_fd);
	return e ? -1 : 0;
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void check_file(const char *name, const char *expected)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct err *e = read_file(path, 1 << 20, &text);

	assert_null(e);
	assert_string_equal(buf_str(&text), expected);
}

static void open_log(size_t size_max, struct console_log *ret)
{
	struct err *e = console_log_open(dir_fd, size_max, ret);

	assert_null(e);
}

static void write_log(struct console_log *l, const char *text)
{
	struct err *e = console_log_write(l, text, strlen(text));

	assert_null(e);
}

static void a_gap_is_told(void **state)
{
	struct console_log l = CONSOLE_LOG_INIT;
	struct err *e;

	(void)state;
	open_log(1000, &l);
	write_log(&l, "before\n");
	limit_files(10);
	e = console_log_write(&l, "cut short", 9);
	assert_non_null(e);
	err_destroy(e);
	check_file("console.log", "before\ncut");
	/* Said once. */
	write_log(&l, "lost");
	limit_files(20);
	/* Not even half of the line that tells of it. */
	write_log(&l, "lost, too");
	check_file("console.log", "before\ncut");
	limit_files(RLIM_INFINITY);
	write_log(&l, "after\n");
	write_log(&l, "and on\n");
	check_file("console.log", "before\ncut\n[ktb: 19 bytes of the console are missing here]\nafter\nand on\n");
	/* And again when it begins anew. */
	limit_files(1);
	e = console_log_write(&l, "lost", 4);
	assert_non_null(e);
	err_destroy(e);
	limit_files(RLIM_INFINITY);
	console_log_deinit(&l);
}

static void a_long_one_is_turned_over(void **state)
{
	struct console_log l = CONSOLE_LOG_INIT;

	(void)state;
	open_log(5, &l);
	write_log(&l, "first\n");
	write_log(&l, "second\n");
	check_file("console.log.1", "first\n");
	check_file("console.log", "second\n");
	write_log(&l, "third\n");
	check_file("console.log.1", "second\n");
	check_file("console.log", "third\n");
	console_log_deinit(&l);
}

static void a_folder_that_is_gone_is_an_error(void **state)
{
	struct console_log l = CONSOLE_LOG_INIT;
	struct err *e = console_log_open(-1, 5, &l);

	(void)state;
	assert_non_null(e);
	err_destroy(e);
	console_log_deinit(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_gap_is_told, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_long_one_is_turned_over, make_folder, remove_folder),
		cmocka_unit_test(a_folder_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
