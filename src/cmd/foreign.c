/*
 * Theory of operation
 *
 * A distribution's kernel has nearly everything as modules, its disks and folders of the host included; all of them
 * together have hundreds of megabytes. So init gets, in its image, those that the VM's own devices need, and a list of
 * them in the order in which they are loaded. All others stay on the host: the folder is a read-only share, mounted where
 * modprobe looks for it. What depmod makes is in the image, because a package that was only unpacked doesn't have it.
 */
#include "cmd/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/process.h"
#include "cmd/build.h"
#include "debuginfo/banner.h"
#include "debuginfo/symbols.h"
#include "initramfs/image.h"
#include "kbuild/bzimage.h"
#include "kbuild/module_deps.h"

enum { DEP_MAX = 16 << 20, LIST_MAX = 8191, HOLD_TRIES = 10 };

/*
 * What the VM is made of, and who in the kernel serves it. Where neither the symbol is in vmlinux nor the module there, the
 * user is told what won't work.
 */
static const struct need {
	const char *symbol;
	const char *module; /* NULL: it can't be one */
	const char *option;
	const char *what;
} needs[] = {
	{ "populate_rootfs", NULL, "BLK_DEV_INITRD", "it will not find an init" },
	{ "univ8250_console_init", NULL, "SERIAL_8250_CONSOLE", "nothing will be on the console" },
	{ "devtmpfs_create_node", NULL, "DEVTMPFS", "there will be no devices in /dev" },
	{ "virtio_pci_probe", "virtio_pci", "VIRTIO_PCI", "network, disks, shares and ktb's own port will be missing" },
	{ "virtcons_probe", "virtio_console", "VIRTIO_CONSOLE",
	  "the window's size doesn't reach the guest, nor what ktb asks of it" },
	{ "virtnet_probe", "virtio_net", "VIRTIO_NET", "there will be no network" },
	{ "virtblk_probe", "virtio_blk", "VIRTIO_BLK", "there will be no disks" },
	{ "v9fs_session_init", "9p", "9P_FS", "shares can't be mounted" },
	{ "p9_virtio_probe", "9pnet_virtio", "NET_9P_VIRTIO", "shares can't be mounted" },
	{ "ovl_fill_super", "overlay", "OVERLAY_FS", "a folder can't become the root" },
};

/* Loaded where they exist; that they don't is nothing to speak of. */
static const char *const further_modules[] = { "virtio_rng", "pvpanic_pci", "pvpanic", "qemu_fw_cfg" };
/* For a root on a disk. The checksums are asked for by name, by way of modprobe. */
static const char *const disk_modules[] = { "crc32c_generic", "crc32c_intel", "ext4", "xfs", "btrfs" };
/* What lies in /lib/modules/RELEASE. */
static const char *const module_folders[] = { "kernel", "updates", "extra" };

void foreign_deinit(struct foreign *f)
{
	char *const strings[] = { f->kernel, f->vmlinux, f->build_id, f->release, f->modules, f->index, f->dep };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(strings[i]);
	strv_deinit(&f->load);
	strv_deinit(&f->lacks);
	*f = (struct foreign)FOREIGN_INIT;
}

bool foreign_is_asked_for(const struct config *cfg)
{
	return config_string(cfg, OPT_VM_KERNEL) != NULL;
}

struct err *foreign_check_options(const struct config *cfg)
{
	static const enum option_id ids[] = { OPT_VM_VMLINUX, OPT_VM_MODULES };

	for (size_t i = 0; !foreign_is_asked_for(cfg) && i < ARRAY_SIZE(ids); i++) {
		if (config_string(cfg, ids[i]))
			return err_create(ERR_USAGE,
					  "--%s goes with a kernel that was built elsewhere: name that with "
					  "--kernel",
					  options[ids[i]].name);
	}
	return NULL;
}

/* --- The kernel --- */

