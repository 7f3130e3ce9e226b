#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/util.h"

struct err *read_fd(int fd, const char *name, size_t max, struct buf *b)
{
	size_t start = b->len;

	for (;;) {
		char *to = buf_reserve(b, 65536);
		ssize_t n = read(fd, to, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;

			buf_truncate(b, start);
			return err_os(error, "read %s", name);
		}
		buf_commit(b, (size_t)n);
		if (n == 0)
			return NULL;
		if (b->len - start > max) {
			buf_truncate(b, start);
			return err_create(ERR_BAD_DATA, "%s is larger than %zu bytes", name, max);
		}
	}
}

struct err *read_file(const char *path, size_t max, struct buf *b)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_os(errno, "open %s", path);
	return read_fd(fd, path, max, b);
}

struct err *write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "write");
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* What their names end with, and six characters more. */
#define TEMPORARY_MARK ".ktb-new-"

struct err *temporary_create(const char *path, char **ret_name, int *ret_fd)
{
	_cleanup_(free) char *name = xasprintf("%s" TEMPORARY_MARK "XXXXXX", path);
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0)
		return err_os(errno, "create %s", name);
	*ret_name = steal(&name);
	*ret_fd = fd;
	return NULL;
}

/* Not every file system can tell while it renames whether something is there. */
static int rename_to_new(const char *name, const char *path)
{
	struct stat st;

	if (renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	if (lstat(path, &st) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(name, path);
}

struct err *temporary_publish(const char *name, int fd, const char *path, bool replace)
{
	if (fsync(fd) < 0)
		return err_os(errno, "write %s to disk", path);
	if ((replace ? rename(name, path) : rename_to_new(name, path)) < 0)
		return err_os(errno, "rename %s to %s", name, path);
	return NULL;
}

static struct err *write_beside(const char *path, const void *data, size_t len, mode_t mode, bool replace)
{
	_cleanup_(free) char *name = NULL;
	_cleanup_(close) int fd = -1;
	struct err *e;

	TRY(temporary_create(path, &name, &fd));
	e = err_wrap(write_all(fd, data, len), "%s", path);
	if (!e && fchmod(fd, mode) < 0)
		e = err_os(errno, "set the mode of %s", path);
	if (!e)
		e = temporary_publish(name, fd, path, replace);
	if (e)
		unlink(name);
	return e;
}

bool is_temporary(const char *suffix)
{
	return skip_prefix(suffix, TEMPORARY_MARK) && strlen(suffix) == strlen(TEMPORARY_MARK "XXXXXX");
}

void sweep_temporary_files(const char *folder)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		const char *mark = strstr(d->d_name, TEMPORARY_MARK);

		if (mark && is_temporary(mark))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
}

struct err *write_file_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
	return write_beside(path, data, len, mode, true);
}

struct err *write_file_new(const char *path, const void *data, size_t len, mode_t mode)
{
	return write_beside(path, data, len, mode, false);
}

struct err *mkdir_parents(const char *path, mode_t mode)
{
	_cleanup_(free) char *copy = xstrdup(path);

	if (!*path)
		return err_create(ERR_BAD_DATA, "create a folder: its name is empty");
	for (char *p = copy + 1;; p++) {
		if (*p && *p != '/')
			continue;
		bool last = !*p;

		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_os(errno, "create folder %s", copy);
		if (last)
			break;
		*p = '/';
	}
	if (!is_directory(path))
		return err_create(ERR_BAD_DATA, "%s is in the way: it is not a folder", path);
	return NULL;
}

DIR *open_folder_at(int parent, const char *name, int flags)
{
	_cleanup_(close) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	/* It is the stream's now. */
	if (dir)
		(void)steal_fd(&fd);
	return dir;
}

static struct err *remove_at(int parent, const char *name)
{
	_cleanup_(closedir) DIR *dir = NULL;
	int error;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return NULL;
	error = errno;
	if (error != EISDIR && error != EPERM)
		return err_os(error, "remove %s", name);
	dir = open_folder_at(parent, name, O_NOFOLLOW);
	if (!dir)
		return err_os(errno == ENOTDIR || errno == ELOOP ? error : errno, "remove %s", name);
	for (struct dirent *d; (d = readdir(dir));) {
		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		TRY(remove_at(dirfd(dir), d->d_name));
	}
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_os(errno, "remove folder %s", name);
	return NULL;
}

struct err *remove_tree(const char *path)
{
	return err_wrap(remove_at(AT_FDCWD, path), "remove %s", path);
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_absolute(const char *path, const char *base)
{
	_cleanup_(free) char *folder = NULL;
	const char *home = getenv("HOME");

	if (*path == '/')
		return xstrdup(path);
	if (*path == '~' && (path[1] == '/' || !path[1]) && home)
		return xasprintf("%s%s", home, path + 1);
	folder = base ? path_absolute(base, NULL) : getcwd(NULL, 0);
	while (path[0] == '.' && path[1] == '/')
		path += 1 + strspn(path + 1, "/");
	if (!*path || streq(path, "."))
		return folder ? steal(&folder) : xstrdup(".");
	return xasprintf("%s/%s", !folder ? "." : streq(folder, "/") ? "" : folder, path);
}

char *find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 && !is_directory(name) ? path_absolute(name, NULL) : NULL;
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	while (*path) {
		size_t n = strcspn(path, ":");
		_cleanup_(free) char *file = xasprintf("%.*s/%s", (int)n, path, name);

		if (n && access(file, X_OK) == 0 && !is_directory(file))
			return path_absolute(file, NULL);
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* False if another process holds it, with nonblock. */
static bool take_lock(int fd, int operation)
{
	while (flock(fd, operation) < 0) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

static bool is_at(int fd, const char *path)
{
	struct stat own, there;

	return fstat(fd, &own) == 0 && stat(path, &there) == 0 && own.st_dev == there.st_dev &&
	       own.st_ino == there.st_ino;
}

/* operation: LOCK_EX or LOCK_SH. */
static struct err *lock(const char *path, int flags, int operation, bool nonblock, void (*waiting)(void *data),
			void *data, int *ret)
{
	for (;;) {
		_cleanup_(close) int fd = open(path, flags | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_os(errno, "open %s", path);
		if (!take_lock(fd, operation | LOCK_NB)) {
			if (errno != EWOULDBLOCK || nonblock)
				return err_os(errno, "lock %s", path);
			if (waiting)
				waiting(data);
			waiting = NULL;
			if (!take_lock(fd, operation))
				return err_os(errno, "lock %s", path);
		}
		if (is_at(fd, path)) {
			*ret = steal_fd(&fd);
			return NULL;
		}
	}
}

struct err *lock_file(const char *path, bool nonblock, void (*waiting)(void *data), void *data, int *ret)
{
	return lock(path, O_RDWR | O_CREAT, LOCK_EX, nonblock, waiting, data, ret);
}

struct err *lock_file_shared(const char *path, int *ret)
{
	return lock(path, O_RDWR | O_CREAT, LOCK_SH, false, NULL, NULL, ret);
}

struct err *hold_file(const char *path, int *ret)
{
	return lock(path, O_RDONLY, LOCK_SH, false, NULL, NULL, ret);
}
