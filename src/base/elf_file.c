#include "base/elf_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* How a file begins that was compressed by that program; NULL: it wasn't. */
static const char *compressed_by(int fd)
{
	static const struct {
		const char *program, *magic;
		size_t len;
	} kinds[] = {
		{ "gzip", "\x1f\x8b", 2 },
		{ "bzip2", "BZh", 3 },
		{ "xz",
		  "\xfd"
		  "7zXZ",
		  6 }, /* with the NUL */
		{ "zstd", "\x28\xb5\x2f\xfd", 4 },
	};
	char head[8] = { 0 };

	if (pread(fd, head, sizeof(head), 0) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (memcmp(head, kinds[i].magic, kinds[i].len) == 0)
			return kinds[i].program;
	}
	return NULL;
}

struct err *elf_file_open(const char *path, int *ret_fd, Elf **ret)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(elf_end) Elf *elf = NULL;
	const char *program;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	elf_version(EV_CURRENT);
	program = compressed_by(fd);
	elf = program ? dwelf_elf_begin(fd) : elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		if (program)
			return err_create(ERR_UNSUPPORTED,
					  "%s is compressed by %s, and can't be read here: elfutils was built without "
					  "it, or the file is damaged; unpack it beside it",
					  path, program);
		return err_create(ERR_BAD_DATA, "%s is not an ELF file", path);
	}
	*ret_fd = steal_fd(&fd);
	*ret = steal(&elf);
	return NULL;
}
