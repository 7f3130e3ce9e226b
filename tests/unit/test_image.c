/*
 * The guest's image: what is in it, when it is made anew, and what goes wrong.
 *
 * check: no valgrind: it does not know pidfd_open(2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "initramfs/image.h"

#include "cpio_reader.h"

/* A folder of our own, which is the working folder; init, modules and a cache in it. */
struct fixture {
	char folder[32];
	struct strv files;
	struct initramfs_params params;
};

static void put(const char *path, const char *text, mode_t mode)
{
	_cleanup_(free) char *folder = xstrdup(path);
	char *slash = strrchr(folder, '/');

	if (slash) {
		*slash = '\0';
		assert_null(mkdir_parents(folder, 0755));
	}
	assert_null(write_file_atomic(path, text, strlen(text), mode));
}

/* Until what was written is old enough to be told from later changes by its time. */
static void grow_old(void)
{
	const struct timespec ts = { .tv_nsec = 40000000 };

	nanosleep(&ts, NULL);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	memcpy(f->folder, "/tmp/ktb-image-XXXXXX", sizeof("/tmp/ktb-image-XXXXXX"));
	if (!mkdtemp(f->folder) || chdir(f->folder) < 0)
		return -1;
	put("guest-init", "#!init", 0600);
	put("mods/lib/modules/6.1/modules.dep", "kernel/a.ko:\n", 0644);
	put("mods/lib/modules/6.1/kernel/a.ko", "module", 0644);
	put("mods/lib/modules/6.1/kernel/build", "a file of that name", 0644);
	assert_int_equal(symlink("/usr/src/linux", "mods/lib/modules/6.1/build"), 0);
	assert_int_equal(symlink("/usr/src/linux", "mods/lib/modules/6.1/source"), 0);
	f->params = (struct initramfs_params){
		.init = "guest-init", .modules_root = "mods", .files = &f->files, .cache = "cache"
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	strv_deinit(&f->files);
	assert_int_equal(chdir("/"), 0);
	err_ignore(remove_tree(f->folder));
	free(f);
	return 0;
}

static char *make(struct fixture *f)
{
	char *path = NULL;
	struct err *e = initramfs_make(&f->params, &path);

	if (e)
		fail_msg("%s", err_message(e));
	return path;
}

static void fails(struct fixture *f, enum err_code code, const char *part)
{
	char *path = NULL;
	struct err *e = initramfs_make(&f->params, &path);

	assert_non_null(e);
	assert_null(path);
	if (err_code(e) != code || !strstr(err_message(e), part))
		fail_msg("%s: %s", err_code_name(err_code(e)), err_message(e));
	err_destroy(e);
}

static void load(const char *path, struct buf *ret)
{
	assert_null(read_file(path, 1 << 28, ret));
}

/* Fails unless the archive has a member of this name and mode; with text, of that content. */
static void has(const struct buf *archive, const char *name, mode_t mode, const char *text)
{
	struct cpio_member m = { 0 };

	if (!cpio_find(archive->data, archive->len, name, &m))
		fail_msg("no %s", name);
	assert_int_equal(m.mode, mode);
	if (text) {
		assert_int_equal(m.size, strlen(text));
		assert_memory_equal(m.data, text, m.size);
	}
}

static void lacks(const struct buf *archive, const char *name)
{
	struct cpio_member m;

	assert_int_equal(cpio_find(archive->data, archive->len, name, &m), 0);
}

static size_t images(void)
{
	_cleanup_(closedir) DIR *dir = opendir("cache/initramfs");
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		n += strstr(d->d_name, ".cpio") != NULL;
	return n;
}

static void has_what_a_guest_needs(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT;
	_cleanup_(free) char *path = make(*state);
	struct cpio_member m;

	load(path, &a);
	has(&a, "init", S_IFREG | 0755, "#!init");
	has(&a, "bin", S_IFDIR | 0755, NULL);
	has(&a, "bin/busybox", S_IFREG | 0755, NULL);
	has(&a, "bin/sh", S_IFLNK | 0777, "/bin/busybox");
	has(&a, "sbin/modprobe", S_IFLNK | 0777, "/bin/busybox");
	has(&a, "tmp", S_IFDIR | 01777, NULL);
	has(&a, "root", S_IFDIR | 0700, NULL);
	has(&a, "usr", S_IFDIR | 0755, NULL);
	lacks(&a, "linuxrc");
	has(&a, "dev/null", S_IFCHR | 0666, "");
	assert_int_equal(cpio_find(a.data, a.len, "dev/console", &m), 1);
	assert_int_equal(m.mode, S_IFCHR | 0600);
	assert_int_equal(m.rmaj, 5);
	assert_int_equal(m.rmin, 1);
}

static void has_the_modules(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT;
	_cleanup_(free) char *path = make(*state);

	load(path, &a);
	has(&a, "lib/modules/6.1/modules.dep", S_IFREG | 0644, "kernel/a.ko:\n");
	has(&a, "lib/modules/6.1/kernel/a.ko", S_IFREG | 0644, "module");
	has(&a, "lib/modules/6.1/kernel/build", S_IFREG | 0644, NULL);
	lacks(&a, "lib/modules/6.1/build");
	lacks(&a, "lib/modules/6.1/source");
}

static void does_without_modules(void **state)
{
	struct fixture *f = *state;
	_cleanup_(free) char *none = NULL, *empty = NULL;

	f->params.modules_root = NULL;
	none = make(f);
	assert_int_equal(mkdir("nomods", 0755), 0);
	f->params.modules_root = "nomods";
	empty = make(f);
	f->params.modules_root = "missing";
	fails(f, ERR_NOT_FOUND, "missing");
}

static void copies_files(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT;
	_cleanup_(free) char *path = NULL;
	struct fixture *f = *state;

	put("prog", "program", 0750);
	put("tests/sub/one", "1", 0644);
	put("tests/empty", "", 0600);
	assert_int_equal(symlink("sub/one", "tests/link"), 0);
	assert_int_equal(symlink("prog", "alias"), 0);
	assert_int_equal(mkfifo("tests/pipe", 0600), 0);
	strv_add(&f->files, "prog");
	strv_add(&f->files, "alias:/opt/deep/down/prog");
	strv_add(&f->files, "tests:/srv/");
	strv_add(&f->files, "prog:/bin/ls");
	strv_add(&f->files, "tests/sub:/.");
	strv_add(&f->files, "/proc/version:/etc/host-version");
	path = make(f);
	load(path, &a);
	has(&a, "root/prog", S_IFREG | 0750, "program");
	has(&a, "opt/deep/down", S_IFDIR | 0755, NULL);
	has(&a, "opt/deep/down/prog", S_IFREG | 0750, "program");
	has(&a, "srv/tests/sub/one", S_IFREG | 0644, "1");
	has(&a, "srv/tests/empty", S_IFREG | 0600, "");
	has(&a, "srv/tests/link", S_IFLNK | 0777, "sub/one");
	lacks(&a, "srv/tests/pipe");
	has(&a, "bin/ls", S_IFREG | 0750, "program");
	has(&a, "one", S_IFREG | 0644, "1");
	assert_non_null(memmem(a.data, a.len, "Linux version", 13));
}

/* With the same name twice the last one counts; modes of folders that are there already stay. */
static void lays_files_over_others(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT;
	_cleanup_(free) char *path = NULL;
	struct fixture *f = *state;

	put("over/etc/passwd", "user\n", 0640);
	put("first", "1", 0644);
	put("second", "2", 0644);
	assert_int_equal(chmod("over/etc", 0700), 0);
	strv_add(&f->files, "over:/.");
	strv_add(&f->files, "first:/root/x");
	strv_add(&f->files, "second:/root/x");
	path = make(f);
	load(path, &a);
	has(&a, "etc/passwd", S_IFREG | 0640, "user\n");
	has(&a, "etc", S_IFDIR | 0755, NULL);
	has(&a, "root/x", S_IFREG | 0644, "2");
}

static void refuses_what_cannot_be(void **state)
{
	static const struct {
		const char *file;
		enum err_code code;
		const char *part;
	} cases[] = {
		{ "missing", ERR_NOT_FOUND, "missing" },
		{ "missing:/x", ERR_NOT_FOUND, "missing" },
		{ "guest-init:bin/x", ERR_NOT_FOUND, "SOURCE:/DEST" },
		{ "guest-init/x", ERR_NOT_FOUND, "guest-init/x" },
		{ "guest-init:/init", ERR_USAGE, "/init" },
		{ "over:/.", ERR_USAGE, "/init of the guest" },
		{ "guest-init:/bin", ERR_USAGE, "/bin would be both" },
		{ "over:/bin/ls", ERR_USAGE, "/bin/ls would be both" },
		{ "guest-init:/bin/ls/x", ERR_USAGE, "/bin/ls would be both" },
		{ "guest-init:/.", ERR_USAGE, "not a folder" },
	};
	struct fixture *f = *state;

	put("over/init", "mine", 0755);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv one = STRV_INIT;

		strv_add(&one, cases[i].file);
		f->params.files = &one;
		fails(f, cases[i].code, cases[i].part);
		strv_deinit(&one);
	}
	assert_int_equal(images(), 0);
}

