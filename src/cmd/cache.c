/*
 * Who uses a thing holds a lock, by which it is safe from us: a shared one on what he uses (kbuild.h, boot.c), an
 * exclusive one on what he makes. We take the same locks, exclusively and without waiting, rename, and give them up. The
 * lock of a thing that went with it is no longer a lock: lock_file() notices.
 */
#include "cmd/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/progress.h"
#include "base/util.h"
#include "kbuild/kbuild.h"
#include "supervisor/rundir.h"

enum { MANIFEST_MAX = 1 << 20, LOCKS_MAX = 2 };

struct kind {
	const char *name;
	const char *folder;
	const char *suffix; /* of files; NULL: only folders are items */
};

static const struct kind kinds[] = {
	[CACHE_BUILD] = { "build", "build", NULL },
	[CACHE_SOURCE] = { "source", "source", NULL },
	[CACHE_DOWNLOAD] = { "download", "download", NULL },
	[CACHE_MODULE] = { "module", "module", NULL },
	[CACHE_DEPMOD] = { "depmod", "depmod", NULL },
	[CACHE_INITRAMFS] = { "initramfs", "initramfs", ".cpio" },
	[CACHE_GDB_INDEX] = { "gdb-index", "gdb-index", ".gdb-index" },
	[CACHE_GDB_MODULE] = { "gdb-module", "gdb-module", NULL },
	[CACHE_LLDB_MODULE] = { "lldb-module", "lldb-module", NULL },
	[CACHE_LAYOUT] = { "layout", "layout", "" },
	[CACHE_LOG] = { "log", "logs", ".log" },
	[CACHE_EDIT] = { "edit", "edit", NULL },
	[CACHE_TRASH] = { "trash", "trash", NULL },
};

const char *cache_kind_name(enum cache_kind kind)
{
	return kinds[kind].name;
}

void cache_items_deinit(struct cache_items *items)
{
	for (size_t i = 0; i < items->n; i++) {
		free(items->v[i].name);
		free(items->v[i].path);
		free(items->v[i].what);
		free(items->v[i].in_use);
	}
	free(items->v);
	*items = (struct cache_items){ 0 };
}

/* --- Locks --- */

/* The files to be locked; those that are there only while somebody is at work may be missing. */
struct locks {
	char *use;        /* shared by those who use the item */
	char *make;       /* of the one who makes it */
	bool make_beside; /* use and make are files beside the item, which go with it */
};

static void locks_deinit(struct locks *l)
{
	free(l->use);
	free(l->make);
}
DEFINE_CLEANUP_STORAGE(struct locks, locks_deinit);

/* "ID" of source/ID and of source/ID.unpack. */
static char *source_id(const char *name)
{
	return xstrndup(name, strcspn(name, "."));
}

static struct locks locks_of(const char *cache, const struct cache_item *item)
{
	struct locks l = { NULL, NULL, false };
	_cleanup_(free) char *id = source_id(item->name);

	switch (item->kind) {
	case CACHE_BUILD:
		l.use = kbuild_build_lock(item->path);
		l.make = xasprintf("%s/lock", item->path);
		break;
	case CACHE_SOURCE:
		l.use = kbuild_source_lock(cache, id);
		l.make = xasprintf("%s/source/%s.lock", cache, id);
		l.make_beside = true;
		break;
	case CACHE_INITRAMFS:
		l.use = xstrdup(item->path);
		break;
	case CACHE_GDB_INDEX:
		l.make = xasprintf("%s/gdb-index/%s.lock", cache, id);
		break;
	case CACHE_DEPMOD:
		l.use = xasprintf("%s/in-use", item->path);
		break;
	case CACHE_DOWNLOAD:
	case CACHE_MODULE:
	case CACHE_LLDB_MODULE:
	case CACHE_EDIT:
		l.make = xasprintf("%s/lock", item->path);
		break;
	case CACHE_GDB_MODULE:
	case CACHE_LAYOUT:
	case CACHE_LOG:
	case CACHE_TRASH:
	default:
		break;
	}
	return l;
}

