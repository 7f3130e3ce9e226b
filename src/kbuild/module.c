/*
 * Theory of operation
 *
 * make writes beside the sources that it builds. MO=, which has it write elsewhere, is known to Linux 6.13 and later only.
 * So the folder is mirrored in the cache: folders, with links to the files. make reads through the links, sees times
 * through them, too, so that it makes only what has changed, and writes beside them. What a build in the folder itself
 * has left there is not linked: make would write through. The compiler is told to write the folder's own name into the debug
 * information, and in messages it is put back here. An object that no make has made is a part of the source.
 */
#include "kbuild/module.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "kbuild/environment.h"
#include "kbuild/make.h"
#include "kbuild/toolchain.h"

enum { DEPTH_MAX = 32, ORDER_MAX = 1 << 20 };

/* Of objects that make makes it keeps how it did in .NAME.cmd; those of others, such as a vendor's, have none. */
static bool is_foreign_object(const char *folder, const char *name)
{
	static const char *const sources[] = { "c", "S", "s", "rs" };
	_cleanup_(free) char *command = xasprintf("%s/.%s.cmd", folder, name);
	const char *dot = strrchr(name, '.');

	if ((!has_suffix(name, ".o") && !has_suffix(name, ".a")) || file_exists(command))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		_cleanup_(free) char *source = xasprintf("%s/%.*s.%s", folder, (int)(dot - name), name, sources[i]);

		if (file_exists(source))
			return false;
	}
	return true;
}

/* What make makes. */
static bool is_made(const char *folder, const char *name)
{
	static const char *const suffixes[] = { ".o",    ".ko",      ".mod",   ".mod.c",   ".cmd",
						".a",    ".symvers", ".order", ".dwo",     ".su",
						".gcno", ".i",       ".lst",   ".builtin", ".ko.unsigned" };

	if (*name == '.')
		return true;
	if (is_foreign_object(folder, name))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (has_suffix(name, suffixes[i]))
			return true;
	}
	return false;
}

static struct err *set_link(const char *from, const char *to)
{
	char now[PATH_MAX];
	ssize_t n = readlink(to, now, sizeof(now) - 1);

	if (n >= 0) {
		now[n] = '\0';
		if (streq(now, from))
			return NULL;
	}
	if (unlink(to) < 0 && errno != ENOENT)
		return err_os(errno, "remove %s", to);
	if (symlink(from, to) < 0)
		return err_os(errno, "make the link %s", to);
	return NULL;
}

/* What was a source when it was linked, and is now made, as when a make has run there since. */
static struct err *drop_link(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || unlink(path) == 0)
		return NULL;
	return err_os(errno, "remove %s", path);
}

static struct err *mirror(const char *from, const char *to, unsigned int depth)
{
	_cleanup_(closedir) DIR *dir = opendir(from);

	if (!dir)
		return err_os(errno, "open folder %s", from);
	if (depth > DEPTH_MAX)
		return err_create(ERR_USAGE, "%s: folders too deep inside of each other", from);
	TRY(mkdir_parents(to, 0700));
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *source = xasprintf("%s/%s", from, d->d_name);
		_cleanup_(free) char *link = xasprintf("%s/%s", to, d->d_name);
		struct stat st;

		if (is_made(from, d->d_name)) {
			TRY(drop_link(link));
			continue;
		}
		if (stat(source, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && d->d_type != DT_LNK)
			TRY(mirror(source, link, depth + 1));
		else
			TRY(set_link(source, link));
	}
	return NULL;
}

/* Links to what is no longer there. */
static struct err *drop_stale(const char *folder, unsigned int depth)
{
	_cleanup_(closedir) DIR *dir = depth > DEPTH_MAX ? NULL : opendir(folder);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		_cleanup_(free) char *path = xasprintf("%s/%s", folder, d->d_name);

		if (d->d_type == DT_DIR && *d->d_name != '.')
			TRY(drop_stale(path, depth + 1));
		else if (d->d_type == DT_LNK && !file_exists(path) && unlink(path) < 0)
			return err_os(errno, "remove %s", path);
	}
	return NULL;
}

static char *replace(const char *text, const char *from, const char *to)
{
	struct buf b = BUF_INIT;
	const char *hit;

	while ((hit = strstr(text, from))) {
		buf_append(&b, text, (size_t)(hit - text));
		buf_puts(&b, to);
		text = hit + strlen(from);
	}
	buf_puts(&b, text);
	return buf_steal(&b);
}

/* An error in the words of the user's folder. */
static struct err *in_folder(struct err *e, const char *mirrored, const char *folder)
{
	_cleanup_(free) char *text = NULL;
	enum err_code code;

