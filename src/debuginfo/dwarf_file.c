#include "debuginfo/dwarf_file.h"

#include <errno.h>
#include <fcntl.h>

#include "base/util.h"

struct err *dwarf_file_error(const char *path)
{
	return err_create(ERR_BAD_DATA, "read debug information of %s: %s", path, dwarf_errmsg(-1));
}

struct err *dwarf_file_open(struct dwarf_file *f, const char *path)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf *dwarf;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	dwarf = dwarf_begin(fd, DWARF_C_READ);
	if (!dwarf)
		return dwarf_file_error(path);
	*f = (struct dwarf_file){ steal_fd(&fd), dwarf };
	return NULL;
}

void dwarf_file_deinit(struct dwarf_file *f)
{
	if (f->dwarf)
		dwarf_end(f->dwarf);
	closep(&f->fd);
	*f = (struct dwarf_file)DWARF_FILE_INIT;
}