/* True if it is ours now, or isn't there. Nothing is created: what is locked may be the item itself. */
static bool try_lock(const char *path, int *ret)
{
	_cleanup_(close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	*ret = steal_fd(&fd);
	return true;
}

static char *find_user(const char *cache, const struct cache_item *item, struct vm_record *const *vms, size_t vms_n)
{
	_cleanup_(locks_deinit) struct locks l = locks_of(cache, item);
	_cleanup_(free) char *inside = xasprintf("%s/", item->path);
	_cleanup_(close) int make_fd = -1, use_fd = -1;

	for (size_t i = 0; i < vms_n; i++) {
		const char *const paths[] = { vms[i]->kernel, vms[i]->vmlinux, vms[i]->srctree, vms[i]->build_dir };

		for (size_t j = 0; j < ARRAY_SIZE(paths); j++) {
			if (paths[j] && (skip_prefix(paths[j], inside) || streq(paths[j], item->path)))
				return xasprintf("VM '%s'", vms[i]->name);
		}
	}
	if (!try_lock(l.make, &make_fd))
		return xstrdup("being made");
	if (!try_lock(l.use, &use_fd))
		return xstrdup("in use");
	return NULL;
}

/* --- Looking --- */

static uint64_t disk_usage_at(int dirfd, const char *name, struct progress *progress)
{
	_cleanup_(closedir) DIR *dir = NULL;
	struct stat st;
	uint64_t sum;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	sum = (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return sum;
	progress_update(progress, "looking at the cache");
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return sum;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return sum;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
			sum += disk_usage_at(fd, d->d_name, progress);
	}
	return sum;
}

static uint64_t time_of(const char *path)
{
	struct stat st;

	return path && lstat(path, &st) == 0 ? (uint64_t)st.st_mtim.tv_sec : 0;
}

static uint64_t last_use(const char *cache, const struct cache_item *item)
{
	_cleanup_(locks_deinit) struct locks l = locks_of(cache, item);
	uint64_t used = time_of(item->path);

	used = MAX(used, time_of(l.use));
	return MAX(used, time_of(l.make));
}

static void describe_build(struct cache_item *item, struct cache_items *items)
{
	_cleanup_(free) char *path = xasprintf("%s/manifest.json", item->path);
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct err *e = read_file(path, MANIFEST_MAX, &text);

	if (!e)
		e = manifest_parse(path, buf_str(&text), text.len, &m);
	item->what = e ? xstrdup("not built to its end") : xasprintf("Linux %s", m.release);
	/* What a kernel was built from is as young as the kernel: its debugger shows it. */
	for (size_t i = 0; i < items->n && !e; i++) {
		_cleanup_(free) char *inside = xasprintf("%s/", items->v[i].path);

		if (items->v[i].kind == CACHE_SOURCE && skip_prefix(m.source_tree, inside))
			items->v[i].used = MAX(items->v[i].used, item->used);
	}
	err_destroy(e);
}

static char *describe_source(const struct cache_item *item)
{
	_cleanup_(closedir) DIR *dir = opendir(item->path);

	if (strchr(item->name, '.'))
		return xstrdup("not unpacked to its end");
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (*d->d_name != '.')
			return xstrdup(d->d_name);
	}
	return NULL;
}

static void add_item(const char *cache, enum cache_kind kind, const char *name, struct progress *progress,
		     struct cache_items *items)
{
	struct cache_item item = { .kind = kind, .name = xstrdup(name) };

	item.path = xasprintf("%s/%s/%s", cache, kinds[kind].folder, name);
	item.size = disk_usage_at(AT_FDCWD, item.path, progress);
	item.used = last_use(cache, &item);
	if (kind == CACHE_SOURCE)
		item.what = describe_source(&item);
	if (!(items->n & (items->n - 1)))
		items->v = xreallocarray(items->v, items->n ? 2 * items->n : 1, sizeof(*items->v));
	items->v[items->n++] = item;
}

