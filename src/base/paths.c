#include "base/paths.h"

#include <errno.h>
#include <limits.h>

#include "base/fs.h"
#include "base/installed.h"
#include "base/util.h"

struct err *cache_dir(char **ret)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *real;

	if (xdg && *xdg == '/')
		*ret = xasprintf("%s/ktb", xdg);
	else if (home && *home == '/')
		*ret = xasprintf("%s/.cache/ktb", home);
	else
		return err_create(ERR_PREREQ, "no place for the cache: set XDG_CACHE_HOME or HOME to a folder");
	/* What is built names its own folder: reached by two names it would be built twice. */
	real = realpath(*ret, NULL);
	if (real) {
		free(*ret);
		*ret = real;
	}
	return NULL;
}

struct err *own_program(char **ret)
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return err_os(errno, "find this program's own file");
	path[n] = '\0';
	/* It was built anew while it runs. */
	if (has_suffix(path, deleted) && !file_exists(path))
		n -= (ssize_t)strlen(deleted);
	*ret = xstrndup(path, (size_t)n);
	return NULL;
}

/* The first of three places that exists: two relative to the program's folder, one absolute. */
static struct err *find_data(const char *built, const char *installed, const char *configured, const char *what,
			     char **ret)
{
	_cleanup_(free) char *program = NULL, *beside = NULL, *moved = NULL;
	char *slash;

	TRY(own_program(&program));
	slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	beside = xasprintf("%s/%s", program, built);
	moved = xasprintf("%s/%s", program, installed);

	const char *const places[] = { beside, moved, configured };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		*ret = realpath(places[i], NULL);
		if (*ret)
			return NULL;
	}
	return err_create(ERR_PREREQ, "%s: none of %s, %s and %s exists; install ktb again", what, beside, moved,
			  configured);
}

struct err *fragments_dir(char **ret)
{
	return find_data("share/kconfig", "../share/ktb/kconfig", KTB_DATA_DIR "/kconfig",
			 "find the built-in Kconfig fragments", ret);
}

struct err *guest_init_path(char **ret)
{
	return find_data("guest/guest-init", "../libexec/ktb/guest-init", KTB_LIBEXEC_DIR "/guest-init",
			 "find the guest's init", ret);
}
