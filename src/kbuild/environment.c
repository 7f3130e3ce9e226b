#include "kbuild/environment.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"

/* Variables that make, Kbuild, gcc or git would listen to; each with a space before and behind it. */
static const char removed[] =
	" MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS MAKEFILES CDPATH GREP_OPTIONS ENV BASH_ENV"
	" ARCH SUBARCH SRCARCH CROSS_COMPILE CROSS_COMPILE_COMPAT LLVM LLVM_IAS CC CXX CPP LD AR AS NM OBJCOPY"
	" OBJDUMP READELF STRIP PAHOLE DEPMOD HOSTCC HOSTCXX HOSTLD HOSTAR HOSTCFLAGS HOSTLDFLAGS HOSTLDLIBS"
	" RUSTC HOSTRUSTC CFLAGS CPPFLAGS CXXFLAGS LDFLAGS AFLAGS_KERNEL AFLAGS_MODULE CFLAGS_KERNEL"
	" CFLAGS_MODULE LDFLAGS_MODULE LDFLAGS_vmlinux EXTRA_CFLAGS CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH"
	" LIBRARY_PATH COMPILER_PATH GCC_EXEC_PREFIX GCC_COLORS SOURCE_DATE_EPOCH KERNELRELEASE KERNELVERSION"
	" MODLIB O V W C M"
	" ";

static const char *const removed_prefixes[] = { "KBUILD_",   "KCONFIG_",   "INSTALL_", "KCFLAGS", "KAFLAGS",
						"KCPPFLAGS", "KRUSTFLAGS", "CONFIG_",  "GIT_" };

/* What is the same for every build, so that the same inputs give the same bytes. */
static const char *const set[] = {
	"LC_ALL=C",
	"TZ=UTC",
	"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
	"KBUILD_BUILD_USER=ktb",
	"KBUILD_BUILD_HOST=ktb",
	"KBUILD_BUILD_VERSION=1",
	"LOCALVERSION=",             /* set, if only to nothing: else scripts/setlocalversion adds a "+" */
	"PYTHONDONTWRITEBYTECODE=1", /* __pycache__ would go into the source */
	"GIT_OPTIONAL_LOCKS=0",
};

static bool is_removed(const char *variable)
{
	_cleanup_(free) char *word = xasprintf(" %.*s ", (int)strcspn(variable, "="), variable);

	for (size_t i = 0; i < ARRAY_SIZE(removed_prefixes); i++) {
		if (skip_prefix(variable, removed_prefixes[i]))
			return true;
	}
	return strstr(removed, word) != NULL;
}

static struct err *link_to_ccache(const char *bin, const char *compiler, const char *ccache)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", bin, compiler);

	if (unlink(path) < 0 && errno != ENOENT)
		return err_os(errno, "remove %s", path);
	if (symlink(ccache, path) < 0)
		return err_os(errno, "link %s to %s", path, ccache);
	return NULL;
}

/*
 * ccache takes the compiler's place on PATH. Then the command lines, by which Kbuild sees what to build again and
 * editors see how a file is compiled, are the same with and without it, and it serves the programs for this machine
 * too. A compiler given by its path can't be replaced that way.
 */
static struct err *use_ccache(const struct toolchain *t, const char *folder, struct strv *env, struct strv *variables)
{
	_cleanup_(free) char *bin = xasprintf("%s/bin", folder);
	const char *path = getenv("PATH");

	if (!t->ccache) {
		strv_addf(variables, "CC=%s", t->cc);
		return NULL;
	}
	TRY(mkdir_parents(bin, 0700));
	TRY(link_to_ccache(bin, "gcc", t->ccache));
	if (strchr(t->cc, '/')) {
		strv_addf(variables, "CC=%s %s", t->ccache, t->cc);
	} else {
		if (!streq(t->cc, "gcc"))
			TRY(link_to_ccache(bin, t->cc, t->ccache));
		strv_addf(variables, "CC=%s", t->cc);
	}
	strv_addf(env, "PATH=%s:%s", bin, path ? path : "/usr/bin:/bin");
	return NULL;
}

static void find_depmod(struct strv *variables)
{
	_cleanup_(free) char *found = find_program("depmod");

	if (found)
		strv_addf(variables, "DEPMOD=%s", found);
	else if (file_exists("/sbin/depmod")) /* not on the PATH of ordinary users everywhere */
		strv_add(variables, "DEPMOD=/sbin/depmod");
}

struct err *environment_prepare(const struct toolchain *t, const char *folder, const char *out, struct strv *env,
				struct strv *variables)
{
	for (char **v = environ; *v; v++) {
		if (is_removed(*v))
			strv_take(env, xstrndup(*v, strcspn(*v, "=")));
	}
	for (size_t i = 0; i < ARRAY_SIZE(set); i++)
		strv_add(env, set[i]);
	strv_add(variables, "ARCH=x86_64");
	TRY(use_ccache(t, folder, env, variables));
	/*
	 * The folder's name goes into the debug information. Without it, objects are the same wherever they are built,
	 * and ccache finds those that a kernel with other options left: it leaves the value of this flag out of what it
	 * compares (ccache(1), "Compiling in different directories").
	 */
	strv_addf(variables, "KCFLAGS=-fdebug-prefix-map=%s=.", out);
	strv_addf(variables, "KAFLAGS=-fdebug-prefix-map=%s=.", out);
	find_depmod(variables);
	return NULL;
}
