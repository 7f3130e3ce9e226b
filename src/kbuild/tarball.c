#include "kbuild/tarball.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/process.h"
#include "base/progress.h"
#include "base/sock.h"
#include "base/util.h"
#include "kbuild/build_log.h"
#include "kbuild/tree.h"

/* How much of tar's messages is kept, and shown. */
enum { MESSAGES_MAX = 2000, POLL_MS = 200 };

struct compression {
	const char *suffix;
	const char *flag;    /* for tar */
	const char *program; /* that tar will run */
};

static const struct compression compressions[] = {
	{ ".xz", "--xz", "xz" },        { ".txz", "--xz", "xz" },       { ".gz", "--gzip", "gzip" },
	{ ".tgz", "--gzip", "gzip" },   { ".zst", "--zstd", "zstd" },   { ".tzst", "--zstd", "zstd" },
	{ ".bz2", "--bzip2", "bzip2" }, { ".tbz", "--bzip2", "bzip2" }, { ".tar", NULL, NULL },
};

static const struct compression *compression_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		if (has_suffix(path, compressions[i].suffix))
			return &compressions[i];
	}
	return NULL;
}

bool tarball_is_named(const char *path)
{
	return compression_of(path) != NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Where the digest of the file at path is remembered. */
static struct err *memo_path(const char *path, const char *cache, char **ret)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;
	struct digest d;

	TRY(hash_create(&h));
	hash_string(h, path);
	hash_final(h, &d);
	*ret = xasprintf("%s/source/%.16s.sha256", cache, d.hex);
	return NULL;
}

/* What makes us believe that a file is still the same one. The caller frees it. */
static char *describe_file(const struct stat *st)
{
	return xasprintf("%ju %ju %jd %09ld", (uintmax_t)st->st_size, (uintmax_t)st->st_ino,
			 (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

static bool recall(const char *memo, const char *file, struct digest *ret)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = read_file(memo, 4096, &b);
	const char *hex;
	size_t n;

	if (e || strlen(buf_str(&b)) != b.len)
		return false;
	hex = skip_prefix(buf_str(&b), file);
	if (!hex || *hex++ != ' ')
		return false;
	n = strspn(hex, "0123456789abcdef");
	if (n != 64 || !streq(hex + n, "\n"))
		return false;
	memcpy(ret->hex, hex, 64);
	ret->hex[64] = '\0';
	return true;
}

struct hash_progress {
	struct progress progress;
	const char *name;
	size_t size;
};

static int percent(uint64_t done, uint64_t size)
{
	return size ? (int)MIN(done * 100 / size, UINT64_C(100)) : 0;
}

static void show_hashing(size_t done, void *data)
{
	struct hash_progress *hp = data;

	progress_update(&hp->progress, "hashing %s  %d%%", hp->name, percent(done, hp->size));
}

struct err *tarball_hash(const char *path, const char *cache, struct digest *ret)
{
	_cleanup_(free) char *memo = NULL, *file = NULL, *folder = NULL, *line = NULL;
	struct hash_progress hp = { .name = base_name(path) };
	struct digest digest;
	struct stat st, after;
	struct err *e;

	if (stat(path, &st) < 0)
		return err_os(errno, "open %s", path);
	TRY(memo_path(path, cache, &memo));
	file = describe_file(&st);
	if (recall(memo, file, ret))
		return NULL;
	progress_init(&hp.progress);
	hp.size = (size_t)st.st_size;
	e = hash_file(path, show_hashing, &hp, &digest);
	progress_clear(&hp.progress);
	TRY(e);
	if (stat(path, &after) < 0 || after.st_size != st.st_size || after.st_mtim.tv_sec != st.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != st.st_mtim.tv_nsec)
		return err_create(ERR_BAD_DATA, "%s changed while it was read; try again when it is complete", path);
	folder = xasprintf("%s/source", cache);
	line = xasprintf("%s %s\n", file, digest.hex);
	TRY(mkdir_parents(folder, 0700));
	/* A file that is this new may change again within the same tick of the file system's clock. */
	if (time(NULL) - st.st_mtim.tv_sec > 2)
		TRY(write_file_atomic(memo, line, strlen(line), 0600));
	*ret = digest;
	return NULL;
}

/* The only entry of a folder, which must be a folder and a kernel. */
static struct err *find_tree(const char *folder, char **ret)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);
	_cleanup_(free) char *tree = NULL;

	if (!dir)
		return err_os(errno, "open folder %s", folder);
	for (struct dirent *d; (d = readdir(dir));) {
		if (streq(d->d_name, ".") || streq(d->d_name, ".."))
			continue;
		if (tree)
			return err_create(ERR_BAD_DATA,
					  "it has more than the one folder at its top that a kernel's "
					  "tarball has (%s and %s)",
					  base_name(tree), d->d_name);
		tree = xasprintf("%s/%s", folder, d->d_name);
	}
	if (!tree)
		return err_create(ERR_BAD_DATA, "it is empty");
	if (!is_directory(tree))
		return err_create(ERR_BAD_DATA, "all it has is the file %s: this is no kernel", base_name(tree));
	TRY(tree_check(tree));
	*ret = steal(&tree);
	return NULL;
}

static bool is_unpacked(const char *folder, char **ret)
{
	_cleanup_(err_destroy) struct err *e = find_tree(folder, ret);

	return !e;
}

static void keep_messages(struct buf *messages, int fd)
{
	char block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0) {
		size_t room = MESSAGES_MAX - MIN(messages->len, (size_t)MESSAGES_MAX);

		buf_append(messages, block, MIN((size_t)n, room));
	}
}

/*
 * tar reads the file by a descriptor whose position it shares with us: that is how far it is.
 */
