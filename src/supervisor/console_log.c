#include "supervisor/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

static struct err *open_file(struct console_log *l)
{
	l->fd = openat(l->dir_fd, "console.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (l->fd < 0)
		return err_os(errno, "create console.log");
	l->size = 0;
	return NULL;
}

struct err *console_log_open(int dir_fd, size_t size_max, struct console_log *ret)
{
	struct console_log l = { .dir_fd = dir_fd, .size_max = size_max };

	TRY(open_file(&l));
	*ret = l;
	return NULL;
}

void console_log_deinit(struct console_log *l)
{
	if (l->fd >= 0)
		close(steal_fd(&l->fd));
}

/* All of it, or nothing. */
static bool append_line(struct console_log *l, const char *line)
{
	size_t len = strlen(line);
	struct stat before;

	if (fstat(l->fd, &before) < 0)
		return false;
	if (write(l->fd, line, len) == (ssize_t)len)
		return true;
	/* Then half a line stays. */
	(void)!ftruncate(l->fd, before.st_size);
	return false;
}

static bool tell_gap(struct console_log *l)
{
	_cleanup_(free) char *line = xasprintf("\n[ktb: %zu bytes of the console are missing here]\n", l->missed);

	return append_line(l, line);
}

static struct err *miss(struct console_log *l, size_t len, struct err *e)
{
	bool begins = !l->missed;

	l->missed += len;
	if (begins)
		return e;
	err_destroy(e);
	return NULL;
}

struct err *console_log_write(struct console_log *l, const char *bytes, size_t len)
{
	ssize_t n;

	if (l->fd >= 0 && l->size > l->size_max) {
		close(steal_fd(&l->fd));
		renameat(l->dir_fd, "console.log", l->dir_fd, "console.log.1");
	}
	if (l->fd < 0) {
		struct err *e = open_file(l);

		if (e)
			return miss(l, len, e);
	}
	if (l->missed && !tell_gap(l))
		return miss(l, len, NULL);
	l->missed = 0;
	n = write(l->fd, bytes, len);
	if (n > 0)
		l->size += (size_t)n;
	if (n == (ssize_t)len)
		return NULL;
	/* What is cut short tells nothing of why. */
	return miss(l, len - (n > 0 ? (size_t)n : 0), err_os(n < 0 ? errno : ENOSPC, "write the console's log"));
}
