#include "cmd/gdb_program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/util.h"

/* Indexes are kept for so many files, the most recently used: each is a sixth of its vmlinux. */
enum { INDEXES_MAX = 8, ANSWER_MAX = 1 << 20 };

void gdb_program_deinit(struct gdb_program *p)
{
	free(p->path);
	*p = (struct gdb_program)GDB_PROGRAM_INIT;
}

/* A wrapper (pwndbg, gef) may have said something before GDB did. */
static const char *find_introduction(const char *text)
{
	const char *line = text;

	while (line && !skip_prefix(line, "GNU gdb")) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line ? line : text;
}

/* The version stands at the end of GDB's first line: "GNU gdb (Debian 13.1-3) 13.1". */
struct err *gdb_program_parse(const char *text, struct gdb_program *p)
{
	text = find_introduction(text);
	size_t n = strcspn(text, "\n");
	_cleanup_(free) char *line = xstrndup(text, n);
	const char *last = strrchr(strip(line), ' ');
	_cleanup_(free) char *major = last ? xstrndup(last + 1, strspn(last + 1, "0123456789")) : xstrdup("");
	uint64_t number;
	struct err *e;

	if (!strstr(line, "gdb") && !strstr(line, "GDB"))
		return err_create(ERR_BAD_DATA, "'%s' is not how GDB introduces itself", line);
	e = parse_u64(major, 1000, &number);
	if (e) {
		err_destroy(e);
		return err_create(ERR_BAD_DATA, "there is no version in '%s'", line);
	}
	p->major = (unsigned int)number;
	p->python = strstr(text, "--with-python") && !strstr(text, "--without-python");
	return NULL;
}

/* What the program is known by: if this stays the same, so does what it can do. */
static char *identify(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	return xasprintf("%s %lld %lld.%09ld\n", path, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
			 st.st_mtim.tv_nsec);
}

static bool known_answer(const char *file, const char *identity, struct gdb_program *p)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	const char *answer;
	struct err *e = read_file(file, ANSWER_MAX, &b);

	answer = e ? NULL : skip_prefix(buf_str(&b), identity);
	if (answer)
		e = gdb_program_parse(answer, p);
	err_ignore(e);
	return answer && !e;
}

static struct err *ask(const char *program, struct buf *answer)
{
	const char *const argv[] = {
		program, "-nx", "-batch", "-ex", "show version", "-ex", "show configuration", NULL,
	};

	return process_run(argv, NULL, NULL, answer);
}

/* Keeping the answer may fail: then it is asked again. */
static void keep_answer(const char *folder, const char *file, const char *identity, const char *answer)
{
	_cleanup_(free) char *text = xasprintf("%s%s", identity, answer);
	struct err *e = mkdir_parents(folder, 0700);

	if (!e)
		e = write_file_atomic(file, text, strlen(text), 0600);
	err_ignore(e);
}

struct err *gdb_program_find(const char *name, struct gdb_program *ret)
{
	_cleanup_(gdb_program_deinit) struct gdb_program p = GDB_PROGRAM_INIT;
	_cleanup_(free) char *folder = NULL, *file = NULL, *identity = NULL;
	_cleanup_(buf_deinit) struct buf answer = BUF_INIT;

	p.path = find_program(name);
	if (!p.path)
		return err_create(ERR_PREREQ,
				  "%s is not installed (not found on PATH); install the package gdb, or name another "
				  "one with --program",
				  name);
	TRY(cache_dir(&folder));
	file = xasprintf("%s/gdb-program", folder);
	identity = identify(p.path);
	if (!identity || !known_answer(file, identity, &p)) {
		TRY(ask(p.path, &answer));
		TRY(err_wrap(gdb_program_parse(buf_str(&answer), &p), "ask %s for its version", p.path));
		if (identity)
			keep_answer(folder, file, identity, buf_str(&answer));
	}
	*ret = p;
	p = (struct gdb_program)GDB_PROGRAM_INIT;
	return NULL;
}

