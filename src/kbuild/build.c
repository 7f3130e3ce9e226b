#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "kbuild/configure.h"
#include "kbuild/environment.h"
#include "kbuild/kbuild.h"
#include "kbuild/make.h"
#include "kbuild/objects.h"
#include "kbuild/source.h"
#include "kbuild/toolchain.h"
#include "kbuild/tree.h"
#include "kbuild/verify.h"

/*
 * The way in which kernels are built. Part of the key: a change that makes other kernels of the same inputs raises it.
 */
#define RECIPE "1"

enum { MANIFEST_MAX = 1 << 20, HOLD_TRIES = 10 };

/* One kernel that is to be built: what goes into it, and where it is kept. */
struct build {
	const struct kbuild_params *params;
	struct configuration configuration;
	struct source source;
	struct toolchain toolchain;
	struct digest config; /* of what is asked for */
	struct digest key;
	struct digest state; /* of the source */
	char *folder;        /* all below is in it */
	char *out, *modules, *log, *manifest, *stamp;
	size_t dropped;
	uint64_t configure_ns, build_ns;
};

static void build_deinit(struct build *b)
{
	source_deinit(&b->source);
	toolchain_deinit(&b->toolchain);
	free(b->folder);
	free(b->out);
	free(b->modules);
	free(b->log);
	free(b->manifest);
	free(b->stamp);
}
DEFINE_CLEANUP_STORAGE(struct build, build_deinit);

void kbuild_hold_deinit(struct kbuild_hold *h)
{
	closep(&h->build_fd);
	closep(&h->source_fd);
	*h = (struct kbuild_hold)KBUILD_HOLD_INIT;
}
DEFINE_CLEANUP_STORAGE(struct kbuild_hold, kbuild_hold_deinit);

struct kbuild_hold kbuild_hold_steal(struct kbuild_hold *h)
{
	struct kbuild_hold stolen = *h;

	*h = (struct kbuild_hold)KBUILD_HOLD_INIT;
	return stolen;
}

char *kbuild_build_lock(const char *folder)
{
	return xasprintf("%s/in-use", folder);
}

char *kbuild_source_lock(const char *cache, const char *id)
{
	return xasprintf("%s/source/%s.in-use", cache, id);
}

void kbuild_result_destroy(struct kbuild_result *r)
{
	if (!r)
		return;
	kbuild_hold_deinit(&r->hold);
	manifest_deinit(&r->kernel);
	free(r);
}

static struct err *make_key(struct build *b)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;

	TRY(hash_create(&h));
	hash_string(h, RECIPE);
	hash_string(h, source_kind_name(b->source.kind));
	hash_string(h, b->source.kind == SOURCE_TARBALL ? b->source.sha256.hex : b->source.path);
	hash_string(h, b->config.hex);
	toolchain_hash(&b->toolchain, h);
	hash_final(h, &b->key);
	return NULL;
}

static struct err *identify(const struct kbuild_params *p, struct build *b)
{
	b->params = p;
	b->source = (struct source)SOURCE_INIT;
	b->configuration =
		(struct configuration){ .base = p->base, .requests = p->requests, .allow_dropped = p->allow_dropped };
	TRY(tree_check_name(p->cache));
	TRY(source_find(p->source, p->sha256, p->cache, &b->source));
	if (b->source.kind == SOURCE_TREE)
		TRY(tree_check_name(b->source.path));
	TRY(toolchain_find(p->cc, p->ccache, p->cache, &b->toolchain));
	TRY(configuration_hash(&b->configuration, &b->config));
	TRY(make_key(b));
	b->folder = xasprintf("%s/build/%.16s", p->cache, b->key.hex);
	b->out = xasprintf("%s/out", b->folder);
	b->modules = xasprintf("%s/modules", b->folder);
	b->log = xasprintf("%s/build.log", b->folder);
	b->manifest = xasprintf("%s/manifest.json", b->folder);
	b->stamp = xasprintf("%s/configured", b->folder);
	return NULL;
}

