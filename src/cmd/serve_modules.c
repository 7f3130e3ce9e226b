#include "cmd/serve_modules.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "debuginfo/alloc_sections.h"

/* Larger ones than that are none. */
enum { FILE_MAX = 1 << 30 };

struct serve_modules {
	const struct vm_record *vm;
	const struct strv *named;
	struct module_files *files; /* NULL: not looked yet */
};

struct serve_modules *serve_modules_create(const struct vm_record *vm, const struct strv *named)
{
	struct serve_modules *s = xcalloc(1, sizeof(*s));

	s->vm = vm;
	s->named = named;
	return s;
}

void serve_modules_destroy(struct serve_modules *s)
{
	if (!s)
		return;
	module_files_destroy(s->files);
	free(s);
}

static void look(struct serve_modules *s)
{
	module_files_destroy(s->files);
	s->files = module_files_search(&(struct module_folders){
		.vm = s->vm,
		.vmlinux = s->vm->vmlinux,
		.release = s->vm->release,
		.named = s->named,
	});
}

static bool is_good(const struct module_file *f)
{
	return f->state == MODULE_FILE_SAME || f->state == MODULE_FILE_UNKNOWN;
}

/* A copy of the file without what GDB misunderstands (alloc_sections_clear_addresses()), in the cache. NULL: it needs none. */
static struct err *make_copy(const struct module_file *file, char **ret)
{
	_cleanup_(buf_deinit) struct buf content = BUF_INIT;
	_cleanup_(free) char *cache = NULL, *path = NULL, *folder = NULL;
	const char *name = strrchr(file->path, '/');

	*ret = NULL;
	TRY(read_file(file->path, FILE_MAX, &content));
	if (!file->build_id || !alloc_sections_clear_addresses(content.data, content.len))
		return NULL;
	TRY(cache_dir(&cache));
	folder = xasprintf("%s/gdb-module/%s", cache, file->build_id);
	path = xasprintf("%s/%s", folder, name ? name + 1 : file->path);
	if (!file_exists(path)) {
		TRY(mkdir_parents(folder, 0700));
		TRY(write_file_atomic(path, content.data, content.len, 0600));
	}
	*ret = steal(&path);
	return NULL;
}

/* The file, or what debuggers are to read in its place. */
static char *for_debuggers(struct module_file *file)
{
	char *copy = NULL;
	struct err *e = make_copy(file, &copy);

	if (e)
		log_warn("GDB may have wrong lines for %s: %s", file->path, err_message(e));
	err_ignore(e);
	return copy ? copy : steal(&file->path);
}

void serve_modules_find(struct serve_modules *s, const struct module *m, char **ret, bool *ret_stale)
{
	_cleanup_(module_file_deinit) struct module_file file = { .state = MODULE_FILE_NONE };

	if (s->files)
		module_files_find(s->files, m, &file);
	if (!is_good(&file)) {
		module_file_deinit(&file);
		look(s);
		module_files_find(s->files, m, &file);
	}
	*ret_stale = file.state == MODULE_FILE_OTHER;
	*ret = is_good(&file) ? for_debuggers(&file) : steal(&file.path);
}
