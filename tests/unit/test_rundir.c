/*
 * Run directories and their records: the record there and back, who may have a folder, and what becomes of stale ones.
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

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sock.h"
#include "base/util.h"
#include "supervisor/rundir.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	log_level = LOG_LEVEL_QUIET;
	snprintf(folder, sizeof(folder), "/tmp/ktb-test-rundir.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	return setenv("XDG_RUNTIME_DIR", folder, 1);
}

static int remove_folder(void **state)
{
	(void)state;
	err_ignore(remove_tree(folder));
	return 0;
}

static void assert_fails(struct err *e, enum err_code code, const char *part)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	if (!strstr(err_message(e), part))
		fail_msg("'%s' is not in: %s", part, err_message(e));
	err_destroy(e);
}

/* --- The record --- */

static struct vm_record *sample(const char *name)
{
	struct vm_record *r = xcalloc(1, sizeof(*r));

	r->name = xstrdup(name);
	r->dir = xasprintf("%s/ktb/%s", folder, name);
	r->pid = getpid();
	r->port = 65535;
	r->accel = xstrdup("tcg");
	r->memory = UINT64_C(1) << 40;
	r->cpus = 255;
	r->started = 1700000000;
	r->kaslr = true;
	r->cmdline = xstrdup("a=\"b c\" d=\\x e=/f\n\x1b \xc3\xa4");
	r->kernel = xstrdup("/k/vmlinux");
	return r;
}

static void a_record_there_and_back(void **state)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = sample("x"), *back = NULL;
	_cleanup_(free) char *text = vm_record_format(r), *again = NULL;

	(void)state;
	assert_null(vm_record_parse(text, strlen(text), &back));
	assert_string_equal(back->name, "x");
	assert_string_equal(back->dir, r->dir);
	assert_int_equal(back->pid, r->pid);
	assert_int_equal(back->port, 65535);
	assert_int_equal(back->memory, r->memory);
	assert_int_equal(back->cpus, 255);
	assert_int_equal(back->started, 1700000000);
	assert_true(back->kaslr);
	assert_string_equal(back->cmdline, r->cmdline);
	assert_string_equal(back->kernel, "/k/vmlinux");
	assert_null(back->vmlinux);
	assert_null(back->gdb_scripts);
	again = vm_record_format(back);
	assert_string_equal(again, text);
}

/* A good record with one member replaced. */
static char *with(const char *member, const char *json)
{
	static const char *const members[][2] = {
		{ "name", "\"x\"" }, { "dir", "\"/r\"" },    { "pid", "1" },
		{ "port", "0" },     { "accel", "\"tcg\"" }, { "memory", "1" },
		{ "cpus", "1" },     { "started", "1" },     { "kaslr", "false" },
	};
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	buf_puts(&b, "{");
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (!streq(members[i][0], member))
			buf_printf(&b, "%s\"%s\":%s", b.len > 1 ? "," : "", members[i][0], members[i][1]);
	}
	if (json)
		buf_printf(&b, ",\"%s\":%s", member, json);
	buf_puts(&b, "}");
	return buf_steal(&b);
}

