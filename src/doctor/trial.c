/*
 * The VM that would be started: what of the host it is given, and whether QEMU makes it. QEMU is run with the same
 * arguments, the CPUs held, and told to quit at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/process.h"
#include "base/util.h"
#include "doctor/check.h"
#include "supervisor/rundir.h"
#include "vm/argv.h"

enum { QEMU_TIMEOUT_MS = 8000, MESSAGES_MAX = 1 << 16 };

/* A VM of this name runs: then ports and disks are its own, and no other one would be started with them. */
static bool is_running(const struct doctor *d)
{
	const char *name = config_string(d->cfg, OPT_VM_NAME);
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(err_destroy) struct err *e = name ? rundir_find(name, &vm) : NULL;

	return vm != NULL;
}

static void add_count(struct buf *b, size_t n, const char *one)
{
	if (n)
		buf_printf(b, "%s%zu %s%s", b->len ? ", " : "", n, one, n == 1 ? "" : "s");
}

struct err *check_attach(struct doctor *d)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(buf_deinit) struct buf found = BUF_INIT;
	struct err *e = d->ops->attach(d->cfg, &a);

	if (e && err_errno(e) == EADDRINUSE && is_running(d)) {
		say(d, DOCTOR_OK, xasprintf("VM '%s', which runs, has them", config_string(d->cfg, OPT_VM_NAME)), NULL,
		    NULL);
		err_destroy(e);
		return NULL;
	}
	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "the VM won't start",
			  "correct vm.share, vm.image, vm.root, vm.init or vm.forward (--share, --image, --root, "
			  "--init, --forward)");
		return NULL;
	}
	add_count(&found, a.shares_n + (a.root != NULL), "folder");
	add_count(&found, a.disks_n, "disk");
	add_count(&found, a.forwards_n, "port");
	say(d, DOCTOR_OK, found.len ? xasprintf("all there: %s", buf_str(&found)) : xstrdup("none is asked for"), NULL,
	    NULL);
	return NULL;
}

/* --- Whether QEMU makes the machine --- */

/* Runs QEMU with the keys that end it waiting on its console. */
static struct err *run_qemu(const struct strv *argv, struct buf *messages, int *ret_status)
{
	static const char end[] = "\001x";
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(close) int keys = -1, hold = -1, err_read = -1, err_write = -1;
	_cleanup_(close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct process_options o = PROCESS_OPTIONS_INIT;
	struct err *e;

	TRY(process_pipe(&keys, &hold));
	TRY(process_pipe(&err_read, &err_write));
	TRY(write_all(hold, end, strlen(end)));
	o.argv = (const char *const *)argv->v;
	o.stdin_fd = keys;
	o.stdout_fd = null_fd;
	o.stderr_fd = err_write;
	o.die_with_parent = true;
	TRY(process_spawn(&o, &p));
	close(steal_fd(&err_write));
	e = process_wait_timeout(&p, QEMU_TIMEOUT_MS, ret_status);
	process_deinit(&p);
	if (!e)
		e = read_fd(err_read, "QEMU's messages", MESSAGES_MAX, messages);
	return e;
}

/*
 * Of a disk that can be written QEMU takes the lock as the VM would; a raw one is not changed by that. To open a qcow2 image
 * so may repair it, hence it is opened for reading, which whoever writes to it forbids, too.
 */
static void change_nothing(struct attach *a)
{
	for (size_t i = 0; i < a->disks_n; i++) {
		struct disk *disk = &a->disks[i];

		if (disk->snapshot || disk->format != DISK_RAW)
			disk->readonly = true;
		disk->snapshot = false;
	}
}

/* NULL: there is none, and it was said why. */
static const char *find_kernel(struct doctor *d)
{
	const struct doctor_foreign *f;
	const struct kbuild_inspection *i;
	struct err *e = inspect_foreign(d, &f);
	const char *kernel = NULL;

	if (!e && f->kernel)
		kernel = f->kernel;
	else if (!e)
		e = inspect_kernel(d, &i);
	if (!e && !kernel && i->complete)
		kernel = i->kernel.vmlinux;
	err_ignore(e);
	if (!kernel)
		say_text(d, DOCTOR_SKIPPED, "needs: kernel", NULL, NULL);
	return kernel;
}

static void say_failed(struct doctor *d, int status, const struct buf *messages)
{
	_cleanup_(free) char *how = process_describe_status(status);
	const char *text = messages->len ? strip(messages->data) : "";
	bool locked = strstr(text, "lock") && strstr(text, "using the image");

	say(d, DOCTOR_PROBLEM, xasprintf("QEMU doesn't make it (%s)%s%s", how, *text ? ": " : "", text),
	    xstrdup(locked ? "the VM won't start: another VM, or another program, has the image"
			   : "the VM won't start"),
	    xstrdup(locked ? "end that one, or copy the image; of one that no VM writes to, qemu-img create -f qcow2 "
			     "-F "
			     "raw -b FILE NEW.qcow2 makes each VM one of its own that only has the differences"
			   : "correct vm.qemu_arg, vm.cpus, vm.memory or vm.qemu; ktb vm --print-command shows the "
			     "whole command"));
}

struct err *check_machine(struct doctor *d)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	_cleanup_(buf_deinit) struct buf messages = BUF_INIT;
	_cleanup_(attach_deinit) struct attach attach = { .root = NULL };
	struct vm_params params = {
		.qemu = config_string(d->cfg, OPT_VM_QEMU),
		.name = "doctor",
		.kernel = find_kernel(d),
		.cmdline = "",
		.memory = config_number(d->cfg, OPT_VM_MEMORY) / MIB * MIB,
		.cpus = (unsigned int)MIN(config_number(d->cfg, OPT_VM_CPUS), UINT64_C(1024)),
		.wait = true,
		.extra_args = config_list(d->cfg, OPT_VM_QEMU_ARGS),
		/* A QEMU that has none is started without. */
		.no_sandbox = true,
	};
	int status;

	if (!params.kernel)
		return NULL;
	if (!is_running(d)) {
		TRY(d->ops->attach(d->cfg, &attach));
		change_nothing(&attach);
		params.attach = &attach;
	}
	vm_argv_by_hand(&params, 0, &argv);
	TRY(run_qemu(&argv, &messages, &status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		say_failed(d, status, &messages);
	else
		say(d, DOCTOR_OK,
		    xasprintf("QEMU makes it: %u CPUs, %llu MB, loaded with the kernel", params.cpus,
			      (unsigned long long)(params.memory / MIB)),
		    NULL, NULL);
	return NULL;
}