static struct err *read_start(const char *path, struct buf *b)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_create(ERR_NOT_FOUND, "--kernel: there is no file %s", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "--kernel: open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_create(ERR_USAGE, "--kernel: %s is not a file", path);
	n = pread(fd, buf_reserve(b, BZIMAGE_HEADER_MAX), BZIMAGE_HEADER_MAX, 0);
	if (n < 0)
		return err_os(errno, "--kernel: read %s", path);
	buf_commit(b, (size_t)n);
	return NULL;
}

static struct err *check_together(const struct foreign *f, const char *version)
{
	_cleanup_(free) char *banner = NULL;

	if (!f->vmlinux || !version)
		return NULL;
	TRY(banner_read(f->vmlinux, &banner));
	if (!banner || bzimage_matches_banner(version, banner))
		return NULL;
	return err_create(ERR_BAD_DATA, "%s and %s are not of the same build.\n  the kernel:  %s\n  the symbols: %s",
			  f->kernel, f->vmlinux, version, strip(banner));
}

static struct err *read_vmlinux(const char *path, struct foreign *f)
{
	struct err *e;

	f->vmlinux = xstrdup(path);
	e = build_id_read(path, &f->build_id);
	if (!e || err_code(e) != ERR_NOT_FOUND)
		return err_wrap(e, "--vmlinux");
	log_warn("%s has no build ID, so nothing shows whether it is the kernel that runs", path);
	err_destroy(e);
	return NULL;
}

/* An ELF file is its own vmlinux. */
static struct err *read_elf(const struct config *cfg, struct foreign *f)
{
	_cleanup_(free) char *banner = NULL;
	const char *rest;

	if (config_bool(cfg, OPT_VM_KASLR))
		return err_create(ERR_USAGE,
				  "--kaslr: %s has no decompressor that could choose the kernel's place; name "
				  "the bzImage",
				  f->kernel);
	TRY(banner_read(f->kernel, &banner));
	rest = banner ? skip_prefix(banner, "Linux version ") : NULL;
	if (!rest)
		return err_create(ERR_USAGE,
				  "--kernel: %s is not a kernel that can be booted (there is no code in it, or "
				  "it isn't Linux)",
				  f->kernel);
	TRY(bzimage_release(rest, &f->release));
	if (!f->vmlinux)
		TRY(read_vmlinux(f->kernel, f));
	return NULL;
}

static struct err *read_bzimage(const struct buf *start, struct foreign *f)
{
	_cleanup_(free) char *version = NULL;
	struct err *e = bzimage_version(start->data, start->len, &version);

	f->decompresses = true;
	if (e && err_code(e) == ERR_NOT_FOUND) {
		log_debug("%s: %s", f->kernel, err_message(e));
		err_destroy(e);
		return NULL;
	}
	TRY(e);
	TRY(err_wrap(bzimage_release(version, &f->release), "--kernel: %s", f->kernel));
	return check_together(f, version);
}

static struct err *read_kernel(const struct config *cfg, struct foreign *f)
{
	const char *vmlinux = config_string(cfg, OPT_VM_VMLINUX);
	_cleanup_(buf_deinit) struct buf start = BUF_INIT;

	f->kernel = xstrdup(config_string(cfg, OPT_VM_KERNEL));
	TRY(read_start(f->kernel, &start));
	if (vmlinux)
		TRY(read_vmlinux(vmlinux, f));
	if (start.len >= 4 && memcmp(start.data, "\177ELF", 4) == 0)
		return read_elf(cfg, f);
	if (bzimage_is(start.data, start.len))
		return read_bzimage(&start, f);
	return err_create(
		ERR_USAGE,
		"--kernel: %s is neither a bzImage for x86 (a distribution's /boot/vmlinuz-... is one) nor an ELF "
		"vmlinux",
		f->kernel);
}

/* --- Modules --- */

