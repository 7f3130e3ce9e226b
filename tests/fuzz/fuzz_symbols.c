/*
 * Fuzzes the reader of ELF symbol tables.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "debuginfo/old_names.h"
#include "debuginfo/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(symbols_destroy) struct symbols *s = NULL;
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *name = NULL, *note = NULL;
	struct err *e = write_all(fd, data, size);

	if (!e)
		e = symbols_open(path, &s);
	if (e) {
		err_destroy(e);
		return 0;
	}
	symbols_find_function(s, "kernel_clone", NULL);
	symbols_near(s, "kernel_clon", 5, &near);
	old_name_translate(s, "sys_open", &name, &note);
	return 0;
}
