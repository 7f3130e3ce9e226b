#include "kbuild/toolchain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/util.h"
#include "kbuild/version.h"

struct tool {
	const char *program;
	const char *package; /* Debian's */
	const char *option;  /* only where this line is in .config; NULL: always */
};

static const struct tool tools[] = {
	{ "make", "make", NULL },
	{ "gcc", "gcc", NULL }, /* programs for this machine are built with it, whatever builds the kernel */
	{ "ld", "binutils", NULL },
	{ "objcopy", "binutils", NULL },
	{ "flex", "flex", NULL },
	{ "bison", "bison", NULL },
	{ "bc", "bc", NULL },
	{ "python3", "python3", NULL }, /* compile_commands.json, GDB scripts */
	{ "awk", "mawk", NULL },
	{ "cmp", "diffutils", NULL },
	{ "find", "findutils", NULL },
	{ "depmod", "kmod", "CONFIG_MODULES=y" },
	{ "gzip", "gzip", "CONFIG_KERNEL_GZIP=y" },
	{ "bzip2", "bzip2", "CONFIG_KERNEL_BZIP2=y" },
	{ "xz", "xz-utils", "CONFIG_KERNEL_XZ=y" },
	{ "lzma", "xz-utils", "CONFIG_KERNEL_LZMA=y" },
	{ "lzop", "lzop", "CONFIG_KERNEL_LZO=y" },
	{ "lz4", "lz4", "CONFIG_KERNEL_LZ4=y" },
	{ "zstd", "zstd", "CONFIG_KERNEL_ZSTD=y" },
	{ "pahole", "dwarves", "CONFIG_DEBUG_INFO_BTF=y" },
	{ "cpio", "cpio", "CONFIG_IKHEADERS=y" },
};

struct header {
	const char *name;
	const char *package;
	const char *option;
};

static const struct header headers[] = {
	{ "gelf.h", "libelf-dev", NULL }, /* objtool */
	{ "openssl/opensslv.h", "libssl-dev", "CONFIG_SYSTEM_TRUSTED_KEYRING=y" },
	{ "openssl/opensslv.h", "libssl-dev", "CONFIG_MODULE_SIG=y" },
};

void toolchain_deinit(struct toolchain *t)
{
	free(t->cc);
	free(t->cc_path);
	free(t->cc_version);
	free(t->ld_version);
	free(t->ccache);
	*t = (struct toolchain)TOOLCHAIN_INIT;
}

struct err *toolchain_find(const char *cc, bool use_ccache, const char *cache, struct toolchain *ret)
{
	_cleanup_(toolchain_deinit) struct toolchain t = TOOLCHAIN_INIT;
	_cleanup_(free) char *found = find_program(cc), *ld = find_program("ld");
	struct stat st;

	if (!found)
		return err_create(ERR_PREREQ, "the compiler %s is not installed (not found on PATH)%s", cc,
				  streq(cc, "gcc") ? ". Install it: `apt-get install gcc`" : "");
	if (!ld)
		return err_create(ERR_PREREQ, "the linker ld is not installed. Install it: `apt-get install binutils`");
	t.cc = xstrdup(cc);
	t.cc_path = realpath(found, NULL);
	if (!t.cc_path || stat(t.cc_path, &st) < 0)
		return err_os(errno, "look at the compiler %s", found);
	t.cc_size = (uint64_t)st.st_size;
	t.cc_mtime_ns = (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	TRY(program_version(found, cache, &t.cc_version));
	TRY(program_version(ld, cache, &t.ld_version));
	if (use_ccache)
		t.ccache = find_program("ccache");
	*ret = t;
	t = (struct toolchain)TOOLCHAIN_INIT;
	return NULL;
}

void toolchain_hash(const struct toolchain *t, struct hash *h)
{
	uint64_t numbers[] = { t->cc_size, t->cc_mtime_ns };

	hash_string(h, t->cc);
	hash_string(h, t->cc_path);
	hash_string(h, t->cc_version);
	hash_string(h, t->ld_version);
	hash_update(h, numbers, sizeof(numbers));
}

static bool has_line(const char *config, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = config; (p = strstr(p, line)); p += n) {
		if ((p == config || p[-1] == '\n') && (p[n] == '\n' || !p[n]))
			return true;
	}
	return false;
}

static bool have_program(const char *name)
{
	_cleanup_(free) char *path = find_program(name);
	_cleanup_(free) char *sbin = xasprintf("/sbin/%s", name);

	return path || file_exists(sbin);
}

static bool have_header(const char *name)
{
	const char *const argv[] = { "gcc", "-fsyntax-only", "-include", name, "-x", "c", "/dev/null", NULL };
	_cleanup_(err_destroy) struct err *e = process_run(argv, NULL, NULL, NULL);

	return !e;
}

static void add_missing(struct strv *names, struct strv *packages, const char *name, const char *package)
{
	strv_add(names, name);
	if (!strv_contains(packages, package))
		strv_add(packages, package);
}

/* config NULL: what every build needs; else what this one needs besides. */
static struct err *check(const char *config)
{
	_cleanup_(strv_deinit) struct strv names = STRV_INIT, packages = STRV_INIT;
	_cleanup_(free) char *all = NULL, *install = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		const struct tool *t = &tools[i];

		if (config ? t->option && has_line(config, t->option) : !t->option) {
			if (!have_program(t->program))
				add_missing(&names, &packages, t->program, t->package);
		}
	}
	/* Without a compiler no header is found; say what is really missing. */
	for (size_t i = 0; i < ARRAY_SIZE(headers) && !strv_contains(&names, "gcc"); i++) {
		const struct header *h = &headers[i];

		if (config ? h->option && has_line(config, h->option) : !h->option) {
			if (!strv_contains(&names, h->name) && !have_header(h->name))
				add_missing(&names, &packages, h->name, h->package);
		}
	}
	if (!names.n)
		return NULL;
	all = strv_join(&names, ", ");
	install = strv_join(&packages, " ");
	return err_create(ERR_PREREQ,
			  "to build %s kernel this machine lacks: %s.\nInstall what is missing: `apt-get install %s`",
			  config ? "this" : "a", all, install);
}

struct err *toolchain_check(void)
{
	return check(NULL);
}

struct err *toolchain_check_config(const char *config)
{
	return check(config);
}

struct err *toolchain_check_menuconfig(void)
{
	/* Where scripts/kconfig/mconf-cfg.sh looks. */
	if (have_header("ncurses.h") || have_header("ncursesw/ncurses.h") || have_header("ncurses/ncurses.h"))
		return NULL;
	return err_create(ERR_PREREQ, "the kernel's menuconfig needs the header ncurses.h, which this machine lacks.\n"
				      "Install it: `apt-get install libncurses-dev`");
}