/* DIR may be a root, what is in its /lib/modules, or the folder of the release itself. */
static struct err *find_modules(const char *dir, struct foreign *f)
{
	static const char *const folders[] = { "/lib/modules", "/usr/lib/modules", "" };
	const char *slash;

	if (!is_directory(dir))
		return err_create(ERR_NOT_FOUND, "--modules: there is no folder %s", dir);
	if (!f->release)
		return err_create(ERR_USAGE,
				  "--modules: %s doesn't say which release it is, so which modules are its own "
				  "can't be known",
				  f->kernel);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_(free) char *path = xasprintf("%s%s/%s", dir, folders[i], f->release);

		if (is_directory(path)) {
			f->modules = realpath(path, NULL);
			if (f->modules)
				return NULL;
		}
	}
	slash = strrchr(dir, '/');
	if (slash && streq(slash + 1, f->release)) {
		f->modules = realpath(dir, NULL);
		if (f->modules)
			return NULL;
	}
	return err_create(
		ERR_NOT_FOUND,
		"--modules: there are no modules of %s in %s: neither lib/modules/%s nor %s is in it, nor is it "
		"that folder",
		f->release, dir, f->release, f->release);
}

/* What depmod makes and what it reads, beside the modules themselves. */
static bool is_index_file(const char *name)
{
	return skip_prefix(name, "modules.") != NULL;
}

/*
 * A folder as depmod wants it, whose modules are links to the real ones: what it writes is in ours, and theirs stays as it
 * is.
 */
static struct err *make_links(const struct foreign *f, const char *folder)
{
	_cleanup_(closedir) DIR *dir = opendir(f->modules);

	if (!dir)
		return err_os(errno, "--modules: read %s", f->modules);
	TRY(mkdir_parents(folder, 0700));
	for (struct dirent *d; (d = readdir(dir));) {
		_cleanup_(free) char *target = xasprintf("%s/%s", f->modules, d->d_name);
		_cleanup_(free) char *link = xasprintf("%s/%s", folder, d->d_name);

		if (*d->d_name != '.' && symlink(target, link) < 0)
			return err_os(errno, "make %s", link);
	}
	return NULL;
}

static struct err *run_depmod(const struct foreign *f, const char *base)
{
	const char *const argv[] = { "depmod", "-b", base, f->release, NULL };
	const char *programs = getenv("PATH");
	/* It is where ordinary users don't look for programs. */
	_cleanup_(free) char *path = xasprintf("PATH=%s:/usr/sbin:/sbin", programs ? programs : "/usr/bin:/bin");
	const char *const env[] = { path, NULL };
	_cleanup_(free) char *folder = xasprintf("%s/lib/modules/%s", base, f->release);

	TRY(make_links(f, folder));
	return err_wrap(process_run(argv, NULL, env, NULL), "--modules: find out what the modules need");
}

/* Another name if the modules were installed anew. */
static struct err *index_key(const struct foreign *f, struct digest *ret)
{
	static const char *const names[] = { "", "/kernel", "/modules.order", "/modules.builtin" };
	_cleanup_(hash_destroy) struct hash *h = NULL;

	TRY(hash_create(&h));
	hash_string(h, f->modules);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(free) char *path = xasprintf("%s%s", f->modules, names[i]);
		struct stat st = { .st_size = 0 };
		uint64_t numbers[4];

		if (stat(path, &st) < 0)
			st = (struct stat){ .st_size = -1 };
		numbers[0] = (uint64_t)st.st_ino;
		numbers[1] = (uint64_t)st.st_size;
		numbers[2] = (uint64_t)st.st_mtim.tv_sec;
		numbers[3] = (uint64_t)st.st_mtim.tv_nsec;
		hash_update(h, numbers, sizeof(numbers));
	}
	hash_final(h, ret);
	return NULL;
}

static struct err *make_index(const struct foreign *f, const char *folder, const char *kept)
{
	_cleanup_(free) char *base = xasprintf("%s/new-XXXXXX", folder), *lock = NULL;
	_cleanup_(close) int lock_fd = -1;
	struct err *e;

