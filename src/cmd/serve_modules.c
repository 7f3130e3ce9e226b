#include "cmd/serve_modules.h"

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
	s->files = module_files_search(&(struct module_folders){ s->vm, s->vm->vmlinux, s->named });
}

static bool is_good(const struct module_file *f)
{
	return f->state == MODULE_FILE_SAME || f->state == MODULE_FILE_UNKNOWN;
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
	*ret = steal(&file.path);
}