static struct err *watch_tar(struct process *tar, int messages_fd, int file_fd, const char *path, struct buf *messages,
			     int *ret_status)
{
	struct pollfd pfds[] = { { .fd = tar->pidfd, .events = POLLIN }, { .fd = messages_fd, .events = POLLIN } };
	struct progress progress;
	struct stat st;

	if (fstat(file_fd, &st) < 0)
		return err_os(errno, "look at %s", path);
	progress_init(&progress);
	while (!(pfds[0].revents & POLLIN)) {
		if (poll(pfds, ARRAY_SIZE(pfds), POLL_MS) < 0 && errno != EINTR)
			return err_os(errno, "poll");
		if (pfds[1].revents & POLLIN)
			keep_messages(messages, messages_fd);
		else if (pfds[1].revents)
			pfds[1].fd = -1;
		progress_update(&progress, "unpacking %s  %d%%", base_name(path),
				percent((uint64_t)MAX(lseek(file_fd, 0, SEEK_CUR), (off_t)0), (uint64_t)st.st_size));
	}
	keep_messages(messages, messages_fd);
	progress_clear(&progress);
	return process_wait(tar, ret_status);
}

static struct err *explain_tar(const char *path, const char *folder, int status, const struct buf *messages)
{
	_cleanup_(free) char *how = process_describe_status(status);
	_cleanup_(free) char *first = build_log_first_error(buf_str(messages), messages->len);

	if (build_log_disk_full(buf_str(messages), messages->len))
		return err_os(ENOSPC, "unpack %s below %s", path, folder);
	return err_create(ERR_BAD_DATA,
			  "unpack %s: tar says (%s):\n%s\nThe file is damaged, incomplete or not a tarball", path, how,
			  first ? first : buf_str(messages));
}

/* tar's own protections stay on: no absolute names, nothing above the folder, no owners, no special modes. */
static struct err *run_tar(const char *path, const char *folder)
{
	const struct compression *c = compression_of(path);
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	_cleanup_(process_deinit) struct process tar = PROCESS_INIT;
	_cleanup_(buf_deinit) struct buf messages = BUF_INIT;
	_cleanup_(close) int file = open(path, O_RDONLY | O_CLOEXEC), ours = -1, theirs = -1;
	static const char *const env[] = { "LC_ALL=C", "TAR_OPTIONS", "XZ_OPT", "GZIP", "TAPE", NULL };
	struct process_options o = PROCESS_OPTIONS_INIT;
	int status;

	if (file < 0)
		return err_os(errno, "open %s", path);
	strv_add_all(&argv, (const char *const[]){ "tar", "--extract", "--no-same-owner", "--no-same-permissions",
						   "--file=-", "--directory", folder, NULL });
	if (c && c->flag)
		strv_add(&argv, c->flag);
	TRY(process_pipe(&ours, &theirs));
	set_nonblock(ours, true);
	o.argv = (const char *const *)argv.v;
	o.env = env;
	o.stdin_fd = file;
	o.stderr_fd = theirs;
	o.die_with_parent = true;
	TRY(process_spawn(&o, &tar));
	close(steal_fd(&theirs));
	TRY(watch_tar(&tar, ours, file, path, &messages, &status));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return explain_tar(path, folder, status, &messages);
	return NULL;
}

static struct err *check_programs(const char *path)
{
	const struct compression *c = compression_of(path);
	_cleanup_(free) char *tar = find_program("tar"), *program = NULL;

	if (!tar)
		return err_create(ERR_PREREQ, "tar, which unpacks %s, is not installed", path);
	if (!c || !c->program)
		return NULL;
	program = find_program(c->program);
	if (!program)
		return err_create(ERR_PREREQ, "%s, which unpacks %s, is not installed", c->program, path);
	return NULL;
}

static struct err *unpack_into(const char *path, const char *temporary, const char *final)
{
	_cleanup_(free) char *tree = NULL;
	struct err *e;

	TRY(remove_tree(temporary));
	TRY(mkdir_parents(temporary, 0700));
	e = run_tar(path, temporary);
	if (!e)
		e = err_wrap(find_tree(temporary, &tree), "unpack %s", path);
	if (!e)
		e = remove_tree(final);
	if (!e && rename(temporary, final) < 0)
		e = err_os(errno, "rename %s to %s", temporary, final);
	if (e)
		err_ignore(remove_tree(temporary));
	return e;
}

bool tarball_is_unpacked(const struct digest *sha256, const char *cache, char **ret)
{
	_cleanup_(free) char *folder = xasprintf("%s/source/%.16s", cache, sha256->hex);

	return is_unpacked(folder, ret);
}

static void say_waiting(void *data)
{
	log_info("another ktb is unpacking %s; waiting", (const char *)data);
}

struct err *tarball_unpack(const char *path, const struct digest *sha256, const char *cache, char **ret)
{
	_cleanup_(free) char *parent = xasprintf("%s/source", cache);
	_cleanup_(free) char *final = xasprintf("%s/%.16s", parent, sha256->hex);
	_cleanup_(free) char *temporary = xasprintf("%s.unpack", final), *lock = xasprintf("%s.lock", final);
	_cleanup_(close) int lock_fd = -1;

	if (is_unpacked(final, ret))
		return NULL;
	TRY(check_programs(path));
	TRY(mkdir_parents(parent, 0700));
	TRY(lock_file(lock, false, say_waiting, (void *)base_name(path), &lock_fd));
	/* Whoever held the lock may have done it. */
	if (is_unpacked(final, ret))
		return NULL;
	TRY(unpack_into(path, temporary, final));
	return find_tree(final, ret);
}
