/*
 * The table of checks, and how they speak: each thing that is said goes through a socket, as a frame of the status and
 * the three texts, since checks run in a process of their own (doctor.c).
 */
#include "doctor/check.h"

#include "base/fs.h"

enum { QUICK = 10, THOROUGH = 90 };

const struct doctor_check doctor_checks[] = {
	{ "machine", "kvm-access", "access to KVM", { NULL }, QUICK, check_kvm_access },
	{ "machine", "kvm", "KVM", { "kvm-access" }, QUICK, check_kvm },
	{ "machine", "qemu", "QEMU", { NULL }, QUICK, check_qemu },
	{ "machine", "gdb", "GDB", { NULL }, QUICK, check_gdb },
	{ "machine", "build-tools", "build tools", { NULL }, QUICK, check_build_tools },
	{ "machine", "userland", "guest's userland", { NULL }, QUICK, check_userland },
	{ "machine", "memory", "memory", { NULL }, QUICK, check_memory },
	{ "machine", "terminal", "terminal", { NULL }, QUICK, check_terminal },
	{ "kernel", "kernel", "kernel", { NULL }, THOROUGH, check_kernel },
	{ "kernel", "disk", "disk space", { NULL }, THOROUGH, check_disk },
	{ "kernel", "build-id", "build ID", { "kernel" }, QUICK, check_build_id },
	{ "kernel", "debug-info", "debug information", { "kernel" }, QUICK, check_debug_info },
	{ "kernel", "scripts", "helper scripts", { "kernel", "gdb" }, QUICK, check_scripts },
	{ "kernel", "options", "options", { "kernel" }, QUICK, check_options },
	{ "vm", "attach", "folders and disks", { NULL }, QUICK, check_attach },
	{ "vm", "machine", "machine", { "qemu", "attach" }, QUICK, check_machine },
	{ "vm", "port", "port", { NULL }, QUICK, check_port },
	{ "vm", "vm", "VMs", { NULL }, THOROUGH, check_vms },
	{ "vm", "vm-port", "VMs' debug ports", { NULL }, QUICK, check_vm_port },
	{ "vm", "vm-symbols", "VMs' symbols", { NULL }, THOROUGH, check_vm_symbols },
	{ "vm", "last-vm", "last VM", { NULL }, QUICK, check_last_vm },
};

const size_t doctor_checks_n = ARRAY_SIZE(doctor_checks);

static void put_text(struct buf *b, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;

	buf_append(b, &len, sizeof(len));
	buf_append(b, text ? text : "", len);
}

void say_text(struct doctor *d, enum doctor_status status, const char *found, const char *meaning, const char *remedy)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	buf_append(&b, &status, sizeof(status));
	put_text(&b, found);
	put_text(&b, meaning);
	put_text(&b, remedy);
	/* Who doesn't listen any more wants to know nothing. */
	err_ignore(write_all(d->fd, b.data, b.len));
}

void say(struct doctor *d, enum doctor_status status, char *found, char *meaning, char *remedy)
{
	say_text(d, status, found, meaning, remedy);
	free(found);
	free(meaning);
	free(remedy);
}

void say_error(struct doctor *d, enum doctor_status status, struct err *e, const char *meaning, const char *remedy)
{
	say_text(d, status, err_message(e), meaning, remedy);
	err_destroy(e);
}

struct err *inspect_kernel(struct doctor *d, const struct kbuild_inspection **ret)
{
	if (!d->inspected)
		TRY(d->ops->kernel(d->cfg, &d->inspection));
	d->inspected = true;
	*ret = &d->inspection;
	return NULL;
}

void doctor_foreign_deinit(struct doctor_foreign *f)
{
	free(f->kernel);
	free(f->release);
	free(f->vmlinux);
	strv_deinit(&f->lacks);
	*f = (struct doctor_foreign){ .kernel = NULL };
}

struct err *inspect_foreign(struct doctor *d, const struct doctor_foreign **ret)
{
	if (!d->foreign_seen)
		TRY(d->ops->foreign(d->cfg, &d->foreign));
	d->foreign_seen = true;
	*ret = &d->foreign;
	return NULL;
}

bool is_foreign(struct doctor *d, bool say_so)
{
	const char *kernel = config_string(d->cfg, OPT_VM_KERNEL);

	if (kernel && say_so)
		say(d, DOCTOR_SKIPPED, xasprintf("vm.kernel: %s was built elsewhere", kernel), NULL, NULL);
	return kernel != NULL;
}