	if (!mkdtemp(base))
		return err_os(errno, "make a folder in %s", folder);
	lock = xasprintf("%s/in-use", base);
	e = lock_file_shared(lock, &lock_fd);
	if (!e)
		e = run_depmod(f, base);
	/* Another one may have been faster. */
	if (!e && rename(base, kept) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		e = err_os(errno, "rename %s to %s", base, kept);
	if (file_exists(base))
		err_ignore(remove_tree(base));
	return e;
}

/* From here on nobody who cleans the cache takes it away. The lock's time says when it was used. */
static struct err *hold_index(struct foreign *f, const char *folder, const char *kept)
{
	_cleanup_(free) char *lock = xasprintf("%s/in-use", kept);

	TRY(mkdir_parents(folder, 0700));
	if (!file_exists(kept))
		TRY(make_index(f, folder, kept));
	TRY(lock_file_shared(lock, &f->index_fd));
	futimens(f->index_fd, NULL);
	return NULL;
}

/* A package that was only unpacked has no modules.dep; it is made once, in the cache. */
static struct err *keep_index(struct foreign *f)
{
	_cleanup_(free) char *cache = NULL, *folder = NULL, *kept = NULL;
	struct digest key;
	struct err *e = NULL;

	TRY(cache_dir(&cache));
	TRY(index_key(f, &key));
	folder = xasprintf("%s/depmod", cache);
	kept = xasprintf("%s/%s", folder, key.hex);
	f->index = xasprintf("%s/lib/modules/%s", kept, f->release);
	for (int i = 0; i < HOLD_TRIES; i++) {
		err_destroy(e);
		e = hold_index(f, folder, kept);
		if (!e || err_errno(e) != ENOENT)
			return e;
	}
	return e;
}

/* What depmod made when the modules were installed. */
static void find_index(struct foreign *f)
{
	_cleanup_(free) char *ready = xasprintf("%s/modules.dep.bin", f->modules);

	if (file_exists(ready))
		f->index = xstrdup(f->modules);
}

static struct err *read_dependencies(struct foreign *f)
{
	_cleanup_(free) char *path = xasprintf("%s/modules.dep", f->index);
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	TRY(read_file(path, DEP_MAX, &b));
	f->dep = xstrdup(buf_str(&b));
	return NULL;
}

/* Of modules without an index nobody knows which they are. */
static bool may_have_module(const struct foreign *f, const char *name)
{
	_cleanup_(strv_deinit) struct strv paths = STRV_INIT;

	return f->dep ? module_deps_add(f->dep, name, &paths) : f->modules != NULL;
}

static void choose_modules(const struct config *cfg, struct foreign *f)
{
	const char *root = config_string(cfg, OPT_VM_ROOT);

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if (needs[i].module)
			(void)module_deps_add(f->dep, needs[i].module, &f->load);
	}
	for (size_t i = 0; i < ARRAY_SIZE(further_modules); i++)
		(void)module_deps_add(f->dep, further_modules[i], &f->load);
	for (size_t i = 0; root && skip_prefix(root, "/dev/") && i < ARRAY_SIZE(disk_modules); i++)
		(void)module_deps_add(f->dep, disk_modules[i], &f->load);
}

static struct err *find_lacks(struct foreign *f)
{
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;

	if (!f->vmlinux)
		return NULL;
	TRY(err_wrap(symbols_open(f->vmlinux, &symbols), "--vmlinux"));
	if (!symbols_functions_n(symbols))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		const struct need *n = &needs[i];

		if (symbols_find_function(symbols, n->symbol, NULL) || (n->module && may_have_module(f, n->module)))
			continue;
		strv_addf(&f->lacks, "%s%s: %s", n->option,
			  n->module && !f->modules ? " (or has it as a module, and there is no --modules)" : "",
			  n->what);
	}
	return NULL;
}

