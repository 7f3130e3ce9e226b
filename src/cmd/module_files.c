#include "cmd/module_files.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/buildid.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "kernel/vmcoreinfo.h"

enum { DEPTH_MAX = 16, FILES_MAX = 1 << 16, ORDER_MAX = 16 << 20 };

struct module_files {
	struct strv paths; /* in the order in which they are preferred */
};

void module_file_deinit(struct module_file *f)
{
	free(f->path);
	free(f->build_id);
}

/* Distributions compress modules, and may keep their debug information apart. */
static const char *const suffixes[] = { ".ko", ".ko.debug", ".ko.xz", ".ko.zst", ".ko.gz" };

static bool is_module(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (has_suffix(path, suffixes[i]))
			return true;
	}
	return false;
}

/* The kernel takes - in a file's name for _. */
static bool is_named(const char *path, const char *module)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (; *module; name++, module++) {
		if (*name != *module && !(*name == '-' && *module == '_'))
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (streq(name, suffixes[i]))
			return true;
	}
	return false;
}

/* --- Where they can be --- */

static void search(struct module_files *files, const char *folder, unsigned int depth)
{
	_cleanup_(closedir) DIR *dir = depth > DEPTH_MAX ? NULL : opendir(folder);

	for (struct dirent *d; dir && files->paths.n < FILES_MAX && (d = readdir(dir));) {
		_cleanup_(free) char *path = *d->d_name == '.' ? NULL : xasprintf("%s/%s", folder, d->d_name);

		/* No links: there are some that lead to all of the source. */
		if (path && d->d_type == DT_DIR)
			search(files, path, depth + 1);
		else if (path && is_module(path))
			strv_take(&files->paths, steal(&path));
	}
}

/* What Kbuild has made: modules.order names them, as NAME.ko, since f65a486821cf as NAME.o. False: it is no such folder. */
static bool read_order(struct module_files *files, const char *out)
{
	_cleanup_(free) char *path = xasprintf("%s/modules.order", out), *copy = NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct err *e = read_file(path, ORDER_MAX, &text);
	char *rest, *line;

	err_ignore(e);
	if (e)
		return false;
	copy = xstrdup(buf_str(&text));
	for (rest = copy; (line = strsep(&rest, "\n")) && files->paths.n < FILES_MAX;) {
		char *dot = strrchr(line, '.');

		if (dot)
			strv_addf(&files->paths, "%s/%.*s.ko", out, (int)(dot - line), line);
	}
	return true;
}

static void search_build(struct module_files *files, const struct module_folders *where)
{
	_cleanup_(free) char *beside = where->vmlinux ? xstrdup(where->vmlinux) : NULL;
	char *slash = beside ? strrchr(beside, '/') : NULL;

	if (slash)
		*slash = '\0';
	if (where->vm && where->vm->build_dir && read_order(files, where->vm->build_dir))
		return;
	if (slash)
		read_order(files, beside);
}

/* What a core's kernel calls itself. NULL: it doesn't say. */
static char *release_of_core(const struct inspect *in)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	const char *release = NULL;
	size_t n;

	if (kernel_vmcoreinfo(in->kernel, &text))
		release = vmcoreinfo_find(buf_str(&text), text.len, "OSRELEASE", &n);
	return release ? xstrndup(release, n) : NULL;
}

/* Where packages put those of a release, and their debug information. */
static void search_system(struct module_files *files, const char *release)
{
	static const char *const folders[] = { "/usr/lib/debug/lib/modules", "/lib/modules" };

	if (!release || !*release || *release == '.' || strchr(release, '/'))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_(free) char *folder = xasprintf("%s/%s", folders[i], release);

		search(files, folder, 0);
	}
}

/* Those that ktb module built. */
static void search_cache(struct module_files *files)
{
	_cleanup_(free) char *cache = NULL, *folder = NULL;
	struct err *e = cache_dir(&cache);

	err_ignore(e);
	if (e)
		return;
	folder = xasprintf("%s/module", cache);
	search(files, folder, 0);
}

struct module_files *module_files_search(const struct module_folders *where)
{
	struct module_files *files = xcalloc(1, sizeof(*files));

	for (size_t i = 0; where->named && i < where->named->n; i++)
		search(files, where->named->v[i], 0);
	search_build(files, where);
	if (where->vm && where->vm->modules)
		search(files, where->vm->modules, 0);
	if (!where->vm || !where->vm->build_dir)
		search_system(files, where->release);
	search_cache(files);
	return files;
}

struct err *module_files_open(const struct config *cfg, const struct inspect *in, struct module_files **ret)
{
	_cleanup_(strv_deinit) struct strv named = STRV_INIT;
	_cleanup_(free) char *of_core = in->vm ? NULL : release_of_core(in);
	const char *folder = config_string(cfg, OPT_VM_MODULES);
	const struct strv *more = config_list(cfg, OPT_GDB_MODULES);

