#include "cmd/build.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/progress.h"
#include "cmd/cmd.h"
#include "cmd/gdb_program.h"
#include "initramfs/image.h"

enum { FRAGMENT_MAX = 1 << 20 };

#define PROFILE_SUFFIX ".config"

static struct err *add_fragment(struct fragment_set *set, enum fragment_layer layer, bool if_known, const char *path)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	TRY(read_file(path, FRAGMENT_MAX, &b));
	return fragment_set_parse(set, layer, if_known, path, buf_str(&b), b.len);
}

static struct err *add_builtin_fragments(struct fragment_set *set)
{
	_cleanup_(strv_deinit) struct strv paths = STRV_INIT;
	_cleanup_(closedir) DIR *dir = NULL;
	_cleanup_(free) char *folder = NULL;

	TRY(fragments_dir(&folder));
	dir = opendir(folder);
	if (!dir)
		return err_os(errno, "open folder %s", folder);
	for (struct dirent *d; (d = readdir(dir));) {
		if (*d->d_name != '.' && has_suffix(d->d_name, ".config"))
			strv_addf(&paths, "%s/%s", folder, d->d_name);
	}
	strv_sort(&paths);
	/* compat.config has what only some versions know. */
	for (size_t i = 0; i < paths.n; i++)
		TRY(add_fragment(set, FRAGMENT_BUILTIN, has_suffix(paths.v[i], "/compat.config"), paths.v[i]));
	return NULL;
}

static struct err *unknown_profile(const char *folder, const char *name)
{
	_cleanup_(strv_deinit) struct strv known = STRV_INIT;
	_cleanup_(closedir) DIR *dir = opendir(folder);
	_cleanup_(free) char *list = NULL;

	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (*d->d_name != '.' && has_suffix(d->d_name, PROFILE_SUFFIX))
			strv_addf(&known, "%.*s", (int)(strlen(d->d_name) - strlen(PROFILE_SUFFIX)), d->d_name);
	}
	strv_sort(&known);
	list = strv_join(&known, ", ");
	return err_create(ERR_USAGE, "there is no profile called \"%s\" (kernel.profile, --profile); there are: %s",
			  name, list);
}

static struct err *add_profiles(struct fragment_set *set, const struct strv *names)
{
	_cleanup_(free) char *builtin = NULL, *folder = NULL;

	TRY(fragments_dir(&builtin));
	folder = xasprintf("%s/profiles", builtin);
	for (size_t i = 0; i < names->n; i++) {
		_cleanup_(free) char *path = xasprintf("%s/%s%s", folder, names->v[i], PROFILE_SUFFIX);

		if (strchr(names->v[i], '/') || !file_exists(path))
			return unknown_profile(folder, names->v[i]);
		TRY(add_fragment(set, FRAGMENT_PROFILE, false, path));
	}
	return NULL;
}

static struct err *merge_requests(const struct config *cfg, struct fragment_set *set)
{
	const struct strv *files = config_list(cfg, OPT_KERNEL_FRAGMENTS);
	const struct config_kconfig *lines;
	size_t n;

	TRY(add_builtin_fragments(set));
	TRY(add_profiles(set, config_list(cfg, OPT_KERNEL_PROFILES)));
	for (size_t i = 0; i < files->n; i++)
		TRY(add_fragment(set, FRAGMENT_USER, false, files->v[i]));
	lines = config_kconfig(cfg, &n);
	for (size_t i = 0; i < n; i++)
		TRY(fragment_set_add(set, FRAGMENT_CONFIG, lines[i].name, lines[i].value, lines[i].file,
				     lines[i].line));
	return NULL;
}

/* What the configuration says of the kernel, and the storage for that. */
struct kernel_params {
	struct fragment_set *requests;
	char *cache;
	struct kbuild_params kbuild;
};

static void kernel_params_deinit(struct kernel_params *p)
{
	fragment_set_destroy(p->requests);
	free(p->cache);
}
DEFINE_CLEANUP_STORAGE(struct kernel_params, kernel_params_deinit);

static struct err *read_params(const struct config *cfg, struct kernel_params *p)
{
	const char *base = config_string(cfg, OPT_KERNEL_BASE), *cc = config_string(cfg, OPT_KERNEL_CC);

	if (!base)
		return err_create(ERR_USAGE, "--base: expected tiny, defconfig, or a configuration file");
	TRY(cache_dir(&p->cache));
	p->requests = fragment_set_create();
	TRY(merge_requests(cfg, p->requests));
	p->kbuild = (struct kbuild_params){
		.source = config_string(cfg, OPT_KERNEL_SOURCE),
		.sha256 = config_string(cfg, OPT_KERNEL_SHA256),
		.base = base,
		.requests = p->requests,
		.cc = cc ? cc : "gcc",
		.ccache = config_bool(cfg, OPT_KERNEL_CCACHE),
		.jobs = (unsigned int)MIN(config_number(cfg, OPT_KERNEL_JOBS), UINT64_C(1024)),
		.allow_dropped = config_bool(cfg, OPT_KERNEL_ALLOW_DROPPED),
		.cache = p->cache,
	};
	return NULL;
}

