/*
 * Theory of operation
 *
 * Everything that goes into the image is listed first, and nothing of it read. Names, sizes, times and inodes of the
 * list make a key, and the key the image's name: if that file is there, it is the image.
 *
 * Otherwise it is written beside its place and renamed. All of this happens under one lock, so that what looks like
 * somebody's temporary file was left by one who was killed, and is removed; images that nobody has used for a week go
 * at the same time. A use sets the image's time.
 *
 * Nobody waits until an image is on the disk, which can take longer than all the rest. What a crash of the whole
 * machine leaves of it is never used, since this boot of the machine is part of the key.
 */
#include "initramfs/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/paths.h"
#include "initramfs/busybox.h"
#include "initramfs/cpio.h"
#include "initramfs/file_spec.h"
#include "initramfs/tree.h"

/* Changes when images are to be made anew although their inputs stayed the same. */
#define RECIPE "initramfs 1"

#define KEEP_SECONDS (7L * 24 * 60 * 60)
/* Longer than the tick in which two changes of a file get the same time. */
#define TICK_NS (20 * NSEC_PER_MSEC)

enum { COPY_SIZE = 1 << 20, UNSIZED_MAX = 64 << 20, BOOT_ID_MAX = 64 };

static const struct {
	const char *name;
	mode_t mode;
} folders[] = {
	{ "bin", 0755 },       { "dev", 0755 },
	{ "etc", 0755 },       { "home", 0755 },
	{ "lib", 0755 },       { "lib/modules", 0755 },
	{ "mnt", 0755 },       { "opt", 0755 },
	{ "proc", 0555 },      { "root", 0700 },
	{ "run", 0755 },       { "sbin", 0755 },
	{ "sys", 0555 },       { "tmp", 01777 },
	{ "usr/bin", 0755 },   { "usr/lib", 0755 },
	{ "usr/sbin", 0755 },  { "usr/local/bin", 0755 },
	{ "var/log", 0755 },   { "var/tmp", 01777 },
	{ "var/spool", 0755 }, { "usr/local/sbin", 0755 },
};

static const struct {
	const char *name, *text;
} texts[] = {
	/* busybox takes no line whose password is empty. */
	{ "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
			"nobody:x:65534:65534:nobody:/:/bin/false\n" },
	{ "etc/group", "root:x:0:\n"
		       "tty:x:5:\n"
		       "nogroup:x:65534:\n" },
	{ "etc/hosts", "127.0.0.1\tlocalhost\n"
		       "127.0.1.1\tdebugvm\n"
		       "::1\tlocalhost\n" },
	{ "etc/shells", "/bin/sh\n" },
	{ "etc/profile", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
			 "PS1='\\h:\\w\\$ '\n"
			 "export PATH PS1\n" },
};

/* Links to the tree the modules were built in, on the host. */
static bool is_build_link(const char *name, const struct stat *st, int depth)
{
	return depth == 1 && S_ISLNK(st->st_mode) && (streq(name, "build") || streq(name, "source"));
}

static void add_standard(struct tree *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		tree_add_folder(t, TREE_BASE, folders[i].name, folders[i].mode);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		tree_add_text(t, TREE_BASE, texts[i].name, 0644, texts[i].text);
	tree_add_symlink(t, TREE_BASE, "etc/mtab", "/proc/self/mounts");
	tree_add_symlink(t, TREE_BASE, "var/run", "/run");
	/* Until devtmpfs is there. The kernel opens the console for init before that. */
	tree_add_device(t, TREE_BASE, "dev/console", S_IFCHR | 0600, makedev(5, 1));
	tree_add_device(t, TREE_BASE, "dev/null", S_IFCHR | 0666, makedev(1, 3));
}

static struct err *add_modules(struct tree *t, const char *root)
{
	_cleanup_(free) char *modules = xasprintf("%s/lib/modules", root);

	if (!is_directory(root))
		return err_create(ERR_NOT_FOUND, "there is no folder %s with the kernel's modules", root);
	/* A kernel without modules installs none. */
	if (!file_exists(modules))
		return NULL;
	return err_wrap(tree_add_host(t, TREE_BASE, "lib/modules", modules, is_build_link),
			"copy the kernel's modules into the guest");
}

static struct err *add_user_file(struct tree *t, const char *text)
{
	_cleanup_(file_spec_deinit) struct file_spec spec = FILE_SPEC_INIT;
	_cleanup_(free) char *source = NULL;
	struct err *e;

