#include "debuginfo/alloc_sections.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#include "base/util.h"

DEFINE_CLEANUP(Elf *, elf_end);

void alloc_sections_deinit(struct alloc_sections *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	*s = (struct alloc_sections)ALLOC_SECTIONS_INIT;
}

static struct err *broken(const char *path)
{
	return err_create(ERR_BAD_DATA, "%s is a broken ELF file (%s); build it again", path, elf_errmsg(-1));
}

struct err *alloc_sections_read(const char *path, struct alloc_sections *ret)
{
	_cleanup_(alloc_sections_deinit) struct alloc_sections found = ALLOC_SECTIONS_INIT;
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(elf_end) Elf *elf = NULL;
	size_t n, names;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		return err_create(ERR_BAD_DATA, "%s is not an ELF file", path);
	if (elf_getshdrnum(elf, &n) < 0 || elf_getshdrstrndx(elf, &names) < 0)
		return broken(path);
	found.v = xcalloc(n ? n : 1, sizeof(*found.v));
	for (Elf_Scn *section = NULL; found.n < n && (section = elf_nextscn(elf, section));) {
		const char *name;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			return broken(path);
		if (header.sh_type == SHT_NULL || !(header.sh_flags & SHF_ALLOC))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (!name)
			return broken(path);
		found.v[found.n++] = (struct alloc_section){ xstrdup(name), header.sh_size };
	}
	*ret = found;
	found = (struct alloc_sections)ALLOC_SECTIONS_INIT;
	return NULL;
}

bool alloc_sections_clear_addresses(void *data, size_t len)
{
	uint8_t *bytes = data;
	bool cleared = false;
	Elf64_Ehdr head;
	Elf64_Shdr section;

	if (len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_type != ET_REL || head.e_shentsize != sizeof(section) ||
	    head.e_shoff > len || (len - head.e_shoff) / sizeof(section) < head.e_shnum)
		return false;
	for (size_t i = 0; i < head.e_shnum; i++) {
		uint8_t *at = bytes + head.e_shoff + i * sizeof(section);

		memcpy(&section, at, sizeof(section));
		if (!section.sh_addr)
			continue;
		section.sh_addr = 0;
		memcpy(at, &section, sizeof(section));
		cleared = true;
	}
	return cleared;
}
