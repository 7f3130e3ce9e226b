#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "util.h"

struct mount_point {
	const char *type;
	const char *path;
	unsigned long flags;
	const char *options;
};

static const unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/*
 * The mount points below /sys are made by the code behind each file system: where the kernel lacks it, there is no
 * directory, and mount() fails before the kernel goes looking for a module.
 */
static const struct mount_point first[] = {
	{ "proc", "/proc", plain, NULL },
	{ "sysfs", "/sys", plain, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=755" },
};

static const struct mount_point rest[] = {
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "debugfs", "/sys/kernel/debug", plain, NULL },
	{ "tracefs", "/sys/kernel/tracing", plain, NULL },
	{ "configfs", "/sys/kernel/config", plain, NULL },
	{ "cgroup2", "/sys/fs/cgroup", plain, "nsdelegate" },
};

static const struct mount_point late[] = {
	{ "bpf", "/sys/fs/bpf", plain, "mode=700" },
};

static bool below_sys(const char *path)
{
	return strncmp(path, "/sys/", 5) == 0;
}

static int try_mount(const struct mount_point *m)
{
	return mount(m->type, m->path, m->type, m->flags, m->options);
}

static void mount_one(const struct mount_point *m)
{
	if (try_mount(m) == 0)
		return;
	if (errno == ENOENT) {
		if (below_sys(m->path))
			return;
		if (mkdir(m->path, 0755) < 0) {
			say("can't make %s: %m", m->path);
			return;
		}
		if (try_mount(m) == 0)
			return;
	}
	/* ENODEV: the kernel lacks it. EBUSY: it is there already, as devtmpfs is when the kernel mounted it. */
	if (errno != ENODEV && errno != EBUSY)
		say("can't mount %s: %m", m->path);
}

/* The kernel opens the console for init only if the image has a /dev/console. */
static void open_standard_descriptors(void)
{
	int fd;

	if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	do {
		fd = open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void mount_all(const struct mount_point *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mount_one(&m[i]);
}

static void make_link(const char *target, const char *path)
{
	if (symlink(target, path) < 0 && errno != EEXIST)
		say("can't make %s: %m", path);
}

void mount_first(void)
{
	mount_all(first, ARRAY_SIZE(first));
	open_standard_descriptors();
}

void mount_rest(void)
{
	mount_all(rest, ARRAY_SIZE(rest));
	make_link("/proc/self/fd", "/dev/fd");
	make_link("fd/0", "/dev/stdin");
	make_link("fd/1", "/dev/stdout");
	make_link("fd/2", "/dev/stderr");
}

void mount_late(void)
{
	mount_all(late, ARRAY_SIZE(late));
}
