/*
 * Theory of operation
 *
 * The new root is put together at NEW_ROOT, the file systems that are mounted already move into it, and then it moves
 * to /, over the initramfs, as switch_root(8) does it. init itself goes on from the initramfs' file, which it has open.
 *
 * A folder of the host's is shared read-only, by QEMU's own decision; so that the guest can write all the same, it lies
 * below an overlay whose upper layer is memory. A disk is mounted as it is: writable, unless it is read-only itself.
 * Which file system it has is found by trying those that the kernel knows.
 *
 * The modules that belong to the kernel are in the initramfs; a userland that was made elsewhere has others, or none. So
 * that folder is held open, and mounted over /lib/modules once the root has changed.
 */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define NEW_ROOT "/.ktb/root"
#define LOWER "/.ktb/lower"
#define UPPER "/.ktb/upper"
#define TRANSPORT "trans=virtio,version=9p2000.L,msize=262144"

enum {
	DEVICE_WAIT_MS = 10000,
	DEVICE_POLL_MS = 20,
};

static bool make_folder(const char *path)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return true;
	say("can't make %s: %m", path);
	return false;
}

/* With all the folders above it. */
static bool make_folders(const char *path)
{
	char part[256];

	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (!make_folder(part))
			return false;
	}
	return make_folder(path);
}

static bool mount_9p(const char *tag, const char *path, unsigned long flags, const char *options)
{
	if (mount(tag, path, "9p", flags, options) == 0)
		return true;
	if (errno == ENODEV)
		say("can't mount the host's folder on %s: the kernel lacks 9P_FS", path);
	else if (errno == EPROTONOSUPPORT || errno == EINVAL || errno == ENOPROTOOPT)
		say("can't mount the host's folder on %s: the kernel lacks NET_9P_VIRTIO (%m)", path);
	else
		say("can't mount the host's folder on %s: %m", path);
	return false;
}

static bool mount_overlay(void)
{
	/* The host's folder is not to be changed meanwhile, so what was read of it may be kept. */
	if (!make_folder(LOWER) || !mount_9p("root", LOWER, MS_RDONLY, TRANSPORT ",cache=loose"))
		return false;
	if (!make_folder(UPPER))
		return false;
	if (mount("tmpfs", UPPER, "tmpfs", 0, "mode=755") < 0) {
		say("can't mount memory for the root: %m");
		return false;
	}
	if (!make_folder(UPPER "/data") || !make_folder(UPPER "/work"))
		return false;
	if (mount("ktb-root", NEW_ROOT, "overlay", 0,
		  "lowerdir=" LOWER ",upperdir=" UPPER "/data,workdir=" UPPER "/work") == 0)
		return true;
	if (errno == ENODEV)
		say("can't lay the root over the host's folder: the kernel lacks OVERLAY_FS");
	else
		say("can't lay the root over the host's folder: %m");
	return false;
}

static bool wait_for_device(const char *path)
{
	int64_t end = now_ms() + DEVICE_WAIT_MS;
	struct stat st;

	while (stat(path, &st) < 0 || !S_ISBLK(st.st_mode)) {
		if (now_ms() > end) {
			say("there is no disk %s; the disks are /dev/vda, /dev/vdb and so on, and the kernel needs "
			    "VIRTIO_BLK",
			    path);
			return false;
		}
		usleep(DEVICE_POLL_MS * 1000);
	}
	return true;
}

static bool try_type(const char *device, const char *type)
{
	if (mount(device, NEW_ROOT, type, 0, NULL) == 0)
		return true;
	/* A disk that can only be read says so in several ways. */
	if (errno != EACCES && errno != EROFS && errno != EPERM)
		return false;
	return mount(device, NEW_ROOT, type, MS_RDONLY, NULL) == 0 ||
	       /* Its journal may have something in it that can't be written where it belongs. */
	       mount(device, NEW_ROOT, type, MS_RDONLY, "norecovery") == 0;
}

static bool mount_device(const char *device)
{
	char list[4096], *line, *rest = list;
	int why = EINVAL;
	bool ext4;

	if (!wait_for_device(device))
		return false;
	if (read_text("/proc/filesystems", list, sizeof(list)) < 0)
		list[0] = '\0';
	ext4 = strstr(list, "\text4") != NULL;
	/* "nodev" stands in front of those that aren't on a disk, a tab in front of all. */
	while ((line = strsep(&rest, "\n"))) {
		/* The driver of ext4 is theirs as well. */
		if (*line != '\t' || (ext4 && (strcmp(line, "\text2") == 0 || strcmp(line, "\text3") == 0)))
			continue;
		if (try_type(device, line + 1))
			return true;
		if (errno != EINVAL)
			why = errno;
	}
	if (why == EINVAL)
		say("no file system that the kernel knows is on %s (on a disk with partitions it is on %s1 or the "
		    "like)",
		    device, device);
	else
		say("can't mount %s: %s", device, strerror(why));
	return false;
}

static void move_one(const char *from)
{
	char to[sizeof(NEW_ROOT) + 16];

	snprintf(to, sizeof(to), NEW_ROOT "%s", from);
	/* A root without the folder, and read-only: no proc there is better than no root. */
	if ((access(to, F_OK) < 0 && mkdir(to, 0755) < 0) || mount(from, to, NULL, MS_MOVE, NULL) < 0)
		say("can't move %s into the root: %m", from);
}

/* modules: a descriptor of the initramfs' /lib/modules, or -1. */
static void mount_modules(int modules)
{
	char from[64];

	if (modules < 0)
		return;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", modules);
	if ((access("/lib/modules", F_OK) < 0 && !make_folders("/lib/modules")) ||
	    mount(from, "/lib/modules", NULL, MS_BIND, NULL) < 0)
		say("the kernel's modules are not in /lib/modules: %m");
}

static bool change_root(void)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev" };
	_cleanup_(close) int modules = open("/lib/modules", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(moved); i++)
		move_one(moved[i]);
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
		say("can't change the root: %m");
		return false;
	}
	mount_modules(modules);
	return true;
}

bool root_enter(struct options *o)
{
	bool folder = strcmp(o->root, "9p") == 0;

	if (!make_folder("/.ktb") || !make_folder(NEW_ROOT))
		return false;
	if (!(folder ? mount_overlay() : mount_device(o->root)) || !change_root()) {
		say("the root stays the initramfs");
		return false;
	}
	if (!o->shell_given && access("/bin/bash", X_OK) == 0)
		strcpy(o->shell, "/bin/bash");
	return true;
}

void root_mount_shares(const struct options *o)
{
	for (size_t i = 0; i < o->shares_n; i++) {
		const struct options_share *share = &o->shares[i];

		if (!make_folders(share->path))
			continue;
		/* Files that can be written can also be mapped so only with cache=mmap. */
		mount_9p(share->tag, share->path, share->writable ? 0 : MS_RDONLY,
			 share->writable ? TRANSPORT ",cache=mmap" : TRANSPORT);
	}
}

void root_run_init(const struct options *o)
{
	char term[sizeof("TERM=") + sizeof(o->term)];
	const char *const env[] = { "HOME=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", term,
				    NULL };
	sigset_t none, old;

	stpcpy(stpcpy(term, "TERM="), o->term);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, &old);
	execve(o->init, (char *const[]){ (char *)o->init, NULL }, (char *const *)env);
	say("can't run the init %s: %m; ktb's own goes on", o->init);
	sigprocmask(SIG_SETMASK, &old, NULL);
}