static void bounds_the_depth(void **state)
{
	struct fixture *f = *state;
	struct buf path = BUF_INIT;

	buf_puts(&path, "deep");
	for (int i = 0; i < 70; i++)
		buf_puts(&path, "/d");
	assert_null(mkdir_parents(path.data, 0755));
	buf_deinit(&path);
	strv_add(&f->files, "deep");
	fails(f, ERR_USAGE, "deep");
}

static void needs_a_static_busybox(void **state)
{
	struct fixture *f = *state;

	f->params.busybox = "guest-init";
	fails(f, ERR_PREREQ, "busybox-static");
	f->params.busybox = "/proc/self/exe";
	fails(f, ERR_PREREQ, "dynamically");
	f->params.busybox = NULL;
	setenv("PATH", "/nonexistent", 1);
	fails(f, ERR_PREREQ, "busybox-static");
}

static void needs_an_init(void **state)
{
	struct fixture *f = *state;

	f->params.init = "none";
	fails(f, ERR_NOT_FOUND, "init");
	f->params.init = "mods";
	fails(f, ERR_BAD_DATA, "mods is not a file");
}

static void reuses_what_did_not_change(void **state)
{
	_cleanup_(free) char *first = NULL, *second = NULL, *third = NULL;
	struct fixture *f = *state;
	struct stat before, after;

	put("prog", "program", 0755);
	strv_add(&f->files, "prog");
	grow_old();
	first = make(f);
	assert_int_equal(stat(first, &before), 0);
	assert_int_equal(before.st_mode & 07777, 0600);
	second = make(f);
	assert_string_equal(first, second);
	assert_int_equal(stat(second, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(images(), 1);
	/* Same size, same mtime; only the change itself leaves a trace. */
	assert_int_equal(stat("prog", &before), 0);
	put("prog", "changed", 0755);
	assert_int_equal(utimensat(AT_FDCWD, "prog", (struct timespec[]){ before.st_atim, before.st_mtim }, 0), 0);
	third = make(f);
	assert_string_not_equal(first, third);
}

/* The clock can't tell two changes in a row apart; so we don't trust it where there may be a second one. */
static void does_not_trust_a_young_file(void **state)
{
	_cleanup_(free) char *first = NULL, *second = NULL;
	struct fixture *f = *state;

	grow_old();
	put("prog", "a", 0755);
	strv_add(&f->files, "prog");
	first = make(f);
	second = make(f);
	assert_string_not_equal(first, second);
}

static void gives_the_same_bytes(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT, b = BUF_INIT;
	_cleanup_(free) char *first = NULL, *second = NULL;
	struct fixture *f = *state;

	first = make(f);
	f->params.cache = "cache2";
	second = make(f);
	load(first, &a);
	load(second, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void set_age(const char *path, time_t days)
{
	const struct timespec t = { .tv_sec = time(NULL) - days * 24 * 60 * 60 };

	assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){ t, t }, 0), 0);
}

static void sweeps(void **state)
{
	_cleanup_(free) char *used = NULL, *again = NULL, *other = NULL;
	struct fixture *f = *state;

	grow_old();
	used = make(f);
	set_age(used, 30);
	/* A use makes it young. */
	again = make(f);
	put("cache/initramfs/week.cpio", "old", 0600);
	set_age("cache/initramfs/week.cpio", 8);
	put("cache/initramfs/recent.cpio", "recent", 0600);
	set_age("cache/initramfs/recent.cpio", 6);
	put("cache/initramfs/killed.cpio.aBcDeF", "part", 0600);
	put("cache/initramfs/notes", "somebody's", 0600);
	set_age("cache/initramfs/notes", 30);
	f->params.modules_root = NULL;
	other = make(f);
	assert_true(file_exists(used));
	assert_true(file_exists(other));
	assert_true(file_exists("cache/initramfs/recent.cpio"));
	assert_true(file_exists("cache/initramfs/notes"));
	assert_false(file_exists("cache/initramfs/week.cpio"));
	assert_false(file_exists("cache/initramfs/killed.cpio.aBcDeF"));
}

/* When one of the 3 MB of the last file have been copied. */
static void shorten(uint64_t done, uint64_t total, void *data)
{
	if (total - done <= 2 * MIB)
		assert_int_equal(truncate(data, (off_t)(MIB + 10)), 0);
}

static void append(uint64_t done, uint64_t total, void *data)
{
	_cleanup_(close) int fd = open(data, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)done;
	(void)total;
	assert_null(write_all(fd, "more", 4));
}

static void notices_a_file_that_shrinks(void **state)
{
	struct fixture *f = *state;

	put("zlarge", "", 0644);
	assert_int_equal(truncate("zlarge", 3 << 20), 0);
	strv_add(&f->files, "zlarge");
	f->params.progress = shorten;
	f->params.data = (void *)"zlarge";
	fails(f, ERR_BAD_DATA, "changed while it was copied");
	assert_int_equal(images(), 0);
}

static void takes_a_file_that_grows(void **state)
{
	_cleanup_(buf_deinit) struct buf a = BUF_INIT;
	_cleanup_(free) char *path = NULL;
	struct fixture *f = *state;

	put("log", "line\n", 0644);
	strv_add(&f->files, "log");
	f->params.progress = append;
	f->params.data = (void *)"log";
	path = make(f);
	load(path, &a);
	has(&a, "root/log", S_IFREG | 0644, NULL);
}

/* Several at once get the same image, or at least each a whole one. */
static void is_made_by_several(void **state)
{
	struct fixture *f = *state;
	pid_t pids[6];

	grow_old();
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char *path = NULL;
			struct err *e = initramfs_make(&f->params, &path);

			_exit(e || !file_exists(path));
		}
		assert_true(pids[i] > 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(images(), 1);
}

static void names_a_file_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	pid_t pid;
	int status;

	put("secret", "s", 0);
	strv_add(&f->files, "secret");
	assert_int_equal(chmod(f->folder, 0777), 0);
	assert_int_equal(chmod("guest-init", 0644), 0);
	/* Root may read everything: try it as somebody else. */
	pid = fork();
	if (pid == 0) {
		char *path = NULL;
		struct err *e;

		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(2);
		e = initramfs_make(&f->params, &path);
		_exit(!e || !strstr(err_message(e), "secret") || !strstr(err_message(e), strerror(EACCES)));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_what_a_guest_needs),
		TEST(has_the_modules),
		TEST(does_without_modules),
		TEST(copies_files),
		TEST(lays_files_over_others),
		TEST(refuses_what_cannot_be),
		TEST(bounds_the_depth),
		TEST(needs_an_init),
		TEST(reuses_what_did_not_change),
		TEST(does_not_trust_a_young_file),
		TEST(gives_the_same_bytes),
		TEST(sweeps),
		TEST(notices_a_file_that_shrinks),
		TEST(takes_a_file_that_grows),
		TEST(is_made_by_several),
		TEST(names_a_file_that_cannot_be_read),
		/* Changes PATH. */
		TEST(needs_a_static_busybox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