/* Who cleans the cache may take the folder away before we have the lock in it. The lock's time says when it was used. */
static struct err *hold_folder(const char *folder, const char *path, int *ret)
{
	struct err *e = NULL;

	for (int i = 0; i < HOLD_TRIES; i++) {
		err_destroy(e);
		TRY(mkdir_parents(folder, 0700));
		e = lock_file_shared(path, ret);
		if (!e)
			futimens(*ret, NULL);
		if (!e || err_errno(e) != ENOENT)
			return e;
	}
	return e;
}

/* From here on nobody removes what the kernel is made from, or made in. */
static struct err *hold(const struct build *b, struct kbuild_hold *ret)
{
	_cleanup_(kbuild_hold_deinit) struct kbuild_hold h = KBUILD_HOLD_INIT;
	_cleanup_(free) char *build_lock = kbuild_build_lock(b->folder), *source_lock = NULL, *id = NULL;
	_cleanup_(free) char *sources = xasprintf("%s/source", b->params->cache);

	TRY(hold_folder(b->folder, build_lock, &h.build_fd));
	if (b->source.kind == SOURCE_TARBALL) {
		id = xasprintf("%.16s", b->source.sha256.hex);
		source_lock = kbuild_source_lock(b->params->cache, id);
		TRY(hold_folder(sources, source_lock, &h.source_fd));
	}
	*ret = kbuild_hold_steal(&h);
	return NULL;
}

/* The manifest, if it describes the kernel that is asked for as it would be built now. */
static struct err *read_current(const struct build *b, struct manifest *ret)
{
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(read_file(b->manifest, MANIFEST_MAX, &text));
	TRY(manifest_parse(b->manifest, buf_str(&text), text.len, &m));
	if (!streq(m.key, b->key.hex) || !streq(m.out, b->out))
		return err_create(ERR_BAD_DATA, "%s is about another kernel", b->manifest);
	if (!streq(m.source_state, b->state.hex))
		return err_create(ERR_BAD_DATA, "the source has changed");
	if (m.dropped && !b->params->allow_dropped)
		return err_create(ERR_BAD_DATA, "options were dropped");
	TRY(manifest_check_files(&m));
	*ret = m;
	m = (struct manifest)MANIFEST_INIT;
	return NULL;
}

static struct err *look_up(struct build *b, struct manifest *ret, bool *ret_found)
{
	_cleanup_(err_destroy) struct err *e = NULL;

	*ret_found = false;
	TRY(source_state(&b->source, &b->state));
	if (!file_exists(b->manifest))
		return NULL;
	e = read_current(b, ret);
	if (e)
		log_debug("%s must be built again: %s", b->folder, err_message(e));
	*ret_found = !e;
	return NULL;
}

static unsigned int count_jobs(unsigned int asked)
{
	cpu_set_t cpus;

	if (asked)
		return asked;
	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned int)CPU_COUNT(&cpus) : 1;
}

/* "OPTIONS OBJECTS" of the kernel that was built last: what the progress line's total is estimated from. */
static char *scale_path(const struct build *b)
{
	return xasprintf("%s/build/objects", b->params->cache);
}

static size_t estimate_objects(const struct build *b, const char *config)
{
	_cleanup_(free) char *path = scale_path(b);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	size_t options = 0, objects = 0;

	if (file_exists(path))
		err_ignore(read_file(path, 4096, &text));
	if (sscanf(buf_str(&text), "%7zu %7zu", &options, &objects) != 2)
		options = objects = 0;
	return objects_estimate(configuration_count_options(config), options, objects);
}

static void remember_objects(const struct build *b, const char *config)
{
	_cleanup_(free) char *path = scale_path(b), *line = NULL;
	size_t objects = 0;

	err_ignore(objects_survey(b->out, false, &objects));
	line = xasprintf("%zu %zu\n", configuration_count_options(config), objects);
	err_ignore(write_file_atomic(path, line, strlen(line), 0600));
}

