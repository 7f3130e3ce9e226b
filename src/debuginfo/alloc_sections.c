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

/* False: that is no relocatable file, or not all of it. */
static bool read_head(const void *data, size_t len, Elf64_Ehdr *ret)
{
	if (len < sizeof(*ret))
		return false;
	memcpy(ret, data, sizeof(*ret));
	return memcmp(ret->e_ident, ELFMAG, SELFMAG) == 0 && ret->e_ident[EI_CLASS] == ELFCLASS64 &&
	       ret->e_ident[EI_DATA] == ELFDATA2LSB && ret->e_type == ET_REL &&
	       ret->e_shentsize == sizeof(Elf64_Shdr) && ret->e_shoff <= len &&
	       (len - ret->e_shoff) / sizeof(Elf64_Shdr) >= ret->e_shnum;
}

bool alloc_sections_clear_addresses(void *data, size_t len)
{
	uint8_t *bytes = data;
	bool cleared = false;
	Elf64_Ehdr head;
	Elf64_Shdr section;

	if (!read_head(data, len, &head))
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

/* Code is what matters most. */
static bool is_better(const Elf64_Shdr *section, const Elf64_Shdr *than)
{
	return !than->sh_size || (section->sh_flags & SHF_EXECINSTR && !(than->sh_flags & SHF_EXECINSTR));
}

static void add_segment(struct buf *file, Elf64_Ehdr *head, const Elf64_Shdr *section)
{
	const Elf64_Phdr segment = {
		.p_type = PT_LOAD,
		.p_flags = PF_R | (section->sh_flags & SHF_EXECINSTR ? PF_X : 0) |
			   (section->sh_flags & SHF_WRITE ? PF_W : 0),
		.p_offset = section->sh_offset,
		.p_vaddr = section->sh_addr,
		.p_paddr = section->sh_addr,
		.p_filesz = section->sh_type == SHT_NOBITS ? 0 : section->sh_size,
		.p_memsz = section->sh_size,
		.p_align = 1,
	};

	while (file->len % sizeof(uint64_t))
		buf_putc(file, '\0');
	head->e_phoff = file->len;
	head->e_phentsize = sizeof(segment);
	head->e_phnum = 1;
	memcpy(file->data, head, sizeof(*head));
	buf_append(file, &segment, sizeof(segment));
}

bool alloc_sections_place(struct buf *file, const uint64_t *addresses, size_t n, uint64_t *ret_base)
{
	Elf64_Shdr best = { .sh_size = 0 };
	Elf64_Ehdr head;
	size_t next = 0;

	if (!read_head(file->data, file->len, &head))
		return false;
	for (size_t i = 0; i < head.e_shnum; i++) {
		char *at = file->data + head.e_shoff + i * sizeof(best);
		Elf64_Shdr section;

		memcpy(&section, at, sizeof(section));
		if (!i || section.sh_type == SHT_NULL || !(section.sh_flags & SHF_ALLOC))
			continue;
		if (next == n)
			return false;
		section.sh_addr = addresses[next++];
		if (section.sh_size && is_better(&section, &best))
			best = section;
		memcpy(at, &section, sizeof(section));
	}
	if (next != n || !best.sh_size)
		return false;
	add_segment(file, &head, &best);
	*ret_base = best.sh_addr;
	return true;
}
