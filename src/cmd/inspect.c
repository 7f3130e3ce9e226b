#include "cmd/inspect.h"

#include <glob.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/paths.h"
#include "cmd/lend.h"
#include "kbuild/manifest.h"
#include "kernel/vmcoreinfo.h"
#include "supervisor/control.h"
#include "vm/ram.h"

enum { BUILD_ID_DIGITS_MIN = 4, MANIFEST_MAX = 1 << 20 };

void inspect_deinit(struct inspect *in)
{
	kernel_destroy(in->kernel);
	mem_destroy(in->mem);
	vm_record_destroy(in->vm);
	free(in->build_id);
	free(in->vmlinux);
	/* A guest that stands still for our sake goes on. */
	closep(&in->sock);
	closep(&in->lent_fd);
	*in = (struct inspect)INSPECT_INIT;
}

static struct err *open_vm(struct config *cfg, struct inspect *in)
{
	const char *name = config_origin(cfg, OPT_VM_NAME) ? config_string(cfg, OPT_VM_NAME) : NULL;
	struct mem_range ranges[VM_RAM_RANGES_MAX];
	_cleanup_(close) int ram = -1;
	uint64_t size;

	TRY(rundir_find(name, &in->vm));
	TRY(rundir_connect(in->vm, "control.sock", &in->sock));
	in->lent_fd = lend_borrowed_fd();
	if (in->lent_fd >= 0) {
		TRY(lend_borrow(in->lent_fd, &in->mem, &in->lent_slide));
	} else {
		TRY(control_ram(in->sock, &ram, &size));
		if (config_bool(cfg, OPT_INSPECT_STOP))
			TRY(control_hold(in->sock));
		TRY(mem_open_ram(ram, ranges, vm_ram_ranges(size, ranges), &in->mem));
	}
	if (in->vm->build_id)
		in->build_id = xstrdup(in->vm->build_id);
	if (in->vm->vmlinux)
		in->vmlinux = xstrdup(in->vm->vmlinux);
	return NULL;
}

/* Whether the manifest at path is that of a kernel with this build ID; *ret is its vmlinux then. */
static bool is_build_of(const char *path, const char *id, char **ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	struct err *e = read_file(path, MANIFEST_MAX, &text);

	if (!e)
		e = manifest_parse(path, buf_str(&text), text.len, &m);
	if (!e && m.build_id && m.vmlinux && streq(m.build_id, id))
		*ret = xstrdup(m.vmlinux);
	err_ignore(e);
	return *ret;
}

/* Among the kernels that were built here, and where distributions put the debug information of theirs. NULL: nowhere. */
static char *find_by_build_id(const char *id)
{
	_cleanup_(free) char *debug = xasprintf("/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2), *cache = NULL,
			     *pattern = NULL;
	struct err *e = cache_dir(&cache);
	char *found = NULL;
	glob_t files;

	err_ignore(e);
	pattern = xasprintf("%s/build/*/manifest.json", cache ? cache : "");
	if (cache && glob(pattern, GLOB_NOSORT, NULL, &files) == 0) {
		for (size_t i = 0; i < files.gl_pathc && !is_build_of(files.gl_pathv[i], id, &found); i++)
			;
		globfree(&files);
	}
	if (!found && file_exists(debug))
		found = steal(&debug);
	return found;
}

static struct err *open_core(const char *path, struct inspect *in)
{
	const char *text, *id;
	size_t n;

	TRY(mem_open_core(path, &in->mem));
	text = mem_core_vmcoreinfo(in->mem);
	id = text ? vmcoreinfo_find(text, strlen(text), "BUILD-ID", &n) : NULL;
	if (!id || n < BUILD_ID_DIGITS_MIN || n > BUILD_ID_DIGITS_MAX || strspn(id, "0123456789abcdef") < n)
		return NULL;
	in->build_id = xstrndup(id, n);
	in->vmlinux = find_by_build_id(in->build_id);
	return NULL;
}

/* A vmlinux that was named is believed more than what is known of the VM. */
static struct err *take_named_vmlinux(struct config *cfg, struct inspect *in)
{
	const char *named = config_string(cfg, OPT_GDB_VMLINUX);
	char *id;

	if (!named)
		return NULL;
	TRY(build_id_read(named, &id));
	free(in->build_id);
	in->build_id = id;
	free(in->vmlinux);
	in->vmlinux = xstrdup(named);
	return NULL;
}

struct err *inspect_identify(struct config *cfg, struct inspect *in)
{
	TRY(take_named_vmlinux(cfg, in));
	if (!in->build_id)
		return err_create(ERR_USAGE, "nothing says of which kernel %s is; name its vmlinux by --vmlinux",
				  in->vm ? "this VM" : config_string(cfg, OPT_INSPECT_CORE));
	TRY(layout_load(in->build_id, in->vmlinux, kernel_questions, KERNEL_FACTS_N, in->facts));
	return inspect_find_kernel(in);
}

struct err *inspect_open_code(const struct inspect *in, struct symbolizer **ret)
{
	_cleanup_(free) char *id = NULL;

	if (!in->vmlinux)
		return err_create(
			ERR_NOT_FOUND,
			"names and lines of code are in vmlinux, and none is known for the kernel with the build ID "
			"%s; name it by --vmlinux",
			in->build_id);
	TRY(build_id_read(in->vmlinux, &id));
	if (!streq(id, in->build_id))
		return err_create(
			ERR_BAD_DATA,
			"%s was built again since the kernel was booted: its build ID is %s, the kernel's is %s; boot "
			"again, or name the old one by --vmlinux",
			in->vmlinux, id, in->build_id);
	return symbolizer_create(in->vmlinux, kernel_slide(in->kernel), ret);
}

static struct err *open_guest(struct config *cfg, struct inspect *in)
{
	const char *core = config_string(cfg, OPT_INSPECT_CORE);

	if (core && config_is_said(cfg, OPT_INSPECT_CORE) && config_is_said(cfg, OPT_VM_NAME))
		return err_create(ERR_USAGE, "--core names a core file, and --name a VM: which of them is meant?");
	return core ? open_core(core, in) : open_vm(cfg, in);
}

static struct err *open_all(struct config *cfg, struct inspect *in)
{
	TRY(open_guest(cfg, in));
	return inspect_identify(cfg, in);
}

static struct err *open_by(struct err *(*open)(struct config *cfg, struct inspect *in), struct config *cfg,
			   struct inspect *ret)
{
	struct inspect in = INSPECT_INIT;
	struct err *e = open(cfg, &in);

	if (e)
		inspect_deinit(&in);
	else
		*ret = in;
	return e;
}

struct err *inspect_open_guest(struct config *cfg, struct inspect *ret)
{
	return open_by(open_guest, cfg, ret);
}

struct err *inspect_open(struct config *cfg, struct inspect *ret)
{
	return open_by(open_all, cfg, ret);
}