	if (folder && !is_directory(folder))
		return err_create(ERR_NOT_FOUND, "--modules: there is no folder %s", folder);
	if (folder)
		strv_add(&named, folder);
	for (size_t i = 0; i < more->n; i++) {
		/* It may come to be later: what is in a ktb.conf is for all commands. */
		if (!is_directory(more->v[i]))
			log_warn("gdb.modules (--gdb-modules): there is no folder %s", more->v[i]);
		strv_add(&named, more->v[i]);
	}
	*ret = module_files_search(&(struct module_folders){
		.vm = in->vm,
		.vmlinux = in->vmlinux,
		.release = in->vm ? in->vm->release : of_core,
		.named = &named,
	});
	return NULL;
}

void module_files_destroy(struct module_files *files)
{
	if (!files)
		return;
	strv_deinit(&files->paths);
	free(files);
}

/* --- Which one it is --- */

static enum module_file_state compare(const char *path, const struct module *m, char **ret_id)
{
	struct err *e = build_id_read(path, ret_id);

	if (e)
		log_debug("%s", err_message(e));
	err_ignore(e);
	if (e || !*m->build_id)
		return MODULE_FILE_UNKNOWN;
	return streq(*ret_id, m->build_id) ? MODULE_FILE_SAME : MODULE_FILE_OTHER;
}

void module_files_find(const struct module_files *files, const struct module *m, struct module_file *ret)
{
	*ret = (struct module_file){ .state = MODULE_FILE_NONE };
	for (size_t i = 0; i < files->paths.n && ret->state != MODULE_FILE_SAME; i++) {
		const char *path = files->paths.v[i];
		_cleanup_(free) char *id = NULL;
		enum module_file_state state;

		if (!is_named(path, m->name) || !file_exists(path))
			continue;
		state = compare(path, m, &id);
		/* Of those that aren't the right one, the first. */
		if (ret->path && state != MODULE_FILE_SAME)
			continue;
		module_file_deinit(ret);
		*ret = (struct module_file){ state, xstrdup(path), steal(&id) };
	}
}

static void add_module(const struct module_files *files, const struct module *m, struct symbolizer *s)
{
	_cleanup_(module_file_deinit) struct module_file file = { .state = MODULE_FILE_NONE };
	struct symbolizer_range ranges[MODULE_AREAS_MAX];

	module_files_find(files, m, &file);
	if (file.state == MODULE_FILE_OTHER)
		log_warn("module %s: %s is not the file that was loaded, so its functions have no names", m->name,
			 file.path);
	for (size_t i = 0; i < m->areas_n; i++)
		ranges[i] = (struct symbolizer_range){ m->areas[i].start, m->areas[i].size };
	symbolizer_add_module(s, &(struct symbolizer_module){
					 .name = m->name,
					 .ranges = ranges,
					 .ranges_n = m->areas_n,
					 .path = file.state == MODULE_FILE_OTHER ? NULL : file.path,
					 .sections = m->sections,
					 .sections_n = m->sections_n,
				 });
}

void module_files_add(const struct module_files *files, const struct module_list *list, struct symbolizer *s)
{
	for (size_t i = 0; i < list->n; i++)
		add_module(files, &list->modules[i], s);
}

struct err *module_files_read(const struct config *cfg, const struct inspect *in, struct module_list *ret_list,
			      struct module_files **ret_files)
{
	struct err *e = module_list_read(in->kernel, ret_list);

	/* A kernel without modules has none. */
	if (e && err_code(e) == ERR_UNSUPPORTED) {
		log_debug("%s", err_message(e));
	} else if (e) {
		log_warn("%s; code of modules has no names", err_message(e));
	} else if (!ret_list->complete) {
		log_warn("the list of modules ends early: it changed whenever it was read, or is damaged");
	}
	err_ignore(e);
	return module_files_open(cfg, in, ret_files);
}

void module_files_add_all(const struct config *cfg, const struct inspect *in, struct symbolizer *s,
			  struct module_list *ret_list)
{
	_cleanup_(module_list_deinit) struct module_list list = MODULE_LIST_INIT;
	_cleanup_(module_files_destroy) struct module_files *files = NULL;
	struct err *e = module_files_read(cfg, in, &list, &files);

	if (e)
		log_warn("%s; code of modules has no names", err_message(e));
	else
		module_files_add(files, &list, s);
	err_ignore(e);
	if (ret_list) {
		*ret_list = list;
		list = (struct module_list)MODULE_LIST_INIT;
	}
}
