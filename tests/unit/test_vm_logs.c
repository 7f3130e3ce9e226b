/*
 * The logs of a VM: bounded while it runs, and kept whole, both parts of them, when it is gone.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/util.h"
#include "cmd/vm_logs.h"

struct setup {
	char folder[64];
	struct rundir *dir;
};

static int make(void **state)
{
	struct setup *s = xcalloc(1, sizeof(*s));

	log_level = LOG_LEVEL_QUIET;
	snprintf(s->folder, sizeof(s->folder), "/tmp/ktb-test-logs.XXXXXX");
	if (!mkdtemp(s->folder))
		return -1;
	setenv("XDG_RUNTIME_DIR", s->folder, 1);
	setenv("XDG_CACHE_HOME", s->folder, 1);
	assert_null(rundir_create("t", &s->dir));
	*state = s;
	return 0;
}

static int unmake(void **state)
{
	struct setup *s = *state;

	rundir_destroy(s->dir);
	err_ignore(remove_tree(s->folder));
	free(s);
	return 0;
}

static void put(const struct setup *s, const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", rundir_path(s->dir), name);

	assert_null(write_file_atomic(path, text, strlen(text), 0600));
}

static void expect_kept(const struct setup *s, const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/ktb/logs/%s", s->folder, name);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_int_equal(file_exists(path), text != NULL);
	if (!text)
		return;
	assert_null(read_file(path, MIB, &b));
	assert_string_equal(buf_str(&b), text);
}

static void both_parts_are_kept(void **state)
{
	struct setup *s = *state;

	put(s, "console.log.1", "first\n");
	put(s, "console.log", "second\n");
	put(s, "ktb.log", "");
	vm_logs_keep(s->dir, "t", false);
	expect_kept(s, "t.log", "first\nsecond\n");
	expect_kept(s, "t.ktb.log", NULL);
}

static void an_empty_one_replaces_nothing(void **state)
{
	struct setup *s = *state;

	put(s, "console.log", "of before\n");
	vm_logs_keep(s->dir, "t", false);
	put(s, "console.log", "");
	vm_logs_keep(s->dir, "t", false);
	expect_kept(s, "t.log", "of before\n");
}

static void ones_own_has_a_bound(void **state)
{
	struct setup *s = *state;
	_cleanup_(buf_deinit) struct buf newest = BUF_INIT, older = BUF_INIT;
	_cleanup_(free) char *path = xasprintf("%s/ktb.log", rundir_path(s->dir)), *path1 = xasprintf("%s.1", path);
	struct process p;
	bool child;
	int status;

	assert_null(process_fork(true, &p, &child));
	if (child) {
		if (vm_logs_leave_terminal(s->dir))
			_exit(1);
		for (int i = 1; i <= 200000; i++)
			log_error("line %d", i);
		_exit(0);
	}
	assert_null(process_wait(&p, &status));
	assert_int_equal(status, 0);
	assert_null(read_file(path, 2 * MIB, &newest));
	assert_null(read_file(path1, 2 * MIB, &older));
	assert_true(newest.len + older.len > MIB);
	assert_string_equal(newest.data + newest.len - strlen("ktb: line 200000\n"), "ktb: line 200000\n");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(both_parts_are_kept),
		WITH_FOLDER(an_empty_one_replaces_nothing),
		WITH_FOLDER(ones_own_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
