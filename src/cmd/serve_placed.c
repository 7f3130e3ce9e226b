#include "cmd/serve_placed.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/util.h"
#include "debuginfo/alloc_sections.h"

/* Larger ones than that are none. */
enum { FILE_MAX = 1 << 30 };

struct serve_placed {
	char *folder; /* NULL: none yet */
	int lock_fd;  /* held as long as the folder is of use */
	unsigned int n;
};

struct serve_placed *serve_placed_create(void)
{
	struct serve_placed *p = xcalloc(1, sizeof(*p));

	p->lock_fd = -1;
	return p;
}

void serve_placed_destroy(struct serve_placed *p)
{
	if (!p)
		return;
	if (p->folder)
		err_ignore(remove_tree(p->folder));
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	free(p->folder);
	free(p);
}

/* What nobody has locked. */
static void sweep(const char *parent)
{
	_cleanup_(closedir) DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(free) char *folder = xasprintf("%s/%s", parent, entry->d_name);
		_cleanup_(free) char *lock = xasprintf("%s/lock", folder);
		_cleanup_(close) int fd = -1;
		struct err *e;

		if (entry->d_name[0] == '.')
			continue;
		e = lock_file(lock, true, NULL, NULL, &fd);
		if (!e)
			e = remove_tree(folder);
		err_ignore(e);
	}
}

static struct err *make_folder(struct serve_placed *p)
{
	_cleanup_(free) char *cache = NULL, *parent = NULL, *folder = NULL, *lock = NULL;

	TRY(cache_dir(&cache));
	parent = xasprintf("%s/lldb-module", cache);
	sweep(parent);
	folder = xasprintf("%s/%d", parent, (int)getpid());
	lock = xasprintf("%s/lock", folder);
	TRY(mkdir_parents(folder, 0700));
	TRY(lock_file(lock, true, NULL, NULL, &p->lock_fd));
	p->folder = steal(&folder);
	return NULL;
}

struct err *serve_placed_copy(struct serve_placed *p, const char *path, const uint64_t *addresses, size_t n, char **ret,
			      uint64_t *ret_base)
{
	_cleanup_(buf_deinit) struct buf content = BUF_INIT;
	_cleanup_(free) char *folder = NULL, *copy = NULL;
	const char *name = strrchr(path, '/');

	TRY(read_file(path, FILE_MAX, &content));
	if (!alloc_sections_place(&content, addresses, n, ret_base))
		return err_create(
			ERR_BAD_DATA,
			"%s can't be changed so that LLDB finds its sections; it is no relocatable file, or not "
			"the one that was loaded: build it again",
			path);
	if (!p->folder)
		TRY(make_folder(p));
	folder = xasprintf("%s/%u", p->folder, ++p->n);
	copy = xasprintf("%s/%s", folder, name ? name + 1 : path);
	TRY(mkdir_parents(folder, 0700));
	TRY(write_file_new(copy, content.data, content.len, 0600));
	*ret = steal(&copy);
	return NULL;
}
