#include "cmd/vm_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/util.h"

/* More than both parts of a log can have (supervisor/console.c), and of our own. */
enum { KEPT_MAX = 64 << 20, OWN_LOG_MAX = 1 << 20 };

/* --- In the background --- */

static struct err *open_own_log(const struct rundir *dir)
{
	_cleanup_(close) int fd = openat(rundir_fd(dir), "ktb.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_os(errno, "create %s/ktb.log", rundir_path(dir));
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		return err_os(errno, "leave the terminal");
	return NULL;
}

static void write_own_log(const char *text, void *user)
{
	const struct rundir *dir = user;
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == 0 && st.st_size > OWN_LOG_MAX) {
		renameat(rundir_fd(dir), "ktb.log", rundir_fd(dir), "ktb.log.1");
		/* Where that fails the old one goes on. */
		err_ignore(open_own_log(dir));
	}
	err_ignore(write_all(STDERR_FILENO, text, strlen(text)));
}

struct err *vm_logs_leave_terminal(const struct rundir *dir)
{
	_cleanup_(close) int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return err_os(errno, "leave the terminal");
	TRY(open_own_log(dir));
	log_set_sink(write_own_log, (void *)dir);
	return NULL;
}

/* --- Kept --- */

static struct err *append_part(const struct rundir *dir, const char *name, struct buf *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", rundir_path(dir), name);

	return file_exists(path) ? read_file(path, KEPT_MAX, text) : NULL;
}

static struct err *keep(const struct rundir *dir, const char *file, const char *kept_as, char **ret)
{
	_cleanup_(free) char *older = xasprintf("%s.1", file), *cache = NULL, *folder = NULL, *to = NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(append_part(dir, older, &text));
	TRY(append_part(dir, file, &text));
	/* An empty log replaces no other. */
	if (!text.len)
		return NULL;
	TRY(cache_dir(&cache));
	folder = xasprintf("%s/logs", cache);
	to = xasprintf("%s/%s", folder, kept_as);
	TRY(mkdir_parents(folder, 0700));
	TRY(write_file_atomic(to, buf_str(&text), text.len, 0600));
	*ret = steal(&to);
	return NULL;
}

/* The run directory goes with the VM; what was said last is kept in the cache. */
static void keep_log(const struct rundir *dir, const char *file, const char *kept_as, bool tell)
{
	_cleanup_(free) char *path = NULL;
	_cleanup_(err_destroy) struct err *e = keep(dir, file, kept_as, &path);

	if (e)
		log_warn("a log could not be kept: %s", err_message(e));
	else if (path && tell)
		log_info("the console's log: %s", path);
}

void vm_logs_keep(const struct rundir *dir, const char *name, bool tell)
{
	_cleanup_(free) char *console = xasprintf("%s.log", name), *own = xasprintf("%s.ktb.log", name);

	keep_log(dir, "console.log", console, tell);
	keep_log(dir, "ktb.log", own, false);
}