static struct err *run_build(struct build *b, struct make *m, const char *config)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;
	_cleanup_(free) char *vmlinux = xasprintf("%s/vmlinux", b->out);
	bool first = !file_exists(vmlinux);

	strv_addf(&args, "-j%u", count_jobs(b->params->jobs));
	strv_add_all(&args, (const char *const[]){ "all", "compile_commands.json", "scripts_gdb", NULL });
	if (first) {
		m->objects_total = estimate_objects(b, config);
	} else {
		m->objects_done = 0;
		TRY(objects_count_stale(b->out, &m->objects_total));
	}
	TRY(make_run(m, "build the kernel", &args));
	if (first)
		remember_objects(b, config);
	return NULL;
}

/* Stripped: they are for the guest. Debuggers read those in the build's folder. */
static struct err *install_modules(struct build *b, struct make *m, const char *config)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;

	TRY(remove_tree(b->modules));
	TRY(mkdir_parents(b->modules, 0700));
	if (!strstr(config, "\nCONFIG_MODULES=y\n"))
		return NULL;
	strv_addf(&args, "INSTALL_MOD_PATH=%s", b->modules);
	strv_add(&args, "INSTALL_MOD_STRIP=1");
	strv_add(&args, "modules_install");
	m->objects_total = 0;
	return make_run(m, "install the kernel's modules", &args);
}

static struct err *read_release(const struct build *b, char **ret)
{
	_cleanup_(free) char *path = xasprintf("%s/include/config/kernel.release", b->out);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	char *release;

	TRY(read_file(path, 4096, &text));
	release = text.len ? strip(text.data) : (char *)"";
	if (!*release || strchr(release, '/'))
		return err_create(ERR_BAD_DATA, "%s has no kernel release in it", path);
	*ret = xstrdup(release);
	return NULL;
}

static char *date_now(void)
{
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return xstrdup(text);
}

static struct err *describe(const struct build *b, struct manifest *m)
{
	m->key = xstrdup(b->key.hex);
	m->source_kind = xstrdup(source_kind_name(b->source.kind));
	m->source = xstrdup(b->source.path);
	m->source_tree = xstrdup(b->source.tree);
	m->source_state = xstrdup(b->state.hex);
	m->config_digest = xstrdup(b->config.hex);
	m->compiler = xstrdup(b->toolchain.cc_version);
	m->out = xstrdup(b->out);
	m->vmlinux = xasprintf("%s/vmlinux", b->out);
	m->bzimage = xasprintf("%s/arch/x86/boot/bzImage", b->out);
	m->modules = xstrdup(b->modules);
	m->compile_commands = xasprintf("%s/compile_commands.json", b->out);
	m->gdb_script = xasprintf("%s/vmlinux-gdb.py", b->out);
	m->log = xstrdup(b->log);
	m->ktb_version = xstrdup(KTB_VERSION);
	m->date = date_now();
	m->configure_ms = b->configure_ns / NSEC_PER_MSEC;
	m->build_ms = b->build_ns / NSEC_PER_MSEC;
	m->dropped = b->dropped;
	TRY(read_release(b, &m->release));
	TRY(build_id_read(m->vmlinux, &m->build_id));
	TRY(manifest_stamp(m));
	return manifest_check_files(m);
}

static struct err *finish(const struct build *b, struct manifest *ret)
{
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(err_wrap(describe(b, &m), "the build ended well, but what it made is not complete (log: %s)", b->log));
	manifest_format(&m, &text);
	TRY(write_file_atomic(b->manifest, text.data, text.len, 0600));
	*ret = m;
	m = (struct manifest)MANIFEST_INIT;
	return NULL;
}

/* A run that was killed left its mark (make.h): then what it was writing has to go. */
static struct err *clean_up_after_killed_run(const struct build *b, size_t *ret_objects)
{
	_cleanup_(free) char *marker = xasprintf("%s.unfinished", b->log);
	bool killed = file_exists(marker);