static struct err *prepare(const struct config *cfg, bool look_only, struct foreign *f)
{
	const char *modules = config_string(cfg, OPT_VM_MODULES);

	TRY(read_kernel(cfg, f));
	if (modules) {
		TRY(find_modules(modules, f));
		find_index(f);
	}
	if (f->modules && !f->index && !look_only)
		TRY(keep_index(f));
	if (f->index) {
		TRY(read_dependencies(f));
		choose_modules(cfg, f);
	}
	return find_lacks(f);
}

struct err *foreign_look(const struct config *cfg, struct foreign *ret)
{
	_cleanup_(foreign_deinit) struct foreign f = FOREIGN_INIT;

	TRY(prepare(cfg, true, &f));
	*ret = f;
	f = (struct foreign)FOREIGN_INIT;
	return NULL;
}

struct err *foreign_prepare(const struct config *cfg, struct foreign *ret)
{
	_cleanup_(foreign_deinit) struct foreign f = FOREIGN_INIT;

	TRY(prepare(cfg, false, &f));
	for (size_t i = 0; i < f.lacks.n; i++)
		log_warn("this kernel lacks %s", f.lacks.v[i]);
	*ret = f;
	f = (struct foreign)FOREIGN_INIT;
	return NULL;
}

/* --- The image --- */

struct extras {
	struct initramfs_extra *v;
	size_t n;
	struct strv strings;
};

static void extras_deinit(struct extras *x)
{
	free(x->v);
	strv_deinit(&x->strings);
}
DEFINE_CLEANUP_STORAGE(struct extras, extras_deinit);

/* Takes name and source. */
static void add_extra(struct extras *x, char *name, char *source, const char *text)
{
	strv_take(&x->strings, name);
	if (source)
		strv_take(&x->strings, source);
	x->v = xreallocarray(x->v, x->n + 1, sizeof(*x->v));
	x->v[x->n++] = (struct initramfs_extra){ name, source, text };
}

static struct err *add_index(const struct foreign *f, struct extras *x)
{
	_cleanup_(closedir) DIR *dir = opendir(f->index);

	if (!dir)
		return err_os(errno, "read %s", f->index);
	for (struct dirent *d; (d = readdir(dir));) {
		if (is_index_file(d->d_name))
			add_extra(x, xasprintf("lib/modules/%s/%s", f->release, d->d_name),
				  xasprintf("%s/%s", f->index, d->d_name), NULL);
	}
	return NULL;
}

static struct err *add_modules(const struct foreign *f, struct extras *x, struct buf *list)
{
	for (size_t i = 0; i < f->load.n; i++) {
		char *name = xasprintf("lib/modules/%s/%s", f->release, f->load.v[i]);

		buf_printf(list, "/%s\n", name);
		add_extra(x, name, xasprintf("%s/%s", f->modules, f->load.v[i]), NULL);
	}
	if (list->len > LIST_MAX)
		return err_create(ERR_UNSUPPORTED, "the list of modules that the guest is to load is too long");
	add_extra(x, xstrdup("etc/ktb-modules"), NULL, buf_str(list));
	return add_index(f, x);
}

struct err *foreign_share(const struct foreign *f, struct attach *a)
{
	if (!f->modules)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(module_folders); i++) {
		_cleanup_(free) char *host = xasprintf("%s/%s", f->modules, module_folders[i]);
		_cleanup_(free) char *text = xasprintf("%s:/lib/modules/%s/%s", host, f->release, module_folders[i]);

		if (is_directory(host))
			TRY(attach_add_share(a, text));
	}
	return NULL;
}

struct err *foreign_image(const struct config *cfg, const struct foreign *f, char **ret)
{
	_cleanup_(extras_deinit) struct extras x = { .v = NULL };
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;

	if (f->modules)
		TRY(add_modules(f, &x, &list));
	return build_image_with(cfg, NULL, x.v, x.n, ret);
}