static void records_that_are_none(void **state)
{
	static const char *const bad[][2] = {
		{ "name", NULL },          { "name", "1" },    { "name", "null" },       { "dir", "[]" },
		{ "pid", "-1" },           { "pid", "\"1\"" }, { "pid", "2147483648" },  { "port", "65536" },
		{ "port", "1.5" },         { "port", NULL },   { "cpus", "4294967296" }, { "memory", "-1" },
		{ "memory", "true" },      { "kaslr", "1" },   { "started", "{}" },      { "cmdline", "1" },
		{ "build_id", "[\"a\"]" },
	};
	static const char *const texts[] = { "", "{", "[]", "null", "\"x\"", "\xff", "{\"name\":\"x\"}" };
	_cleanup_(free) char *good = with("", NULL);
	struct vm_record *r = NULL;

	(void)state;
	assert_null(vm_record_parse(good, strlen(good), &r));
	vm_record_destroy(steal(&r));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(free) char *text = with(bad[i][0], bad[i][1]);

		assert_fails(vm_record_parse(text, strlen(text), &r), ERR_BAD_DATA, bad[i][0]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_fails(vm_record_parse(texts[i], strlen(texts[i]), &r), ERR_BAD_DATA, "record");
	assert_null(r);
}

/* --- Folders --- */

static void names(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		".hidden",
		"-x",
		"a/b",
		"a b",
		"a,b",
		"\xc3\xa4",
		"a\n",
		"12345678901234567890123456789012345678901234567890123456789012345",
	};
	struct rundir *d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_fails(rundir_create(bad[i], &d), ERR_USAGE, "can't be the name of a VM");
	assert_null(rundir_create("a.B-9_", &d));
	rundir_destroy(d);
}