	if (killed)
		log_debug("the last build here was killed; looking for half-written files");
	sweep_temporary_files(b->folder);
	sweep_temporary_files(b->out);
	TRY(objects_survey(b->out, killed, ret_objects));
	return NULL;
}

/* What make needs to know. Strings are the caller's. */
struct make_setup {
	struct strv env, variables;
	struct make make;
};

static void make_setup_deinit(struct make_setup *s)
{
	strv_deinit(&s->env);
	strv_deinit(&s->variables);
}
DEFINE_CLEANUP_STORAGE(struct make_setup, make_setup_deinit);

/* In the locked folder: after this, what is there is no longer taken for a complete kernel. */
static struct err *begin(const struct build *b, struct make_setup *s)
{
	s->make = (struct make){ .tree = b->source.tree, .out = b->out, .log = b->log, .variables = &s->variables };
	if (unlink(b->manifest) < 0 && errno != ENOENT)
		return err_os(errno, "remove %s", b->manifest);
	TRY(mkdir_parents(b->out, 0700));
	TRY(clean_up_after_killed_run(b, &s->make.objects_done));
	TRY(write_file_atomic(b->log, "", 0, 0600));
	TRY(environment_prepare(&b->toolchain, b->folder, b->out, &s->env, &s->variables));
	s->make.env = (const char *const *)s->env.v;
	progress_init(&s->make.progress);
	return NULL;
}

/* In the locked folder. */
static struct err *build_here(struct build *b, struct manifest *ret)
{
	_cleanup_(make_setup_deinit) struct make_setup s = { 0 };
	_cleanup_(buf_deinit) struct buf config = BUF_INIT;
	uint64_t start = now_ns();

	TRY(begin(b, &s));
	TRY(configure(&s.make, &b->configuration, &b->config, b->stamp, &b->dropped));
	TRY(configuration_read(b->out, &config));
	TRY(toolchain_check_config(buf_str(&config)));
	b->configure_ns = now_ns() - start;
	start = now_ns();
	TRY(run_build(b, &s.make, buf_str(&config)));
	TRY(install_modules(b, &s.make, buf_str(&config)));
	b->build_ns = now_ns() - start;
	return finish(b, ret);
}

static void say_waiting(void *data)
{
	(void)data;
	log_info("another ktb is building this kernel; waiting for it");
}

/* Builds under the folder's lock, unless whoever had it meanwhile did. */
static struct err *build_locked(struct build *b, struct manifest *ret, bool *ret_built)
{
	_cleanup_(free) char *lock = xasprintf("%s/lock", b->folder);
	_cleanup_(close) int lock_fd = -1;
	bool found;

	TRY(mkdir_parents(b->folder, 0700));
	TRY(lock_file(lock, false, say_waiting, NULL, &lock_fd));
	TRY(look_up(b, ret, &found));
	if (!found)
		TRY(build_here(b, ret));
	*ret_built = !found;
	return NULL;
}

/* An option whose tool is missing would be dropped, with a reason that names no tool. */
static struct err *check_tools(const struct fragment_set *requests)
{
	_cleanup_(buf_deinit) struct buf requested = BUF_INIT;

	TRY(toolchain_check());
	fragment_set_write(requests, &requested);
	return toolchain_check_config(buf_str(&requested));
}

struct err *kbuild_run(const struct kbuild_params *p, struct kbuild_result **ret)
{
	_cleanup_(build_deinit) struct build b = { .params = p };
	_cleanup_(kbuild_result_destroy) struct kbuild_result *r = xcalloc(1, sizeof(*r));
	uint64_t start = now_ns();
	bool found;

	r->hold = (struct kbuild_hold)KBUILD_HOLD_INIT;
	TRY(identify(p, &b));
	TRY(hold(&b, &r->hold));
	TRY(look_up(&b, &r->kernel, &found));
	if (!found) {
		TRY(check_tools(p->requests));
		TRY(source_prepare(&b.source, p->cache));
		TRY(build_locked(&b, &r->kernel, &r->built));
	}
	r->duration_ns = now_ns() - start;
	*ret = steal(&r);
	return NULL;
}

