#include "debuginfo/banner.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>

#include "base/util.h"

/* .rodata of a large kernel has some 10 MB. */
enum { RODATA_MAX = 256 << 20, BANNER_MAX = 1024 };

DEFINE_CLEANUP(Elf *, elf_end);

/* A "%s" behind it is a format for such a text, linux_proc_banner. */
static char *find_banner(const char *data, size_t len)
{
	static const char begin[] = "Linux version ";
	const char *p = data, *end = data + len;

	while ((p = memmem(p, (size_t)(end - p), begin, strlen(begin)))) {
		size_t n = strnlen(p, MIN((size_t)(end - p), (size_t)BANNER_MAX));
		_cleanup_(free) char *text = xstrndup(p, n);

		if (!strchr(text, '%') && strstr(text, " #"))
			return steal(&text);
		p++;
	}
	return NULL;
}

static bool is_rodata(Elf *elf, size_t names, Elf_Scn *section)
{
	const char *name;
	GElf_Shdr sh;

	if (!gelf_getshdr(section, &sh) || sh.sh_type != SHT_PROGBITS || sh.sh_size > RODATA_MAX)
		return false;
	name = elf_strptr(elf, names, sh.sh_name);
	return name && (streq(name, ".rodata") || streq(name, ".init.rodata"));
}

struct err *banner_read(const char *path, char **ret)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(elf_end) Elf *elf = NULL;
	Elf_Scn *section = NULL;
	char *found = NULL;
	size_t names;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &names) != 0)
		return err_create(ERR_BAD_DATA, "%s is not an ELF file", path);
	while (!found && (section = elf_nextscn(elf, section))) {
		const Elf_Data *data = is_rodata(elf, names, section) ? elf_rawdata(section, NULL) : NULL;

		if (data && data->d_buf)
			found = find_banner(data->d_buf, data->d_size);
	}
	*ret = found;
	return NULL;
}
