#include "cmd/gdb_running.h"

#include <unistd.h>

#include "base/buildid.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/control.h"

/* Of a vmlinux all notes together have some hundred bytes. */
enum { NOTES_MAX = 64 * 1024 };

/* RAM is one piece from address 0 up to what the machine has below 4 GB; a kernel lies at its beginning. */
static struct err *read_notes(const struct vm_record *vm, uint64_t address, void *notes, size_t size)
{
	_cleanup_(close) int sock = -1, ram = -1;
	uint64_t ram_size;

	TRY(rundir_connect(vm, "control.sock", &sock));
	TRY(control_ram(sock, &ram, &ram_size));
	if (address > ram_size || size > ram_size - address)
		return err_create(ERR_FAULT, "there is no memory where the kernel should be");
	if (pread(ram, notes, size, (off_t)address) != (ssize_t)size)
		return err_create(ERR_FAULT, "the guest's memory can't be read");
	return NULL;
}

static bool all_zero(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* *ret is NULL where no build ID is found; *ret_empty if nothing at all is there, as before the kernel is unpacked. */
static struct err *find_running_id(const struct vm_record *vm, const char *vmlinux, char **ret, bool *ret_empty)
{
	_cleanup_(free) unsigned char *notes = NULL;
	uint64_t address;
	size_t size;

	TRY(build_id_segment(vmlinux, &address, &size));
	size = MIN(size, (size_t)NOTES_MAX);
	notes = xmalloc(size);
	TRY(read_notes(vm, address, notes, size));
	*ret_empty = all_zero(notes, size);
	*ret = build_id_find(notes, size);
	return NULL;
}

struct err *gdb_check_running(const struct vm_record *vm, const char *vmlinux, const char *build_id)
{
	_cleanup_(free) char *running = NULL;
	bool empty = true;
	struct err *e;

	if (vm->kaslr)
		return NULL;
	e = find_running_id(vm, vmlinux, &running, &empty);
	if (e)
		log_debug("which kernel runs can't be seen: %s", err_message(e));
	err_destroy(e);
	/* While a bzImage unpacks itself, there is something else. */
	if (!running && !empty)
		log_warn(
			"%s may not be the kernel that runs: in the guest's memory its build ID is not where it should "
			"be",
			vmlinux);
	if (!running || streq(running, build_id))
		return NULL;
	return err_create(
		ERR_BAD_DATA,
		"%s is not the kernel that runs: its build ID is %s, that in the guest's memory %s; name the right "
		"one with --vmlinux",
		vmlinux, build_id, running);
}
