#include "cmd/serve_modules.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/elf_file.h"
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

/* All that is in it, unpacked if it is compressed. */
static struct err *read_whole(const char *path, struct buf *ret, bool *ret_packed)
{
	_cleanup_(close) int fd = -1;
	_cleanup_(elf_end) Elf *elf = NULL;
	char magic[SELFMAG] = "";
	const char *raw;
	size_t size;

	TRY(elf_file_open(path, &fd, &elf));
	*ret_packed = pread(fd, magic, sizeof(magic), 0) != sizeof(magic) || memcmp(magic, ELFMAG, SELFMAG) != 0;
	raw = elf_rawfile(elf, &size);
	if (!raw || size > FILE_MAX)
		return err_create(ERR_BAD_DATA, "%s can't be read (%s)", path,
				  raw ? "it is too large" : elf_errmsg(-1));
	buf_append(ret, raw, size);
	return NULL;
}

/* PATH/NAME.ko of a path that ends in NAME.ko, NAME.ko.xz and the like. */
static char *copys_path(const char *cache, const struct module_file *file)
{
	const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
	const char *end = strstr(name, ".ko");

	return xasprintf("%s/gdb-module/%s/%.*s.ko", cache, file->build_id,
			 (int)(end ? end - name : (ssize_t)strlen(name)), name);
}

/* Of a stripped file, which has the same build ID, there may be one too: it is smaller. */
static bool is_copy(const char *path, size_t size)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size;
}

/*
 * A copy of the file as GDB understands it, in the cache: unpacked, and without addresses of sections
 * (alloc_sections_clear_addresses()). *ret is NULL if it needs none, *ret_packed is true if it can't do without.
 */
static struct err *make_copy(const struct module_file *file, char **ret, bool *ret_packed)
{
	_cleanup_(buf_deinit) struct buf content = BUF_INIT;
	_cleanup_(free) char *cache = NULL, *path = NULL, *folder = NULL;

	*ret = NULL;
	TRY(read_whole(file->path, &content, ret_packed));
	if (!alloc_sections_clear_addresses(content.data, content.len) && !*ret_packed)
		return NULL;
	if (!file->build_id)
		return err_create(ERR_UNSUPPORTED, "%s has no build ID; unpack it beside it", file->path);
	TRY(cache_dir(&cache));
	folder = xasprintf("%s/gdb-module/%s", cache, file->build_id);
	path = copys_path(cache, file);
	if (!is_copy(path, content.len)) {
		TRY(mkdir_parents(folder, 0700));
		TRY(write_file_atomic(path, content.data, content.len, 0600));
	}
	*ret = steal(&path);
	return NULL;
}

/* The file, or what debuggers are to read in its place. */
static struct err *for_debuggers(struct module_file *file, char **ret)
{
	bool packed = true;
	char *copy = NULL;
	struct err *e = make_copy(file, &copy, &packed);

	if (e && packed)
		return e;
	if (e)
		log_warn("GDB may have wrong lines for %s: %s", file->path, err_message(e));
	err_ignore(e);
	*ret = copy ? copy : steal(&file->path);
	return NULL;
}

struct err *serve_modules_find(struct serve_modules *s, const struct module *m, char **ret, bool *ret_stale)
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
	if (is_good(&file))
		return for_debuggers(&file, ret);
	*ret = steal(&file.path);
	return NULL;
}
