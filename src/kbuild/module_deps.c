#include "kbuild/module_deps.h"

#include <string.h>

bool module_is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++) {
		char c = base[i] == '-' ? '_' : base[i];

		if (c != name[i])
			return false;
	}
	return strncmp(base + n, ".ko", 3) == 0 && (!base[n + 3] || base[n + 3] == '.');
}

/* A path that leads out of the folder is nobody's module. */
static bool is_safe(const char *path)
{
	return *path && *path != '/' && !strstr(path, "..");
}

static void add_path(struct strv *paths, const char *path)
{
	if (is_safe(path) && !strv_contains(paths, path))
		strv_add(paths, path);
}

/* A line of modules.dep, without its newline. */
static void add_line(const char *path, const char *needs, struct strv *paths)
{
	_cleanup_(free) char *copy = xstrdup(needs);
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	char *rest = copy, *word;

	while ((word = strsep(&rest, " \t"))) {
		if (*word)
			strv_add(&words, word);
	}
	for (size_t i = words.n; i > 0; i--)
		add_path(paths, words.v[i - 1]);
	add_path(paths, path);
}

bool module_deps_add(const char *modules_dep, const char *name, struct strv *paths)
{
	const char *line = modules_dep;

	while (*line) {
		size_t n = strcspn(line, "\n");
		const char *colon = memchr(line, ':', n);

		if (colon) {
			_cleanup_(free) char *path = xstrndup(line, (size_t)(colon - line));

			if (module_is_named(path, name)) {
				_cleanup_(free) char *needs = xstrndup(colon + 1, n - (size_t)(colon + 1 - line));

				add_line(path, needs, paths);
				return true;
			}
		}
		line += n + (line[n] == '\n');
	}
	return false;
}