void kbuild_configuration_destroy(struct kbuild_configuration *c)
{
	if (!c)
		return;
	kbuild_hold_deinit(&c->hold);
	toolchain_deinit(&c->toolchain);
	free(c->tree);
	free(c->out);
	free(c);
}

static struct err *configure_locked(struct build *b)
{
	const struct make m = { .tree = b->source.tree, .out = b->out };
	_cleanup_(make_setup_deinit) struct make_setup s = { 0 };
	_cleanup_(free) char *lock = xasprintf("%s/lock", b->folder);
	_cleanup_(close) int lock_fd = -1;

	/* One that is being built is not waited for: its configuration stands. */
	if (configuration_is_current(&m, &b->configuration, &b->config, b->stamp))
		return NULL;
	TRY(lock_file(lock, false, say_waiting, NULL, &lock_fd));
	if (configuration_is_current(&m, &b->configuration, &b->config, b->stamp))
		return NULL;
	TRY(check_tools(b->params->requests));
	TRY(begin(b, &s));
	return configure(&s.make, &b->configuration, &b->config, b->stamp, &b->dropped);
}

struct err *kbuild_configure(const struct kbuild_params *p, struct kbuild_configuration **ret)
{
	_cleanup_(build_deinit) struct build b = { .params = p };
	_cleanup_(kbuild_configuration_destroy) struct kbuild_configuration *c = xcalloc(1, sizeof(*c));

	c->hold = (struct kbuild_hold)KBUILD_HOLD_INIT;
	TRY(identify(p, &b));
	b.configuration.allow_dropped = b.configuration.silent = true;
	TRY(hold(&b, &c->hold));
	TRY(source_prepare(&b.source, p->cache));
	TRY(configure_locked(&b));
	c->tree = xstrdup(b.source.tree);
	c->out = xstrdup(b.out);
	c->toolchain = b.toolchain;
	b.toolchain = (struct toolchain)TOOLCHAIN_INIT;
	*ret = steal(&c);
	return NULL;
}

void kbuild_inspection_deinit(struct kbuild_inspection *i)
{
	manifest_deinit(&i->kernel);
	strv_deinit(&i->unmet);
	free(i->wrong);
	*i = (struct kbuild_inspection){ 0 };
}

static struct err *find_unmet(const struct build *b, struct strv *ret)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *config = NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	TRY(configuration_read(b->out, &text));
	TRY(dotconfig_parse(".config", buf_str(&text), text.len, &config));
	for (size_t i = 0; i < fragment_set_count(b->params->requests); i++) {
		const struct fragment_request *r = fragment_set_at(b->params->requests, i);

		if (!r->if_known && !kconfig_request_holds(r, dotconfig_get(config, r->name)))
			strv_take(ret, fragment_request_text(r));
	}
	return NULL;
}

struct err *kbuild_inspect(const struct kbuild_params *p, struct kbuild_inspection *ret)
{
	_cleanup_(kbuild_inspection_deinit) struct kbuild_inspection i = { 0 };
	_cleanup_(build_deinit) struct build b = { .params = p };
	_cleanup_(err_destroy) struct err *e = NULL;

	TRY(identify(p, &b));
	TRY(source_state(&b.source, &b.state));
	i.asked = fragment_set_count(p->requests);
	i.to_download = source_is_missing(&b.source, p->cache);
	i.begun = file_exists(b.stamp);
	if (file_exists(b.manifest)) {
		e = read_current(&b, &i.kernel);
		i.complete = !e;
		i.wrong = e ? xstrdup(err_message(e)) : NULL;
	}
	if (i.complete)
		TRY(find_unmet(&b, &i.unmet));
	*ret = i;
	i = (struct kbuild_inspection){ 0 };
	return NULL;
}