/* So that GDB starts as fast the first time as ever after. Nobody waits for it, and nothing fails without. */
static void start_gdb_index(const struct config *cfg, const struct manifest *m)
{
	_cleanup_(gdb_program_deinit) struct gdb_program program = GDB_PROGRAM_INIT;
	_cleanup_(free) char *dir = NULL;
	struct err *e = gdb_program_find(config_string(cfg, OPT_GDB_PROGRAM), &program);

	if (!e)
		e = gdb_index_dir(&dir);
	if (!e)
		e = gdb_index_start(&program, m->vmlinux, dir, m->build_id);
	if (e)
		log_debug("no index for GDB: %s", err_message(e));
	err_destroy(e);
}

struct err *build_kernel(const struct config *cfg, struct kbuild_result **ret)
{
	_cleanup_(kernel_params_deinit) struct kernel_params p = { 0 };
	_cleanup_(free) char *duration = NULL;

	TRY(read_params(cfg, &p));
	TRY(kbuild_run(&p.kbuild, ret));
	duration = format_duration((*ret)->duration_ns);
	if ((*ret)->built) {
		log_info("kernel %s built in %s", (*ret)->kernel.release, duration);
		start_gdb_index(cfg, &(*ret)->kernel);
		return NULL;
	}
	log_debug("kernel %s is up to date (looked for %s)", (*ret)->kernel.release, duration);
	return NULL;
}

struct err *build_inspect(const struct config *cfg, struct kbuild_inspection *ret)
{
	_cleanup_(kernel_params_deinit) struct kernel_params p = { 0 };

	TRY(read_params(cfg, &p));
	return kbuild_inspect(&p.kbuild, ret);
}

struct err *build_configuration(const struct config *cfg, struct fragment_set **ret_requests,
				struct kbuild_configuration **ret)
{
	_cleanup_(kernel_params_deinit) struct kernel_params p = { 0 };

	TRY(read_params(cfg, &p));
	TRY(kbuild_configure(&p.kbuild, ret));
	*ret_requests = steal(&p.requests);
	return NULL;
}

static void show_image_progress(uint64_t done, uint64_t total, void *data)
{
	progress_update(data, "image of the guest: %llu of %llu MB", (unsigned long long)(done / MIB),
			(unsigned long long)(total / MIB));
}

struct err *build_image_with(const struct config *cfg, const char *modules_root, const struct initramfs_extra *extras,
			     size_t extras_n, char **ret)
{
	_cleanup_(free) char *init = NULL;
	struct progress progress;
	struct err *e;

	TRY(guest_init_path(&init));
	progress_init(&progress);
	const struct initramfs_params params = {
		.init = init,
		.modules_root = modules_root,
		.extras = extras,
		.extras_n = extras_n,
		.files = config_list(cfg, OPT_VM_FILES),
		.progress = show_image_progress,
		.data = &progress,
	};

	e = initramfs_make(&params, ret);
	progress_clear(&progress);
	return e;
}

struct err *build_image(const struct config *cfg, const struct manifest *kernel, char **ret)
{
	return build_image_with(cfg, kernel->modules, NULL, 0, ret);
}

static void print_paths(const struct manifest *m, const char *image)
{
	const struct {
		const char *name;
		const char *path;
	} lines[] = {
		{ "vmlinux", m->vmlinux },
		{ "bzImage", m->bzimage },
		{ "modules", m->modules },
		{ "initramfs", image },
		{ "source", m->source_tree },
		{ "build", m->out },
		{ "commands", m->compile_commands },
		{ "scripts", m->gdb_script },
		{ "log", m->log },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		printf("%-9s  %s\n", lines[i].name, lines[i].path);
}

static void print_json(const struct manifest *m, const char *image)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct json_object *object;

	manifest_format(m, &b);
	object = json_tokener_parse(buf_str(&b));
	json_object_object_add(object, "initramfs", json_object_new_string(image));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static struct err *print_result(const struct kbuild_result *r, const char *image, bool json)
{
	if (json)
		print_json(&r->kernel, image);
	else
		print_paths(&r->kernel, image);
	if (fflush(stdout) == EOF)
		return err_os(errno, "write the result");
	return NULL;
}

static struct err *cmd_build(struct config *cfg, const struct strv *positional, const struct strv *rest,
			     int *ret_status)
{
	_cleanup_(kbuild_result_destroy) struct kbuild_result *r = NULL;
	_cleanup_(free) char *image = NULL;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(build_kernel(cfg, &r));
	if (!r->built)
		log_info("kernel %s is up to date", r->kernel.release);
	TRY(build_image(cfg, &r->kernel, &image));
	return print_result(r, image, config_bool(cfg, OPT_OUTPUT_JSON));
}

const struct command command_build = {
	.id = COMMAND_BUILD,
	.name = "build",
	.args = "",
	.summary = "build the kernel, unless it is built already",
	.description =
		"Builds a kernel with what debugging needs, and prints where everything is. The configuration is the\n"
		"base (--base), the fragments that come with ktb, the profiles asked for (--profile), your own\n"
		"fragments (--fragment), and --kconfig on top. Each option that the kernel doesn't take is an error "
		"that says why.\n"
		"\n"
		"The source is never written to. What is built is kept by what went into it: source, configuration "
		"and\n"
		"compiler. The same again costs nothing; a changed tree is built incrementally; an interrupted build\n"
		"goes on where it stopped.",
	.examples = "  ktb build\n"
		    "  ktb build --source ~/src/linux --kconfig KASAN=y\n"
		    "  ktb build --source ~/src/linux --profile kasan --profile lockdep\n"
		    "  ktb build --source linux-6.12.tar.xz --json",
	.run = cmd_build,
};
