#include <errno.h>
#include <fcntl.h>

#include "base/buf.h"
#include "base/buildid.h"
#include "base/log.h"
#include "base/paths.h"
#include "cmd/build.h"
#include "cmd/cmd.h"
#include "cmd/guest.h"
#include "guest/transfer.h"
#include "kbuild/module.h"

/* The kernel that it is built against: the VM's, or the one that the configuration asks for. */
static struct err *use_vm(const struct vm_record *vm, struct module_params *p)
{
	_cleanup_(free) char *vmlinux = NULL, *build_id = NULL;

	if (!vm->build_dir || !vm->srctree)
		return err_create(ERR_USAGE,
				  "VM '%s' runs a kernel that ktb didn't build: there is nothing to build modules "
				  "against",
				  vm->name);
	vmlinux = xasprintf("%s/vmlinux", vm->build_dir);
	TRY(build_id_read(vmlinux, &build_id));
	if (vm->build_id && !streq(build_id, vm->build_id))
		return err_create(ERR_USAGE, "the kernel was built anew since VM '%s' was started; start that again",
				  vm->name);
	p->out = vm->build_dir;
	p->tree = vm->srctree;
	return NULL;
}

static struct err *build(const struct config *cfg, const char *folder, const struct vm_record *vm, struct strv *ret)
{
	_cleanup_(kbuild_result_destroy) struct kbuild_result *kernel = NULL;
	_cleanup_(free) char *cache = NULL;
	const char *cc = config_string(cfg, OPT_KERNEL_CC);
	struct module_params p = {
		.folder = folder,
		.cc = cc ? cc : "gcc",
		.ccache = config_bool(cfg, OPT_KERNEL_CCACHE),
		.jobs = (unsigned int)MIN(config_number(cfg, OPT_KERNEL_JOBS), UINT64_C(1024)),
	};

	TRY(cache_dir(&cache));
	p.cache = cache;
	if (vm) {
		TRY(use_vm(vm, &p));
	} else {
		TRY(build_kernel(cfg, &kernel));
		p.out = kernel->kernel.out;
		p.tree = kernel->kernel.source_tree;
	}
	return module_build(&p, ret);
}

/* Lines of the kernel's, and of the agent's worker; the guest may have put anything into them. */
static void show_lines(const struct buf *text)
{
	_cleanup_(free) char *copy = xstrndup(buf_str(text), text->len);
	char *rest = copy, *line;

	for (char *c = copy; *c; c++) {
		if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			*c = '?';
	}
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			log_info("kernel: %s", line);
	}
}

static struct err *explain(const char *module, int error)
{
	if (error == EEXIST)
		return err_create(ERR_OS,
				  "insert %s: a module of that name is there; remove it first: ktb exec -- rmmod %s",
				  module, module);
	return err_os(error, "insert %s", module);
}

static struct err *insert(const struct vm_record *vm, const char *path, const char *parameters)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct guest_command command = {
		.vm = vm, .args = &args, .builtin = true, .out = -1, .err = -1, .text = &text
	};
	const char *slash = strrchr(path, '/');
	_cleanup_(free) char *name = xstrdup(slash ? slash + 1 : path);
	int status = 0;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	/* NAME.ko, and the kernel has no - in names. */
	name[strlen(name) - strlen(".ko")] = '\0';
	for (char *c = name; *c; c++) {
		if (*c == '-')
			*c = '_';
	}
	strv_add(&args, KTB_LOAD);
	strv_add(&args, parameters);
	command.in = fd;
	TRY(guest_run(&command, &status));
	show_lines(&text);
	if (status >= GUEST_SIGNALLED)
		return err_create(ERR_CLOSED, "insert %s: the worker in the guest was killed: see ktb console", name);
	if (status)
		return explain(name, status);
	log_info("module %s is inserted", name);
	return NULL;
}

static struct err *cmd_module(struct config *cfg, const struct strv *positional, const struct strv *rest,
			      int *ret_status)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(strv_deinit) struct strv modules = STRV_INIT;
	_cleanup_(free) char *parameters = strv_join(rest, " ");
	bool load = config_bool(cfg, OPT_MODULE_LOAD);

	(void)ret_status;
	if (positional->n != 1)
		return err_create(ERR_USAGE, "ktb module needs the folder of one module");
	if (rest->n && !load)
		return err_create(ERR_USAGE, "parameters for the module (%s) need --load", parameters);
	/* A ktb.conf that names a VM does so for whenever that runs. */
	if (load || config_is_said(cfg, OPT_VM_NAME))
		TRY(guest_find_vm(cfg, &vm));
	TRY(build(cfg, positional->v[0], vm, &modules));
	if (rest->n && modules.n > 1)
		return err_create(ERR_USAGE, "there are several modules, and parameters can't be for all of them");
	for (size_t i = 0; i < modules.n; i++)
		puts(modules.v[i]);
	for (size_t i = 0; load && i < modules.n; i++)
		TRY(insert(vm, modules.v[i], parameters));
	return NULL;
}

const struct command command_module = {
	.id = COMMAND_MODULE,
	.name = "module",
	.args = "DIR",
	.summary = "build a module out of the kernel's tree, and load it",
	.description =
		"Builds the modules of a folder with a Kbuild file or a Makefile (obj-m := NAME.o), and prints their\n"
		"paths. Nothing is written to the folder: make works on links to its files, in the cache. So what the\n"
		"Makefile names outside of the folder it must name by an absolute path.\n"
		"\n"
		"They are built for the kernel that ktb build would build; with --name for the one that this VM runs.\n"
		"With --load they are built for the running VM, too, and inserted there, with the parameters behind "
		"--;\n"
		"what the kernel says to it is shown.",
	.examples = "  ktb module ./hello\n"
		    "  ktb module ./hello --name vm\n"
		    "  ktb module ./hello --load -- answer=42\n"
		    "  ktb exec -- rmmod hello",
	.takes_rest = true,
	.run = cmd_module,
};
