#include "kbuild/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/util.h"

/* Folders below folders; a kernel has about ten. */
enum { DEPTH_MAX = 64 };

static bool has(const char *tree, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", tree, name);

	return file_exists(path);
}

struct err *tree_check(const char *path)
{
	static const char *const files[] = { "Makefile", "Kconfig", "scripts", "arch/x86" };

	if (!is_directory(path))
		return err_create(ERR_USAGE, "%s is neither a kernel tree nor a tarball", path);
	if (access(path, R_OK | X_OK) < 0)
		return err_os(errno, "read the kernel tree %s", path);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(free) char *file = xasprintf("%s/%s", path, files[i]);

		if (!file_exists(file))
			return err_create(ERR_USAGE, "%s is not a kernel tree: it has no %s", path, files[i]);
		if (access(file, R_OK) < 0)
			return err_os(errno, "read %s", file);
	}
	return NULL;
}

/* make takes neither in the name of a folder; the kernel's Makefile says so for the source. */
struct err *tree_check_name(const char *path)
{
	if (strpbrk(path, " :\t\n"))
		return err_create(ERR_USAGE, "%s: make can't build in folders with spaces or colons in their names",
				  path);
	return NULL;
}

/* The same question as in the rule "outputmakefile" of the kernel's Makefile. */
struct err *tree_check_clean(const char *path)
{
	static const char *const traces[] = { ".config", "include/config", "arch/x86/include/generated" };

	for (size_t i = 0; i < ARRAY_SIZE(traces); i++) {
		if (has(path, traces[i]))
			return err_create(
				ERR_USAGE,
				"a kernel was built or configured inside %s (there is %s), and Kbuild refuses "
				"to build such a tree elsewhere.\n"
				"Clean it with `make -C %s mrproper` (which removes its .config), or give a "
				"clean copy: `git worktree add PATH`",
				path, traces[i], path);
	}
	return NULL;
}

static const char *skip_fields(const char *s, const char *end, int n)
{
	while (n--) {
		s = memchr(s, ' ', (size_t)(end - s));
		if (!s)
			return NULL;
		s++;
	}
	return s;
}

const char *git_status_next(const char *data, size_t len, size_t *offset)
{
	while (*offset < len) {
		const char *entry = data + *offset;
		const char *end = entry + strnlen(entry, len - *offset);
		const char *path = NULL;

		*offset = (size_t)(end - data) + 1;
		switch (*entry) {
		case '1':
			path = skip_fields(entry, end, 8);
			break;
		case '2':
			path = skip_fields(entry, end, 9);
			/* The path before the renaming follows as a string of its own. */
			if (*offset < len)
				*offset += strnlen(data + *offset, len - *offset) + 1;
			break;
		case 'u':
			path = skip_fields(entry, end, 10);
			break;
		case '?':
			path = skip_fields(entry, end, 1);
			break;
		default:
			break;
		}
		if (path && path < end)
			return path;
	}
	return NULL;
}

static void hash_stat(struct hash *h, const struct stat *st)
{
	uint64_t numbers[] = {
		(uint64_t)st->st_mode,        (uint64_t)st->st_size,         (uint64_t)st->st_ino,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
	};

	hash_update(h, numbers, sizeof(numbers));
}

/* Asks git, which must not take locks, refresh its index, run a monitor, or hear of a repository it is run from. */
static struct err *git_status(const char *tree, struct buf *ret)
{
	const char *const argv[] = { "git",
				     "-C",
				     tree,
				     "-c",
				     "core.fsmonitor=false",
				     "status",
				     "--porcelain=v2",
				     "--branch",
				     "--untracked-files=all",
				     "--no-renames",
				     "-z",
				     NULL };
	static const char *const env[] = { "GIT_OPTIONAL_LOCKS=0",
					   "LC_ALL=C",
					   "GIT_DIR",
					   "GIT_WORK_TREE",
					   "GIT_INDEX_FILE",
					   "GIT_COMMON_DIR",
					   "GIT_NAMESPACE",
					   "GIT_OBJECT_DIRECTORY",
					   NULL };

	return process_run(argv, NULL, env, ret);
}

static struct err *git_state(const char *tree, struct digest *ret)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	_cleanup_(hash_destroy) struct hash *h = NULL;
	_cleanup_(close) int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *path;
	size_t offset = 0;

	if (fd < 0)
		return err_os(errno, "open %s", tree);
	TRY(git_status(tree, &out));
	/* Without a commit nothing may be tracked and all be ignored, as Debian's sources say of themselves. */
	if (skip_prefix(buf_str(&out), "# branch.oid (initial)"))
		return err_create(ERR_UNSUPPORTED, "%s has no commit", tree);
	TRY(hash_create(&h));
	hash_string(h, "git");
	hash_update(h, out.data, out.len);
	while ((path = git_status_next(out.data, out.len, &offset))) {
		struct stat st;

		if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			hash_stat(h, &st);
		else
			hash_string(h, "gone");
	}
	hash_final(h, ret);
	return NULL;
}

static struct err *hash_folder(struct hash *h, int parent, const char *name, int depth);

static struct err *hash_entry(struct hash *h, int parent, const char *name, int depth)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_os(errno, "look at %s", name);
	hash_string(h, name);
	if (S_ISDIR(st.st_mode))
		return err_wrap(hash_folder(h, parent, name, depth + 1), "%s", name);
	hash_stat(h, &st);
	return NULL;
}

/* In the order of the names: the one in which a folder gives them may change without any change of the files. */
static struct err *hash_folder(struct hash *h, int parent, const char *name, int depth)
{
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;
	_cleanup_(closedir) DIR *dir = NULL;

	if (depth > DEPTH_MAX)
		return err_create(ERR_BAD_DATA, "folders are nested more than %d deep", DEPTH_MAX);
	dir = open_folder_at(parent, name, O_NOFOLLOW);
	if (!dir)
		return err_os(errno, "read folder %s", name);
	for (struct dirent *d; (d = readdir(dir));) {
		if (streq(d->d_name, ".") || streq(d->d_name, "..") || (depth == 0 && streq(d->d_name, ".git")))
			continue;
		strv_add(&names, d->d_name);
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		TRY(hash_entry(h, dirfd(dir), names.v[i], depth));
	hash_string(h, "..");
	return NULL;
}

static struct err *plain_state(const char *tree, struct digest *ret)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;

	TRY(hash_create(&h));
	hash_string(h, "plain");
	TRY(err_wrap(hash_folder(h, AT_FDCWD, tree, 0), "read the kernel tree %s", tree));
	hash_final(h, ret);
	return NULL;
}

struct err *tree_state(const char *path, struct digest *ret)
{
	if (has(path, ".git")) {
		_cleanup_(err_destroy) struct err *e = git_state(path, ret);

		if (!e)
			return NULL;
		/* No git here, or it doesn't trust the tree's owner: looking at every file does as well. */
		log_debug("%s; looking at all files of the tree instead", err_message(e));
	}
	return plain_state(path, ret);
}
