#include "kbuild/source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/download.h"
#include "base/fs.h"
#include "base/util.h"
#include "kbuild/fetch.h"
#include "kbuild/tarball.h"
#include "kbuild/tree.h"

/* Where Debian's and Ubuntu's packages put it. */
#define PACKAGES_FOLDER "/usr/src"

void source_deinit(struct source *s)
{
	free(steal(&s->path));
	free(steal(&s->url));
	free(steal(&s->tree));
}

const char *source_kind_name(enum source_kind kind)
{
	return kind == SOURCE_TARBALL ? "tarball" : "tree";
}

/* The version in "linux-source-6.12.tar.xz", or NULL if it isn't such a name. The caller frees it. */
static char *package_version(const char *name)
{
	const char *version = skip_prefix(name, "linux-source-");
	const char *end = version ? strstr(version, ".tar.") : NULL;

	if (!end || end == version || *version < '0' || *version > '9' || !tarball_is_named(name))
		return NULL;
	return xstrndup(version, (size_t)(end - version));
}

struct err *source_newest_package(const char *folder, char **ret)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);
	_cleanup_(free) char *best = NULL, *best_version = NULL;

	while (dir) {
		struct dirent *d = readdir(dir);
		_cleanup_(free) char *version = d ? package_version(d->d_name) : NULL;

		if (!d)
			break;
		if (!version || (best && strverscmp(version, best_version) <= 0))
			continue;
		free(best);
		free(best_version);
		best = xasprintf("%s/%s", folder, d->d_name);
		best_version = steal(&version);
	}
	if (!best)
		return err_create(ERR_NOT_FOUND, "there is no linux-source-*.tar.* in %s", folder);
	*ret = steal(&best);
	return NULL;
}

static struct err *default_source(char **ret)
{
	struct err *e = source_newest_package(PACKAGES_FOLDER, ret);

	if (!e)
		return NULL;
	err_destroy(e);
	return err_create(ERR_PREREQ,
			  "no kernel source: none was given, and no linux-source package is installed in %s.\n"
			  "Install one (`apt-get install linux-source`), or name a kernel tree or a tarball "
			  "(--source PATH)",
			  PACKAGES_FOLDER);
}

static struct err *check_sha256(const struct source *s, const char *wanted)
{
	if (strlen(wanted) != 64 || strspn(wanted, "0123456789abcdefABCDEF") != 64)
		return err_create(ERR_USAGE, "'%s' is not a SHA-256: it has 64 hexadecimal digits", wanted);
	if (s->kind != SOURCE_TARBALL)
		return err_create(ERR_USAGE, "%s is a folder: only a tarball has a SHA-256 to check", s->path);
	if (strcasecmp(wanted, s->sha256.hex) != 0)
		return err_create(ERR_BAD_DATA,
				  "%s is not the file that was asked for.\n  its SHA-256: %s\n  asked for:   %s",
				  s->path, s->sha256.hex, wanted);
	return NULL;
}

static struct err *identify(const char *cache, struct source *s)
{
	if (is_directory(s->path)) {
		s->kind = SOURCE_TREE;
		TRY(tree_check(s->path));
		s->tree = xstrdup(s->path);
		return NULL;
	}
	if (!tarball_is_named(s->path))
		return err_create(ERR_USAGE,
				  "%s is neither a folder nor a file that ends in .tar, .xz, .gz, .zst or .bz2",
				  s->path);
	s->kind = SOURCE_TARBALL;
	return tarball_hash(s->path, cache, &s->sha256);
}

/* The digest says which it is, whether it is there or not. */
static struct err *identify_address(const char *url, const char *sha256, const char *cache, struct source *s)
{
	TRY(fetch_path(url, sha256, cache, &s->path));
	s->kind = SOURCE_TARBALL;
	s->url = xstrdup(url);
	for (size_t i = 0; i < sizeof(s->sha256.hex); i++)
		s->sha256.hex[i] = (char)tolower((unsigned char)sha256[i]);
	return NULL;
}

static struct err *identify_file(const char *path, const char *sha256, const char *cache, struct source *s)
{
	s->path = realpath(path, NULL);
	if (!s->path)
		return err_os(errno, "open the kernel source %s", path);
	TRY(identify(cache, s));
	return sha256 ? check_sha256(s, sha256) : NULL;
}

struct err *source_find(const char *path, const char *sha256, const char *cache, struct source *ret)
{
	_cleanup_(source_deinit) struct source s = SOURCE_INIT;
	_cleanup_(free) char *found = NULL;

	if (!path)
		TRY(default_source(&found));
	if (path && is_url(path))
		TRY(identify_address(path, sha256, cache, &s));
	else
		TRY(identify_file(path ? path : found, sha256, cache, &s));
	*ret = s;
	s = (struct source)SOURCE_INIT;
	return NULL;
}

bool source_is_missing(const struct source *s, const char *cache)
{
	_cleanup_(free) char *tree = NULL;

	return s->url && !file_exists(s->path) && !tarball_is_unpacked(&s->sha256, cache, &tree);
}

struct err *source_prepare(struct source *s, const char *cache)
{
	_cleanup_(close) int hold = -1;

	if (s->kind == SOURCE_TREE)
		return tree_check_clean(s->tree);
	if (s->tree)
		return NULL;
	if (tarball_is_unpacked(&s->sha256, cache, &s->tree))
		return NULL;
	if (s->url)
		TRY(fetch_tarball(s->url, s->sha256.hex, s->path, &hold));
	return tarball_unpack(s->path, &s->sha256, cache, &s->tree);
}

struct err *source_state(const struct source *s, struct digest *ret)
{
	if (s->kind == SOURCE_TREE)
		return tree_state(s->tree, ret);
	*ret = s->sha256;
	return NULL;
}
