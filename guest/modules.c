#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

/* linux/module.h; since Linux 5.17. The kernel unpacks it if it was made with MODULE_DECOMPRESS. */
enum { COMPRESSED_FILE = 4 };

static int is_compressed(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strcmp(dot, ".ko") != 0;
}

static void load(const char *path)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int compressed = is_compressed(path);

	if (fd >= 0 && syscall(SYS_finit_module, fd, "", compressed ? COMPRESSED_FILE : 0) == 0)
		return;
	/* It is part of the kernel, or there is no such device. */
	if (errno == EEXIST || errno == ENODEV)
		return;
	if (compressed && (errno == EINVAL || errno == EOPNOTSUPP))
		say("can't load %s: the kernel doesn't unpack such modules (it lacks MODULE_DECOMPRESS)", path);
	else
		say("can't load %s: %m", path);
}

void modules_load(void)
{
	char list[8192], *rest = list, *line;

	if (read_text(MODULES_LIST, list, sizeof(list)) < 0)
		return;
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			load(line);
	}
}