	TRY(file_spec_parse(text, &spec));
	source = path_absolute(spec.source, NULL);
	e = err_wrap(tree_add_host(t, TREE_USER, spec.dest, source, NULL), "copy \"%s\" into the guest", text);
	if (e && err_code(e) == ERR_NOT_FOUND && strchr(spec.source, ':'))
		e = err_append(e, " (a place in the guest begins with a slash: SOURCE:/DEST)");
	return e;
}

static struct err *add_extra(struct tree *t, const struct initramfs_extra *x)
{
	if (x->source)
		return err_wrap(tree_add_file(t, TREE_BASE, x->name, 0644, x->source), "copy %s into the guest",
				x->source);
	tree_add_text(t, TREE_BASE, x->name, 0644, x->text);
	return NULL;
}

/* The list of all that is in the image, but for busybox's applets, which follow from busybox. */
static struct err *collect(const struct initramfs_params *params, const char *busybox, struct tree *t)
{
	add_standard(t);
	TRY(err_wrap(tree_add_file(t, TREE_FIXED, "init", 0755, params->init), "the guest's init"));
	TRY(err_wrap(tree_add_file(t, TREE_BASE, "bin/busybox", 0755, busybox), "busybox"));
	if (params->modules_root)
		TRY(add_modules(t, params->modules_root));
	for (size_t i = 0; i < params->extras_n; i++)
		TRY(add_extra(t, &params->extras[i]));
	for (size_t i = 0; params->files && i < params->files->n; i++)
		TRY(add_user_file(t, params->files->v[i]));
	return NULL;
}

static struct err *add_applets(struct tree *t, const char *busybox)
{
	_cleanup_(strv_deinit) struct strv applets = STRV_INIT;

	TRY(busybox_check(busybox));
	TRY(busybox_applets(busybox, &applets));
	for (size_t i = 0; i < applets.n; i++)
		tree_add_symlink(t, TREE_BASE, applets.v[i], "/bin/busybox");
	return NULL;
}

