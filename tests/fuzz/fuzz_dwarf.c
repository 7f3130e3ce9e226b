/*
 * Fuzzes what is read from debug information: names of functions, and folders.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "base/util.h"
#include "debuginfo/inlined.h"
#include "debuginfo/source_paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(free) char *build = NULL, *source = NULL;
	bool found;

	if (fd < 0)
		return 0;
	err_ignore(write_all(fd, data, size));
	err_ignore(inlined_find(path, "went_away", &found));
	err_ignore(source_paths_read(path, &build, &source));
	return 0;
}
