#include "initramfs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "initramfs/cpio.h"

enum { DEPTH_MAX = 64, MEMBERS_MAX = 1000000, PERMISSIONS = 07777, IMPLIED_MODE = 0755 };

static void deinit_member(struct tree_member *m)
{
	free(m->name);
	free(m->source);
	free(m->text);
}

void tree_deinit(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		deinit_member(&t->members[i]);
	free(t->members);
	*t = (struct tree)TREE_INIT;
}

static struct tree_member *add(struct tree *t, enum tree_layer layer, const char *name, mode_t mode)
{
	struct tree_member *m;

	if (t->n == t->cap) {
		t->cap = MAX(64, 2 * t->cap);
		t->members = xreallocarray(t->members, t->cap, sizeof(*t->members));
	}
	m = &t->members[t->n];
	*m = (struct tree_member){ .name = xstrdup(name), .mode = mode, .layer = layer, .order = t->n };
	t->n++;
	return m;
}

static void add_parents(struct tree *t, const char *name)
{
	for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
		_cleanup_(free) char *parent = xstrndup(name, (size_t)(slash - name));

		add(t, TREE_IMPLIED, parent, S_IFDIR | IMPLIED_MODE);
	}
}

void tree_add_folder(struct tree *t, enum tree_layer layer, const char *name, mode_t mode)
{
	add_parents(t, name);
	add(t, layer, name, S_IFDIR | mode);
}

void tree_add_text(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, const char *text)
{
	add_parents(t, name);
	add(t, layer, name, S_IFREG | mode)->text = xstrdup(text);
}

void tree_add_symlink(struct tree *t, enum tree_layer layer, const char *name, const char *target)
{
	add_parents(t, name);
	add(t, layer, name, S_IFLNK | 0777)->text = xstrdup(target);
}

void tree_add_device(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, dev_t device)
{
	add_parents(t, name);
	add(t, layer, name, mode)->device = device;
}

static struct err *stat_source(const char *source, struct stat *ret)
{
	if (stat(source, ret) == 0)
		return NULL;
	if (errno == ENOENT || errno == ENOTDIR)
		return err_create(ERR_NOT_FOUND, "there is no %s", source);
	return err_os(errno, "look at %s", source);
}

struct err *tree_add_file(struct tree *t, enum tree_layer layer, const char *name, mode_t mode, const char *source)
{
	struct tree_member *m;
	struct stat st;

	TRY(stat_source(source, &st));
	if (!S_ISREG(st.st_mode))
		return err_create(ERR_BAD_DATA, "%s is not a file", source);
	add_parents(t, name);
	m = add(t, layer, name, S_IFREG | mode);
	m->source = xstrdup(source);
	m->host = st;
	return NULL;
}

struct walk {
	struct tree *tree;
	enum tree_layer layer;
	tree_filter filter;
};

static struct err *walk_entry(struct walk *w, const char *name, int parent, const char *base, const char *path,
			      int depth);

/* parent is the folder that path lies in, base its name there. */
static struct err *walk_symlink(struct tree_member *m, int parent, const char *base, const char *path)
{
	char target[CPIO_NAME_MAX];
	ssize_t n = readlinkat(parent, base, target, sizeof(target) - 1);

	if (n < 0)
		return err_os(errno, "read the symbolic link %s", path);
	m->text = xstrndup(target, (size_t)n);
	return NULL;
}

static struct err *walk_folder(struct walk *w, const char *name, int parent, const char *base, const char *path,
			       int depth)
{
	_cleanup_(closedir) DIR *dir = NULL;

	if (depth >= DEPTH_MAX)
		return err_create(ERR_USAGE, "%s is more than %d folders deep", path, DEPTH_MAX);
	dir = open_folder_at(parent, base, 0);
	if (!dir)
		return err_os(errno, "read folder %s", path);
	for (;;) {
		struct dirent *d;

		errno = 0;
		d = readdir(dir);
		if (!d)
			return errno ? err_os(errno, "read folder %s", path) : NULL;
		if (!streq(d->d_name, ".") && !streq(d->d_name, ".."))
			TRY(walk_entry(w, name, dirfd(dir), d->d_name, path, depth));
	}
}

