/*
 * Fuzzes the search for an ELF file's build ID.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	_cleanup_(free) char *id = NULL;
	_cleanup_(err_destroy) struct err *e = NULL;
	size_t len;

	if (fd < 0)
		return 0;
	err_ignore(write_all(fd, data, size));
	e = build_id_read(path, &id);
	if (e) {
		if (err_code(e) != ERR_BAD_DATA && err_code(e) != ERR_NOT_FOUND)
			abort();
		return 0;
	}
	len = strlen(id);
	if (!len || len % 2 || strspn(id, "0123456789abcdef") != len)
		abort();
	return 0;
}