struct err *gdb_index_dir(char **ret)
{
	_cleanup_(free) char *cache = NULL;

	TRY(cache_dir(&cache));
	*ret = xasprintf("%s/gdb-index", cache);
	return NULL;
}

static char *index_file(const char *dir, const char *build_id)
{
	/* GDB's own name for it. */
	return xasprintf("%s/%s.gdb-index", dir, build_id);
}

bool gdb_index_exists(const char *dir, const char *build_id)
{
	_cleanup_(free) char *file = index_file(dir, build_id);

	return utimensat(AT_FDCWD, file, NULL, 0) == 0;
}

/* Removes the index that was not used for longest, until there is room for one more. */
static void make_room(const char *dir)
{
	for (;;) {
		_cleanup_(closedir) DIR *d = opendir(dir);
		_cleanup_(free) char *oldest = NULL;
		struct timespec used = { 0, 0 };
		int n = 0;

		for (struct dirent *entry; d && (entry = readdir(d));) {
			struct stat st;

			if (!has_suffix(entry->d_name, ".gdb-index") || fstatat(dirfd(d), entry->d_name, &st, 0) < 0)
				continue;
			if (!n++ || st.st_mtim.tv_sec < used.tv_sec) {
				used = st.st_mtim;
				free(oldest);
				oldest = xstrdup(entry->d_name);
			}
		}
		if (n < INDEXES_MAX || !oldest || unlinkat(dirfd(d), oldest, 0) < 0)
			return;
	}
}

static struct err *make_index(const struct gdb_program *p, const char *vmlinux, const char *dir, const char *build_id)
{
	_cleanup_(free) char *lock_path = xasprintf("%s/%s.lock", dir, build_id);
	_cleanup_(free) char *work = xasprintf("%s/%s.tmp", dir, build_id);
	_cleanup_(free) char *command = xasprintf("save gdb-index %s", work);
	const char *slash = strrchr(vmlinux, '/');
	_cleanup_(free) char *made = xasprintf("%s/%s.gdb-index", work, slash ? slash + 1 : vmlinux);
	_cleanup_(free) char *file = index_file(dir, build_id);
	const char *const argv[] = {
		p->path, "-nx", "-batch", "-iex", "set auto-load no", vmlinux, "-ex", command, NULL
	};
	_cleanup_(close) int lock = -1;
	struct err *e;

	TRY(lock_file(lock_path, true, NULL, NULL, &lock));
	/* What one that was interrupted left behind. */
	TRY(remove_tree(work));
	TRY(mkdir_parents(work, 0700));
	e = process_run(argv, NULL, NULL, NULL);
	if (!e) {
		make_room(dir);
		if (rename(made, file) < 0)
			e = err_os(errno, "rename %s to %s", made, file);
	}
	err_ignore(remove_tree(work));
	unlink(lock_path);
	return e;
}

/* Nothing of the session is left to it that it could disturb, or that would wait for its end. */
static __attribute__((noreturn)) void run_indexer(const struct gdb_program *p, const char *vmlinux, const char *dir,
						  const char *build_id)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (fork() != 0)
		_exit(0);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (null_fd < 0 || dup2(null_fd, fd) < 0)
			_exit(1);
	}
	/* What it returns may be negative all the same: from a higher priority it comes to less than 0. */
	(void)!nice(19);
	err_ignore(make_index(p, vmlinux, dir, build_id));
	_exit(0);
}

struct err *gdb_index_start(const struct gdb_program *p, const char *vmlinux, const char *dir, const char *build_id)
{
	_cleanup_(process_deinit) struct process child = PROCESS_INIT;
	bool in_child;
	int status;

	TRY(mkdir_parents(dir, 0700));
	TRY(process_fork(false, &child, &in_child));
	if (in_child)
		run_indexer(p, vmlinux, dir, build_id);
	return process_wait(&child, &status);
}