static uint64_t real_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static struct err *make_key(struct tree *t, struct digest *ret)
{
	_cleanup_(buf_deinit) struct buf boot = BUF_INIT;
	_cleanup_(hash_destroy) struct hash *h = NULL;
	uint64_t now = real_time_ns(), newest;

	TRY(hash_create(&h));
	TRY(read_file("/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &boot));
	hash_string(h, RECIPE);
	hash_string(h, buf_str(&boot));
	tree_hash(t, h, &newest);
	/* A file that changed just now may change again without a change of its time: such an image is used only once. */
	if (newest + TICK_NS > now)
		hash_update(h, &now, sizeof(now));
	hash_final(h, ret);
	return NULL;
}

struct writer {
	const struct initramfs_params *params;
	struct cpio *cpio;
	uint64_t done, total;
	char *block; /* COPY_SIZE bytes */
};

static struct err *write_piece(struct writer *w, const void *data, size_t len)
{
	TRY(cpio_file_data(w->cpio, data, len));
	w->done += len;
	if (w->params->progress)
		w->params->progress(w->done, w->total, w->params->data);
	return NULL;
}

/* The first `size` bytes of a file: what is appended while we read is for the next image. */
static struct err *write_content(struct writer *w, const struct tree_member *m, int fd, uint64_t size)
{
	TRY(cpio_file_begin(w->cpio, m->name, m->mode, size));
	for (uint64_t left = size; left;) {
		ssize_t n = read(fd, w->block, MIN(left, COPY_SIZE));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "read");
		if (n == 0)
			break;
		TRY(write_piece(w, w->block, (size_t)n));
		left -= (uint64_t)n;
	}
	return err_append(cpio_file_end(w->cpio), " (it changed while it was copied; try again)");
}

static struct err *write_text(struct writer *w, const struct tree_member *m, const void *text, size_t len)
{
	TRY(cpio_file_begin(w->cpio, m->name, m->mode, len));
	TRY(write_piece(w, text, len));
	return cpio_file_end(w->cpio);
}

/* Files of /proc and /sys say that they are empty, and are not. */
static struct err *write_unsized(struct writer *w, const struct tree_member *m, int fd)
{
	_cleanup_(buf_deinit) struct buf content = BUF_INIT;

	TRY(read_fd(fd, m->source, UNSIZED_MAX, &content));
	return write_text(w, m, buf_str(&content), content.len);
}

static struct err *write_host_file(struct writer *w, const struct tree_member *m)
{
	/* It may have become a pipe since: don't wait for its other end. */
	_cleanup_(close) int fd = open(m->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "copy %s into the guest", m->source);
	if (!S_ISREG(st.st_mode))
		return err_create(ERR_BAD_DATA, "copy %s into the guest: it is no longer a file", m->source);
	return err_wrap(st.st_size > 0 ? write_content(w, m, fd, (uint64_t)st.st_size) : write_unsized(w, m, fd),
			"copy %s into the guest", m->source);
}

static struct err *write_member(struct writer *w, const struct tree_member *m)
{
	if (S_ISDIR(m->mode))
		return cpio_folder(w->cpio, m->name, m->mode);
	if (S_ISLNK(m->mode))
		return cpio_symlink(w->cpio, m->name, m->text);
	if (!S_ISREG(m->mode))
		return cpio_device(w->cpio, m->name, m->mode, m->device);
	if (m->source)
		return write_host_file(w, m);
	return write_text(w, m, m->text, strlen(m->text));
}

static uint64_t content_size(const struct tree_member *m)
{
	if (!S_ISREG(m->mode))
		return 0;
	return m->source ? (uint64_t)m->host.st_size : strlen(m->text);
}

static struct err *write_members(const struct initramfs_params *params, const struct tree *t, FILE *out)
{
	_cleanup_(cpio_destroy) struct cpio *cpio = cpio_create(out);
	_cleanup_(free) char *block = xmalloc(COPY_SIZE);
	struct writer w = { .params = params, .cpio = cpio, .block = block };

	for (size_t i = 0; i < t->n; i++)
		w.total += content_size(&t->members[i]);
	for (size_t i = 0; i < t->n; i++)
		TRY(write_member(&w, &t->members[i]));
	return cpio_finish(cpio);
}

/* Writes to a descriptor, which it takes. */
static struct err *write_archive(const struct initramfs_params *params, const struct tree *t, int fd, const char *path)
{
	_cleanup_(fclose) FILE *out = fdopen(fd, "w");
	struct err *e;

	if (!out) {
		close(fd);
		return err_os(errno, "open %s", path);
	}
	setvbuf(out, NULL, _IOFBF, COPY_SIZE);
	e = write_members(params, t, out);
	if (!e && fflush(out) != 0)
		e = err_os(errno, "write the archive");
	if (e && (err_errno(e) == ENOSPC || err_errno(e) == EDQUOT))
		e = err_append(e, " (it is %s)", path);
	return err_wrap(e, "make the guest's image");
}

static struct err *write_image(const struct initramfs_params *params, const struct tree *t, const char *path)
{
	_cleanup_(free) char *temporary = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	struct err *e;

	if (fd < 0)
		return err_os(errno, "create %s", temporary);
	e = write_archive(params, t, fd, temporary);
	if (!e && rename(temporary, path) < 0)
		e = err_os(errno, "rename %s to %s", temporary, path);
	if (e)
		unlink(temporary);
	return e;
}

/* Removes temporary files, since we hold the lock, and images not used for long. What can't be removed, stays. */
static void sweep(const char *folder)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);
	time_t now = time(NULL);

	if (!dir)
		return;
	for (struct dirent *d; (d = readdir(dir));) {
		struct stat st;

		if (!strstr(d->d_name, ".cpio") || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!has_suffix(d->d_name, ".cpio") || now - st.st_mtime > KEEP_SECONDS)
			unlinkat(dirfd(dir), d->d_name, 0);
	}
}

static void say_waiting(void *data)
{
	(void)data;
	log_info("waiting for another ktb that writes a guest's image");
}

static struct err *open_folder(const char *cache, char **ret_folder, int *ret_lock)
{
	_cleanup_(free) char *own_cache = NULL, *folder = NULL, *lock = NULL;

	if (!cache)
		TRY(cache_dir(&own_cache));
	folder = xasprintf("%s/initramfs", cache ? cache : own_cache);
	lock = xasprintf("%s/lock", folder);
	TRY(mkdir_parents(folder, 0700));
	TRY(lock_file(lock, false, say_waiting, NULL, ret_lock));
	*ret_folder = steal(&folder);
	return NULL;
}

struct err *initramfs_make(const struct initramfs_params *params, char **ret)
{
	_cleanup_(tree_deinit) struct tree t = TREE_INIT;
	_cleanup_(free) char *busybox = NULL, *folder = NULL, *path = NULL;
	_cleanup_(close) int lock = -1;
	struct digest key;

	if (params->busybox)
		busybox = xstrdup(params->busybox);
	else
		TRY(busybox_find(&busybox));
	TRY(collect(params, busybox, &t));
	TRY(make_key(&t, &key));
	TRY(open_folder(params->cache, &folder, &lock));
	path = xasprintf("%s/%s.cpio", folder, key.hex);
	if (utimensat(AT_FDCWD, path, NULL, 0) < 0) {
		sweep(folder);
		TRY(add_applets(&t, busybox));
		TRY(tree_finish(&t));
		TRY(write_image(params, &t, path));
	}
	*ret = steal(&path);
	return NULL;
}
