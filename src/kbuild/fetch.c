/*
 * Theory of operation
 *
 * download/SHA256/NAME below the cache is a file whose digest was checked; nothing else ever has that name. NAME.part
 * is one that isn't complete. The lock in that folder is held while it grows, and while the file is read; a process that
 * is killed leaves the part, and the next one goes on there. If a part that was there before turns out to have been of another file, the download
 * begins once more from nothing before it is given up.
 */
#include "kbuild/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/download.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/util.h"
#include "kbuild/tarball.h"

enum { STALL_MS = 60000, CONNECT_MS = 30000, HOLD_TRIES = 10 };

struct err *fetch_name(const char *url, char **ret)
{
	const char *path = strstr(url, "://");
	_cleanup_(free) char *address = xstrdup(path ? path + 3 : url);
	const char *slash;

	address[strcspn(address, "?#")] = '\0';
	slash = strrchr(address, '/');
	if (!slash || !tarball_is_named(slash + 1) || *(slash + 1) == '.' || strlen(slash + 1) > NAME_MAX - 8 ||
	    strchr(slash, '\n'))
		return err_create(
			ERR_USAGE,
			"%s: the address of a kernel's source ends in the name of a tarball (.tar, .xz, .gz, .zst "
			"or .bz2)",
			url);
	*ret = xstrdup(slash + 1);
	return NULL;
}

static struct err *check_wanted(const char *url, const char *sha256)
{
	if (!sha256)
		return err_create(
			ERR_USAGE,
			"%s: what is downloaded is only used if its digest is known; give it with --sha256 HEX "
			"(kernel.sha256 in ktb.conf), as those who publish it say it",
			url);
	if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdefABCDEF") != 64)
		return err_create(ERR_USAGE, "'%s' is not a SHA-256: it has 64 hexadecimal digits", sha256);
	return NULL;
}

static void show_progress(uint64_t done, uint64_t total, void *data)
{
	if (total)
		progress_update(data, "downloading the source: %llu of %llu MB", (unsigned long long)(done / MIB),
				(unsigned long long)(total / MIB));
	else
		progress_update(data, "downloading the source: %llu MB", (unsigned long long)(done / MIB));
}

static struct err *fetch_part(const char *url, const char *part)
{
	struct progress progress;
	const struct download_params params = {
		.url = url,
		.path = part,
		.stall_ms = STALL_MS,
		.connect_ms = CONNECT_MS,
		.progress = show_progress,
		.data = &progress,
	};
	struct stat st;
	struct err *e;

	progress_init(&progress);
	e = download(&params);
	progress_clear(&progress);
	if (e && stat(part, &st) == 0 && st.st_size > 0)
		e = err_append(e, " (what came is kept: the next try goes on there)");
	return e;
}

/* The part is complete: is it what was asked for? If not, it is removed. */
static struct err *check_part(const char *url, const char *part, const char *sha256)
{
	struct digest digest;

	TRY(hash_file(part, NULL, NULL, &digest));
	if (strcasecmp(digest.hex, sha256) == 0)
		return NULL;
	unlink(part);
	return err_create(
		ERR_BAD_DATA,
		"%s is not the file that was asked for; it has been removed.\n  its SHA-256: %s\n  asked for:   "
		"%s",
		url, digest.hex, sha256);
}

static struct err *fetch(const char *url, const char *sha256, const char *part)
{
	struct stat st;
	bool resumed = stat(part, &st) == 0 && st.st_size > 0;
	struct err *e;

	if (resumed)
		log_info("downloading %s, from %llu MB on", url, (unsigned long long)st.st_size / MIB);
	else
		log_info("downloading %s", url);
	TRY(fetch_part(url, part));
	e = check_part(url, part, sha256);
	if (!e || !resumed || err_code(e) != ERR_BAD_DATA)
		return e;
	log_info("what an earlier try had left was of another file: downloading all of it again");
	err_destroy(e);
	TRY(fetch_part(url, part));
	return check_part(url, part, sha256);
}

static void say_waiting(void *data)
{
	(void)data;
	log_info("another ktb downloads or unpacks the same source; waiting for it");
}

struct err *fetch_path(const char *url, const char *sha256, const char *cache, char **ret)
{
	_cleanup_(free) char *name = NULL, *digest = NULL;

	TRY(fetch_name(url, &name));
	TRY(check_wanted(url, sha256));
	digest = xstrdup(sha256);
	for (char *p = digest; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*ret = xasprintf("%s/download/%s/%s", cache, digest, name);
	return NULL;
}

/* Who cleans the cache may take the folder away before we have the lock in it. */
static struct err *lock_folder(const char *path, int *ret)
{
	_cleanup_(free) char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	_cleanup_(free) char *lock = xasprintf("%s/lock", folder);
	struct err *e = NULL;

	for (int i = 0; i < HOLD_TRIES; i++) {
		err_destroy(e);
		TRY(mkdir_parents(folder, 0700));
		e = lock_file(lock, false, say_waiting, NULL, ret);
		if (!e || err_errno(e) != ENOENT)
			return e;
	}
	return e;
}

struct err *fetch_tarball(const char *url, const char *sha256, const char *path, int *ret_hold)
{
	_cleanup_(free) char *part = xasprintf("%s.part", path);
	_cleanup_(close) int lock = -1;

	TRY(lock_folder(path, &lock));
	if (!file_exists(path)) {
		TRY(fetch(url, sha256, part));
		if (rename(part, path) < 0)
			return err_os(errno, "rename %s to %s", part, path);
	}
	*ret_hold = steal_fd(&lock);
	return NULL;
}
