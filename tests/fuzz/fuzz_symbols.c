/*
 * Fuzzes the reader of ELF symbol tables, what finds a breakpoint's function in one, and the look at a busybox.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "cmd/gdb_break.h"
#include "debuginfo/old_names.h"
#include "debuginfo/symbols.h"
#include "initramfs/busybox.h"

static void resolve(const struct gdb_break_scope *scope, const char *where)
{
	_cleanup_(gdb_break_deinit) struct gdb_break b = GDB_BREAK_INIT;
	_cleanup_(free) char *note = NULL;

	err_ignore(gdb_break_resolve(scope, where, &b, &note));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(symbols_destroy) struct symbols *s = NULL;
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *name = NULL, *note = NULL;
	struct gdb_break_scope scope = { .build_dir = NULL };
	struct err *e = write_all(fd, data, size);

	if (!e) {
		err_ignore(busybox_check(path));
		e = symbols_open(path, &s);
	}
	if (e) {
		err_destroy(e);
		return 0;
	}
	scope.symbols = s;
	scope.vmlinux = path;
	resolve(&scope, "do_fork");
	resolve(&scope, "kernel_clon+4");
	resolve(&scope, "module:function if x");
	symbols_find_function(s, "kernel_clone", NULL);
	symbols_near(s, "kernel_clon", 5, &near);
	old_name_translate(s, "sys_open", &name, &note);
	return 0;
}
