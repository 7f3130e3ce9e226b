/*
 * Theory of operation
 *
 * What a program said is kept with what its file was: the path that links lead to, size, inode, times. The time of the
 * last change of the inode is among them, which nobody can set back.
 *
 * That is no sign where one program answers for another, as ccache and scripts around a compiler do: the other one may
 * change alone. So only an answer is kept that the file has in it, word by word, and only that of an ELF program.
 */
#include "kbuild/version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/process.h"
#include "base/util.h"

enum { MEMO_MAX = 16384, PROGRAM_MAX = 16 << 20 };

/* Changes with the file. The caller frees it. */
static char *describe_file(const char *program)
{
	_cleanup_(free) char *path = realpath(program, NULL);
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return NULL;
	return xasprintf("%s %ju %ju %jd.%09ld %jd.%09ld\n", path, (uintmax_t)st.st_size, (uintmax_t)st.st_ino,
			 (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec,
			 st.st_ctim.tv_nsec);
}

static struct err *memo_path(const char *program, const char *cache, char **ret)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;
	struct digest d;

	TRY(hash_create(&h));
	hash_string(h, program);
	hash_final(h, &d);
	*ret = xasprintf("%s/toolchain/%.16s.version", cache, d.hex);
	return NULL;
}

/* NULL if nothing is known of this file. */
static char *recall(const char *memo, const char *file)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = read_file(memo, MEMO_MAX, &b);
	const char *version = e ? NULL : skip_prefix(buf_str(&b), file);
	size_t len = version ? strcspn(version, "\n") : 0;

	/* Written by halves it would have no end. */
	return len && streq(version + len, "\n") ? xstrndup(version, len) : NULL;
}

static void remember(const char *memo, const char *file, const char *version)
{
	_cleanup_(free) char *text = xasprintf("%s%s\n", file, version), *folder = xstrdup(memo);
	struct err *e;

	*strrchr(folder, '/') = '\0';
	e = mkdir_parents(folder, 0700);
	if (!e)
		e = write_file_atomic(memo, text, strlen(text), 0600);
	if (e)
		log_debug("%s", err_message(e));
	err_destroy(e);
}

/* Whether an ELF program has the words of its answer in it; not the first, its name, which is how it was called. */
static bool speaks_for_itself(const char *program, const char *version)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(err_destroy) struct err *e = read_file(program, PROGRAM_MAX, &b);
	const char *word = strchr(version, ' ');

	if (e || b.len < 4 || memcmp(b.data, "\177ELF", 4) != 0 || !word)
		return false;
	while (*(word += strspn(word, " "))) {
		size_t len = strcspn(word, " ");

		if (!memmem(b.data, b.len, word, len))
			return false;
		word += len;
	}
	return true;
}

static struct err *ask(const char *program, char **ret)
{
	const char *const argv[] = { program, "--version", NULL };
	static const char *const env[] = { "LC_ALL=C", NULL };
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct err *e = process_run(argv, NULL, env, &out);

	if (e) {
		_cleanup_(err_destroy) struct err *cause = e;

		return err_create(ERR_PREREQ, "find out the version of %s: %s", program, err_message(cause));
	}
	*ret = xstrndup(buf_str(&out), strcspn(buf_str(&out), "\n"));
	return NULL;
}

struct err *program_version(const char *program, const char *cache, char **ret)
{
	_cleanup_(free) char *file = cache ? describe_file(program) : NULL, *memo = NULL, *version = NULL;

	if (!file)
		return ask(program, ret);
	TRY(memo_path(program, cache, &memo));
	*ret = recall(memo, file);
	if (*ret)
		return NULL;
	TRY(ask(program, &version));
	if (speaks_for_itself(program, version))
		remember(memo, file, version);
	*ret = steal(&version);
	return NULL;
}