static struct err *list_kind(const char *cache, enum cache_kind kind, struct progress *progress,
			     struct cache_items *items)
{
	_cleanup_(free) char *folder = xasprintf("%s/%s", cache, kinds[kind].folder);
	_cleanup_(closedir) DIR *dir = opendir(folder);

	if (!dir)
		return errno == ENOENT ? NULL : err_os(errno, "open folder %s", folder);
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *path = xasprintf("%s/%s", folder, d->d_name);

		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		if (is_directory(path) || (kinds[kind].suffix && has_suffix(d->d_name, kinds[kind].suffix)))
			add_item(cache, kind, d->d_name, progress, items);
	}
	return NULL;
}

/* A kernel goes before the source that it was built from. */
static int compare_items(const void *a, const void *b)
{
	const struct cache_item *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct err *list_all(const char *cache, struct progress *progress, struct cache_items *items)
{
	struct vm_record **vms;
	size_t vms_n;

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		TRY(list_kind(cache, (enum cache_kind)kind, progress, items));
	TRY(rundir_list(&vms, &vms_n));
	for (size_t i = 0; i < items->n; i++) {
		if (items->v[i].kind == CACHE_BUILD)
			describe_build(&items->v[i], items);
		items->v[i].in_use = find_user(cache, &items->v[i], vms, vms_n);
	}
	rundir_free_list(vms, vms_n);
	if (items->n)
		qsort(items->v, items->n, sizeof(*items->v), compare_items);
	return NULL;
}

struct err *cache_list(const char *cache, struct cache_items *ret)
{
	_cleanup_(cache_items_deinit) struct cache_items items = { 0 };
	struct progress progress;
	struct err *e;

	progress_init(&progress);
	e = list_all(cache, &progress, &items);
	progress_clear(&progress);
	TRY(e);
	*ret = items;
	items = (struct cache_items){ 0 };
	return NULL;
}

/* --- Removing --- */

/* *ret is a folder of its own in trash/. */
static struct err *make_trash(const char *cache, char **ret)
{
	_cleanup_(free) char *trash = xasprintf("%s/trash", cache), *folder = xasprintf("%s/XXXXXX", trash);

	TRY(mkdir_parents(trash, 0700));
	if (!mkdtemp(folder))
		return err_os(errno, "create folder %s", folder);
	*ret = steal(&folder);
	return NULL;
}

static struct err *move_to_trash(const char *cache, const struct cache_item *item, char **ret_trash)
{
	_cleanup_(free) char *to = NULL;

	TRY(make_trash(cache, ret_trash));
	to = xasprintf("%s/%s", *ret_trash, item->name);
	if (rename(item->path, to) < 0)
		return err_os(errno, "rename %s to %s", item->path, to);
	return NULL;
}

/* With the locks held. */
static struct err *take_away(const char *cache, const struct cache_item *item, const struct locks *l, char **ret_trash)
{
	if (item->kind == CACHE_TRASH) {
		*ret_trash = xstrdup(item->path);
		return NULL;
	}
	TRY(move_to_trash(cache, item, ret_trash));
	if (l->make_beside) {
		unlink(l->use);
		unlink(l->make);
	}
	return NULL;
}

struct err *cache_remove(const char *cache, const struct cache_item *item, bool *ret_in_use)
{
	_cleanup_(locks_deinit) struct locks l = locks_of(cache, item);
	_cleanup_(close) int make_fd = -1, use_fd = -1;
	_cleanup_(free) char *trash = NULL;
	struct err *e;

	*ret_in_use = !try_lock(l.make, &make_fd) || !try_lock(l.use, &use_fd);
	if (*ret_in_use)
		return NULL;
	e = take_away(cache, item, &l, &trash);
	/* From here on it is gone for all others. */
	closep(&make_fd);
	closep(&use_fd);
	make_fd = use_fd = -1;
	if (!e)
		e = remove_tree(trash);
	else if (trash)
		rmdir(trash);
	return e;
}
