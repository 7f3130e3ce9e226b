#include "debuginfo/source_paths.h"

#include <dwarf.h>

#include "base/util.h"
#include "debuginfo/dwarf_file.h"

/* It is among the first that are linked; if it isn't among so many, this is no kernel. */
enum { UNITS_MAX = 100 };

static const char landmark[] = "/init/main.c";

char *source_path_normalize(const char *path)
{
	char *out = xmalloc(strlen(path) + 2);
	size_t n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && strncmp(path, "..", 2) == 0) {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len && !(len == 1 && *path == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len;
		path += *path == '/';
	}
	if (!n)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

/*
 * The source tree if this unit is the landmark, else NULL. build: the folder that the compiler ran in, as far as it is
 * known.
 */
static char *tree_of_unit(const char *name, const char *build)
{
	_cleanup_(free) char *full = NULL;

	if (*name != '/' && (!build || *build != '/'))
		return NULL;
	full = *name == '/' ? xstrdup(name) : xasprintf("%s/%s", build, name);
	if (!has_suffix(full, landmark))
		return NULL;
	full[strlen(full) - strlen(landmark)] = '\0';
	return source_path_normalize(full);
}

/* *ret_build, as the compiler was given it, belongs to dwarf; NULL: not said. */
static char *find_tree(Dwarf *dwarf, const char **ret_build)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;

	for (int i = 0; i < UNITS_MAX && dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0; i++) {
		Dwarf_Attribute attribute;
		const char *name = dwarf_diename(&die);
		const char *build = dwarf_formstring(dwarf_attr(&die, DW_AT_comp_dir, &attribute));
		char *source = name ? tree_of_unit(name, build) : NULL;

		if (!source)
			continue;
		*ret_build = build;
		return source;
	}
	return NULL;
}

struct err *source_paths_read(const char *path, char **ret_build, char **ret_source)
{
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	_cleanup_(free) char *source = NULL;
	const char *build;

	TRY(dwarf_file_open(&file, path));
	source = find_tree(file.dwarf, &build);
	if (!source || !build || *build != '/')
		return err_create(ERR_NOT_FOUND, "%s doesn't say where its sources were", path);
	*ret_build = source_path_normalize(build);
	*ret_source = steal(&source);
	return NULL;
}

char *source_tree_find(const struct dwarf_file *f)
{
	const char *build;

	return find_tree(f->dwarf, &build);
}