static void a_folder_is_private_and_goes_with_its_owner(void **state)
{
	_cleanup_(free) char *path = xasprintf("%s/ktb/vm", folder), *root = xasprintf("%s/ktb", folder);
	struct rundir *d;
	struct stat st;

	(void)state;
	assert_null(rundir_create("vm", &d));
	assert_string_equal(rundir_path(d), path);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(fstat(rundir_fd(d), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	rundir_destroy(d);
	assert_false(file_exists(path));
}

static struct rundir *create_with_record(const char *name)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = sample(name);
	struct rundir *d;
	struct stat st;
	_cleanup_(free) char *path = xasprintf("%s/state.json", r->dir);

	assert_null(rundir_create(name, &d));
	assert_null(rundir_write_record(d, r));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	return d;
}

static void the_same_name_twice(void **state)
{
	_cleanup_(rundir_destroy) struct rundir *first = create_with_record("vm");
	_cleanup_(free) char *path = xasprintf("%s/ktb/vm/state.json", folder);
	struct rundir *second;

	(void)state;
	assert_fails(rundir_create("vm", &second), ERR_USAGE, "a VM named 'vm' runs already");
	assert_true(file_exists(path));
}

static void finding(void **state)
{
	_cleanup_(rundir_destroy) struct rundir *b = NULL, *a = NULL;
	struct vm_record *r = NULL, **list;
	size_t n;

	(void)state;
	assert_fails(rundir_find(NULL, &r), ERR_NOT_FOUND, "no VM runs");
	assert_fails(rundir_find("a", &r), ERR_NOT_FOUND, "no VM runs");
	b = create_with_record("b");
	assert_null(rundir_find(NULL, &r));
	assert_string_equal(r->name, "b");
	vm_record_destroy(steal(&r));
	assert_fails(rundir_find("a", &r), ERR_NOT_FOUND, "these do: b");
	a = create_with_record("a");
	assert_fails(rundir_find(NULL, &r), ERR_USAGE, "several VMs run (a, b)");
	assert_null(rundir_find("a", &r));
	assert_string_equal(r->name, "a");
	vm_record_destroy(steal(&r));
	assert_null(rundir_list(&list, &n));
	assert_int_equal(n, 2);
	assert_string_equal(list[0]->name, "a");
	assert_string_equal(list[1]->name, "b");
	rundir_free_list(list, n);
}

static void one_that_is_still_starting_is_not_listed(void **state)
{
	_cleanup_(rundir_destroy) struct rundir *d = NULL;
	struct vm_record **list;
	size_t n;

	(void)state;
	assert_null(rundir_create("vm", &d));
	assert_null(rundir_list(&list, &n));
	assert_int_equal(n, 0);
	rundir_free_list(list, n);
	/* And nobody has swept it away. */
	assert_true(is_directory(rundir_path(d)));
}

static void a_broken_record_hides_no_other(void **state)
{
	_cleanup_(rundir_destroy) struct rundir *good = create_with_record("good"), *bad = create_with_record("bad");
	_cleanup_(free) char *path = xasprintf("%s/ktb/bad/state.json", folder);
	struct vm_record *r = NULL;

	(void)state;
	assert_null(write_file_atomic(path, "{\"name\":", 8, 0600));
	assert_null(rundir_find(NULL, &r));
	assert_string_equal(r->name, "good");
	vm_record_destroy(r);
}

/* A process that has the folder and waits to be killed. */
static void start_owner(const char *name, struct process *p)
{
	int pipefd[2];
	bool child;
	char c;

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	assert_null(process_fork(true, p, &child));
	if (child) {
		_cleanup_(vm_record_destroy) struct vm_record *r = sample(name);
		struct rundir *d;

		if (rundir_create(name, &d) || rundir_write_record(d, r) || write(pipefd[1], "k", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipefd[1]);
	assert_int_equal(read(pipefd[0], &c, 1), 1);
	close(pipefd[0]);
}

static void the_folder_of_one_that_was_killed_is_swept(void **state)
{
	struct process owner;
	_cleanup_(free) char *path = xasprintf("%s/ktb/vm", folder);
	struct vm_record *r = NULL;
	struct rundir *d;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start_owner("vm", &owner);
		assert_null(rundir_find("vm", &r));
		vm_record_destroy(steal(&r));
		assert_fails(rundir_create("vm", &d), ERR_USAGE, "runs already");
		process_deinit(&owner);
		assert_true(is_directory(path));
		if (i == 0) {
			assert_fails(rundir_find("vm", &r), ERR_NOT_FOUND, "no VM runs");
			assert_false(file_exists(path));
		} else {
			assert_null(rundir_create("vm", &d));
			rundir_destroy(d);
		}
	}
}

static void a_folder_without_lock_is_swept_and_a_file_is_left(void **state)
{
	_cleanup_(free) char *root = xasprintf("%s/ktb", folder), *half = xasprintf("%s/half", root);
	_cleanup_(free) char *inner = xasprintf("%s/deep/er", half), *file = xasprintf("%s/file", root);
	struct vm_record **list;
	size_t n;

	(void)state;
	assert_null(mkdir_parents(inner, 0700));
	assert_int_equal(chmod(root, 0700), 0);
	assert_null(write_file_atomic(file, "", 0, 0600));
	assert_null(rundir_list(&list, &n));
	assert_int_equal(n, 0);
	rundir_free_list(list, n);
	assert_false(file_exists(half));
	assert_true(file_exists(file));
	unlink(file);
}

/* Many at once, over and over: each name has one owner at a time, and nobody sweeps what another is just making. */
static void creators_at_once(void **state)
{
	enum { CREATORS = 6, ROUNDS = 40 };
	struct process p[CREATORS];
	_cleanup_(free) char *flag = xasprintf("%s/owned", folder);
	int status;

	(void)state;
	for (size_t i = 0; i < CREATORS; i++) {
		bool child;
		int owned = 0;

		assert_null(process_fork(true, &p[i], &child));
		for (int round = 0; child && round < ROUNDS; round++) {
			struct rundir *d;
			struct err *e = rundir_create("same", &d);
			int fd;

			if (e && err_code(e) != ERR_USAGE)
				_exit(2);
			err_destroy(e);
			if (e)
				continue;
			owned++;
			fd = open(flag, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
			if (fd < 0 || !is_directory(rundir_path(d)))
				_exit(3);
			close(fd);
			unlink(flag);
			rundir_destroy(d);
		}
		if (child)
			_exit(owned ? 0 : 4);
	}
	for (size_t i = 0; i < CREATORS; i++) {
		assert_null(process_wait(&p[i], &status));
		/* That one never got it can happen; that two had it, or that one lost it, can't. */
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 4));
	}
}

static void a_root_that_others_could_use_is_refused(void **state)
{
	_cleanup_(free) char *root = xasprintf("%s/ktb", folder), *elsewhere = xasprintf("%s/elsewhere", folder);
	struct vm_record **list;
	struct rundir *d;
	size_t n;

	(void)state;
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(chmod(root, 0750), 0);
	assert_fails(rundir_create("vm", &d), ERR_USAGE, "not a private folder");
	assert_fails(rundir_list(&list, &n), ERR_USAGE, "not a private folder");
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(symlink(elsewhere, root), 0);
	assert_fails(rundir_create("vm", &d), ERR_USAGE, "not a private folder");
	assert_int_equal(unlink(root), 0);
	if (geteuid() == 0) {
		assert_int_equal(mkdir(root, 0700), 0);
		assert_int_equal(chown(root, 65534, 65534), 0);
		assert_fails(rundir_create("vm", &d), ERR_USAGE, "not a private folder");
	}
}

static void without_a_runtime_folder_there_is_one_below_tmp(void **state)
{
	_cleanup_(free) char *path = xasprintf("%s/ktb-%u/vm", folder, geteuid());
	const char *const settings[] = { NULL, "", "relative" };
	struct rundir *d;

	(void)state;
	assert_int_equal(setenv("TMPDIR", folder, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (settings[i])
			setenv("XDG_RUNTIME_DIR", settings[i], 1);
		else
			unsetenv("XDG_RUNTIME_DIR");
		assert_null(rundir_create("vm", &d));
		assert_string_equal(rundir_path(d), path);
		rundir_destroy(d);
	}
	unsetenv("TMPDIR");
	setenv("XDG_RUNTIME_DIR", "/nonexistent/ktb", 1);
	assert_fails(rundir_create("vm", &d), ERR_OS, "set XDG_RUNTIME_DIR");
}

static void waiting_for_the_end(void **state)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = NULL;
	struct process owner, waiter;
	int status;
	bool child;

	(void)state;
	start_owner("vm", &owner);
	assert_null(rundir_find("vm", &r));
	assert_null(process_fork(true, &waiter, &child));
	if (child)
		_exit(rundir_wait_gone(r) ? 1 : 0);
	assert_fails(process_wait_timeout(&waiter, 100, &status), ERR_TIMEOUT, "");
	process_deinit(&owner);
	assert_null(process_wait_timeout(&waiter, 30000, &status));
	assert_int_equal(status, 0);
	err_ignore(remove_tree(r->dir));
	assert_null(rundir_wait_gone(r));
}

static void connecting(void **state)
{
	_cleanup_(rundir_destroy) struct rundir *d = create_with_record("vm");
	_cleanup_(vm_record_destroy) struct vm_record *r = sample("vm");
	_cleanup_(close) int listener = -1, sock = -1;
	int none = -1;

	(void)state;
	assert_fails(rundir_connect(r, "control.sock", &none), ERR_CLOSED, "VM 'vm'");
	assert_null(sock_listen_at(rundir_fd(d), "control.sock", &listener));
	assert_null(rundir_connect(r, "control.sock", &sock));
	rundir_destroy(steal(&d));
	assert_fails(rundir_connect(r, "control.sock", &none), ERR_CLOSED, "is gone");
	assert_int_equal(none, -1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_record_there_and_back),
		IN_FOLDER(records_that_are_none),
		IN_FOLDER(names),
		IN_FOLDER(a_folder_is_private_and_goes_with_its_owner),
		IN_FOLDER(the_same_name_twice),
		IN_FOLDER(finding),
		IN_FOLDER(one_that_is_still_starting_is_not_listed),
		IN_FOLDER(a_broken_record_hides_no_other),
		IN_FOLDER(the_folder_of_one_that_was_killed_is_swept),
		IN_FOLDER(a_folder_without_lock_is_swept_and_a_file_is_left),
		IN_FOLDER(creators_at_once),
		IN_FOLDER(a_root_that_others_could_use_is_refused),
		IN_FOLDER(without_a_runtime_folder_there_is_one_below_tmp),
		IN_FOLDER(waiting_for_the_end),
		IN_FOLDER(connecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
