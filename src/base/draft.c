#include "base/draft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

enum { TRIES_MAX = 16 };

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* Those of the same file that nobody holds. */
static void remove_stale(const char *path)
{
	_cleanup_(free) char *folder = folder_of(path);
	const char *slash = strrchr(path, '/'), *own = slash ? slash + 1 : path;
	_cleanup_(closedir) DIR *dir = opendir(folder);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		const char *rest = skip_prefix(d->d_name, own);
		_cleanup_(close) int fd = -1;

		if (!rest || !is_temporary(rest))
			continue;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(dir), d->d_name, 0);
	}
}

/* Somebody may have taken it for a stale one before it was locked. */
static bool take(const struct draft *d)
{
	struct stat st;

	return flock(d->fd, LOCK_EX | LOCK_NB) == 0 && fstat(d->fd, &st) == 0 && st.st_nlink > 0;
}

struct err *draft_open_named(const char *path, struct draft *ret)
{
	remove_stale(path);
	for (int i = 0; i < TRIES_MAX; i++) {
		struct draft d = DRAFT_INIT;

		TRY(temporary_create(path, &d.name, &d.fd));
		d.path = xstrdup(path);
		if (take(&d)) {
			*ret = d;
			return NULL;
		}
		draft_deinit(&d);
	}
	return err_create(ERR_OS, "create a file beside %s: others remove it each time", path);
}

struct err *draft_open(const char *path, struct draft *ret)
{
	_cleanup_(free) char *folder = folder_of(path);
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* With a name it would not be otherwise. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == EROFS))
		return err_os(errno, "create %s", path);
	if (fd < 0)
		return draft_open_named(path, ret);
	*ret = (struct draft){ xstrdup(path), NULL, fd };
	return NULL;
}

char *draft_where(const struct draft *d)
{
	return d->name ? xstrdup(d->name) : xasprintf("/proc/self/fd/%d", d->fd);
}

static struct err *give_name(const struct draft *d, const char *name)
{
	_cleanup_(free) char *from = draft_where(d);

	if (linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) < 0)
		return err_os(errno, "create %s", name);
	return NULL;
}

/* A link can't take the place of a file; for the moment in between it has a name of its own. */
static struct err *give_temporary_name(struct draft *d)
{
	_cleanup_(close) int fd = -1;
	_cleanup_(free) char *name = NULL;
	struct err *e;

	TRY(temporary_create(d->path, &name, &fd));
	unlink(name);
	e = give_name(d, name);
	if (!e)
		d->name = steal(&name);
	return e;
}

struct err *draft_publish(struct draft *d, bool replace)
{
	if (!d->name && !replace) {
		if (fsync(d->fd) < 0)
			return err_os(errno, "write %s to disk", d->path);
		return give_name(d, d->path);
	}
	if (!d->name)
		TRY(give_temporary_name(d));
	TRY(temporary_publish(d->name, d->fd, d->path, replace));
	free(steal(&d->name));
	return NULL;
}

void draft_deinit(struct draft *d)
{
	closep(&d->fd);
	if (d->name)
		unlink(d->name);
	free(d->name);
	free(d->path);
	*d = (struct draft)DRAFT_INIT;
}
