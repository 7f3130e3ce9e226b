#include "port.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

static bool has_name(const char *port, const char *wanted)
{
	char path[sizeof("/sys/class/virtio-ports//name") + NAME_MAX], name[64];

	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", port);
	return read_text(path, name, sizeof(name)) > 0 && strcmp(name, wanted) == 0;
}

int port_open(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	const struct dirent *d;
	int fd = -1;

	if (!dir)
		return -1;
	while (fd < 0 && (d = readdir(dir))) {
		char path[sizeof("/dev/") + NAME_MAX];

		if (d->d_name[0] == '.' || !has_name(d->d_name, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", d->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			say("can't open the port %s, %s: %m", name, path);
	}
	closedir(dir);
	return fd;
}