/* Adds what st says is at path. */
static struct err *walk_one(struct walk *w, const char *name, const struct stat *st, int parent, const char *base,
			    const char *path, int depth)
{
	struct tree_member *m;

	if (S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode)) {
		log_warn("%s is left out of the guest's image: it is a %s", path,
			 S_ISSOCK(st->st_mode) ? "socket" : "pipe");
		return NULL;
	}
	if (w->tree->n >= MEMBERS_MAX)
		return err_create(ERR_USAGE, "the guest's image would have more than %d files", MEMBERS_MAX);
	m = *name ? add(w->tree, w->layer, name, st->st_mode & (S_IFMT | PERMISSIONS)) : NULL;
	if (m)
		m->host = *st;
	if (S_ISDIR(st->st_mode))
		return walk_folder(w, name, parent, base, path, depth);
	if (!m)
		return err_create(ERR_USAGE, "%s is not a folder, but is to become the guest's root", path);
	if (S_ISLNK(st->st_mode))
		return walk_symlink(m, parent, base, path);
	if (S_ISREG(st->st_mode))
		m->source = xstrdup(path);
	else
		m->device = st->st_rdev;
	return NULL;
}

static struct err *walk_entry(struct walk *w, const char *name, int parent, const char *base, const char *path,
			      int depth)
{
	_cleanup_(free) char *member_path = xasprintf("%s/%s", path, base);
	_cleanup_(free) char *member_name = *name ? xasprintf("%s/%s", name, base) : xstrdup(base);
	struct stat st;

	if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* Removed since the folder was read. */
		if (errno == ENOENT)
			return NULL;
		return err_os(errno, "look at %s", member_path);
	}
	if (w->filter && w->filter(base, &st, depth))
		return NULL;
	return walk_one(w, member_name, &st, parent, base, member_path, depth + 1);
}

struct err *tree_add_host(struct tree *t, enum tree_layer layer, const char *name, const char *source,
			  tree_filter filter)
{
	struct walk w = { t, layer, filter };
	struct stat st;

	TRY(stat_source(source, &st));
	add_parents(t, name);
	return walk_one(&w, name, &st, AT_FDCWD, source, source, 0);
}

static int compare(const void *a, const void *b)
{
	const struct tree_member *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	if (by_name)
		return by_name;
	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* By name, which puts a folder before what is in it: its name is the beginning of theirs. */
static void sort(struct tree *t)
{
	if (t->n)
		qsort(t->members, t->n, sizeof(*t->members), compare);
}

static uint64_t nanoseconds(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

void tree_hash(struct tree *t, struct hash *h, uint64_t *ret_newest_ns)
{
	uint64_t newest = 0;

	sort(t);
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_member *m = &t->members[i];
		uint64_t numbers[] = { m->layer, m->mode, m->device, 0, 0, 0, 0 };

		/* Time and size of a folder say nothing that its members don't. */
		if (!S_ISDIR(m->mode)) {
			numbers[3] = (uint64_t)m->host.st_size;
			numbers[4] = nanoseconds(&m->host.st_mtim);
			/* Also for a change after which the old mtime was put back, as `cp -p` does. */
			numbers[5] = nanoseconds(&m->host.st_ctim);
			numbers[6] = m->host.st_ino;
			newest = MAX(newest, numbers[5]);
		}
		hash_string(h, m->name);
		hash_string(h, m->source);
		hash_string(h, m->text);
		hash_update(h, numbers, sizeof(numbers));
	}
	*ret_newest_ns = newest;
}

static struct err *conflict(const struct tree_member *m, const char *what)
{
	return err_create(ERR_USAGE, "/%s %s%s%s", m->name, what, m->source ? ": by " : "", m->source ? m->source : "");
}

/*
 * Which of the members from `first` to `end` - 1, all of one name, is in the image: the last; of folders the first that
 * isn't just implied, since one that is laid over another adds to it and changes nothing else.
 */
static struct err *choose(const struct tree *t, size_t first, size_t end, size_t *ret)
{
	const struct tree_member *members = t->members;
	size_t chosen = end;

	for (size_t i = first; i < end; i++) {
		if (S_ISDIR(members[i].mode) != S_ISDIR(members[first].mode))
			return conflict(&members[i], "would be both a folder and something else in the guest");
		if (members[end - 1].layer == TREE_FIXED && i < end - 1)
			return conflict(&members[i], "of the guest, which ktb needs, would be replaced");
		if (chosen == end && S_ISDIR(members[i].mode) && members[i].layer != TREE_IMPLIED)
			chosen = i;
	}
	*ret = chosen < end ? chosen : end - 1;
	return NULL;
}

struct err *tree_finish(struct tree *t)
{
	size_t kept = 0, end, chosen;

	sort(t);
	for (size_t first = 0; first < t->n; first = end) {
		for (end = first + 1; end < t->n && streq(t->members[end].name, t->members[first].name);)
			end++;
		TRY(choose(t, first, end, &chosen));
		/* Swaps, so that each member stays in the list once, and is freed once. */
		if (chosen != kept) {
			struct tree_member m = t->members[kept];

			t->members[kept] = t->members[chosen];
			t->members[chosen] = m;
		}
		kept++;
	}
	while (t->n > kept)
		deinit_member(&t->members[--t->n]);
	return NULL;
}