	if (!e)
		return NULL;
	code = err_code(e);
	text = replace(err_message(e), mirrored, folder);
	err_destroy(e);
	return code == ERR_OS ? err_create(ERR_BAD_DATA, "%s", text) : err_create(code, "%s", text);
}

static struct err *check(const struct module_params *p, const char *folder)
{
	_cleanup_(free) char *kbuild = xasprintf("%s/Kbuild", folder), *makefile = xasprintf("%s/Makefile", folder);
	_cleanup_(free) char *symvers = xasprintf("%s/Module.symvers", p->out);

	if (!is_directory(folder))
		return err_create(ERR_USAGE, "%s is no folder", folder);
	if (!file_exists(kbuild) && !file_exists(makefile))
		return err_create(ERR_USAGE,
				  "%s has no Kbuild and no Makefile that say what to build (obj-m := NAME.o)", folder);
	if (!file_exists(symvers))
		return err_create(ERR_USAGE,
				  "the kernel in %s has no Module.symvers: it was built without modules "
				  "(CONFIG_MODULES), or not to the end",
				  p->out);
	return NULL;
}

/* modules.order has a module's object a line: NAME.o since Linux 6.3 (f65a486821cf), NAME.ko before. */
static struct err *read_order(const char *mirrored, struct strv *ret)
{
	_cleanup_(free) char *path = xasprintf("%s/modules.order", mirrored);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	char *rest, *line;

	if (file_exists(path))
		TRY(read_file(path, ORDER_MAX, &text));
	rest = text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		char *dot = strrchr(line, '.');
		_cleanup_(free) char *module = NULL;

		if (!dot)
			continue;
		*dot = '\0';
		module = *line == '/' ? xasprintf("%s.ko", line) : xasprintf("%s/%s.ko", mirrored, line);
		if (!file_exists(module))
			return err_create(ERR_BAD_DATA, "make ended well, but there is no %s", module);
		strv_add(ret, module);
	}
	if (!ret->n)
		return err_create(ERR_USAGE, "no module was built: does the Kbuild or Makefile say obj-m := NAME.o?");
	return NULL;
}

static unsigned int count_jobs(unsigned int asked)
{
	cpu_set_t cpus;

	if (asked)
		return asked;
	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned int)CPU_COUNT(&cpus) : 1;
}

static struct err *run_make(const struct module_params *p, const char *folder, const char *base, const char *mirrored)
{
	_cleanup_(toolchain_deinit) struct toolchain toolchain = TOOLCHAIN_INIT;
	_cleanup_(strv_deinit) struct strv env = STRV_INIT, variables = STRV_INIT, args = STRV_INIT;
	_cleanup_(free) char *log = xasprintf("%s/build.log", base);
	struct make m = { .tree = p->tree, .out = p->out, .log = log, .variables = &variables };

	TRY(toolchain_find(p->cc, p->ccache, p->cache, &toolchain));
	TRY(toolchain_check());
	TRY(write_file_atomic(log, "", 0, 0600));
	TRY(environment_prepare(&toolchain, base, p->out, &env, &variables));
	m.env = (const char *const *)env.v;
	progress_init(&m.progress);
	strv_addf(&args, "M=%s", mirrored);
	/* What a shell would understand, or make, can't be said this way. */
	if (!strpbrk(folder, " \t\"'\\$#`;&|<>()*?=,"))
		strv_addf(&args, "KCFLAGS=-ffile-prefix-map=%s=%s", mirrored, folder);
	strv_addf(&args, "-j%u", count_jobs(p->jobs));
	strv_add(&args, "modules");
	return in_folder(make_run(&m, "build the module", &args), mirrored, folder);
}

static void say_waiting(void *data)
{
	(void)data;
	log_info("another ktb is building this module; waiting for it");
}

struct err *module_build(const struct module_params *p, struct strv *ret)
{
	_cleanup_(free) char *folder = realpath(p->folder, NULL), *base = NULL, *mirrored = NULL, *lock = NULL;
	_cleanup_(hash_destroy) struct hash *h = NULL;
	_cleanup_(close) int lock_fd = -1;
	struct digest key;

	if (!folder)
		return err_os(errno, "find folder %s", p->folder);
	TRY(check(p, folder));
	TRY(hash_create(&h));
	hash_string(h, folder);
	hash_string(h, p->out);
	hash_final(h, &key);
	base = xasprintf("%s/module/%.16s", p->cache, key.hex);
	mirrored = xasprintf("%s/src", base);
	lock = xasprintf("%s/lock", base);
	TRY(mkdir_parents(base, 0700));
	TRY(lock_file(lock, false, say_waiting, NULL, &lock_fd));
	TRY(drop_stale(mirrored, 0));
	TRY(mirror(folder, mirrored, 0));
	TRY(run_make(p, folder, base, mirrored));
	return read_order(mirrored, ret);
}
