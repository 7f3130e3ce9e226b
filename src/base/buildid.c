#include "base/buildid.h"

#include <gelf.h>
#include <string.h>

#include "base/buf.h"
#include "base/elf_file.h"
#include "base/util.h"

/* Notes are small; whatever claims more is broken, and is not read. */
enum { NOTES_MAX = 1 << 20, BUILD_ID_MAX = 64 };

static char *hex(const unsigned char *bytes, size_t n)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%02x", bytes[i]);
	return buf_steal(&b);
}

/*
 * The build ID among the notes, or NULL; where it begins there goes to *ret_offset. gelf_getnote() checks every size against
 * the data's.
 */
static char *find_in_notes(Elf_Data *data, size_t *ret_offset)
{
	GElf_Nhdr note;
	size_t offset = 0, name, desc;

	while (data && data->d_buf && (offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
		const unsigned char *bytes = data->d_buf;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_MAX) {
			*ret_offset = desc;
			return hex(bytes + desc, note.n_descsz);
		}
	}
	return NULL;
}

static char *find_in_segments(Elf *elf, uint64_t *ret_address)
{
	size_t n;
	char *id = NULL;

	if (elf_getphdrnum(elf, &n) != 0)
		return NULL;
	for (size_t i = 0; i < n && !id; i++) {
		GElf_Phdr ph;
		size_t offset;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_NOTE || ph.p_filesz > NOTES_MAX)
			continue;
		id = find_in_notes(elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz,
							ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR),
				   &offset);
		if (id)
			*ret_address = ph.p_vaddr + offset;
	}
	return id;
}

static char *find_in_sections(Elf *elf)
{
	Elf_Scn *section = NULL;
	char *id = NULL;

	while (!id && (section = elf_nextscn(elf, section))) {
		GElf_Shdr sh;
		size_t offset;

		if (gelf_getshdr(section, &sh) && sh.sh_type == SHT_NOTE && sh.sh_size <= NOTES_MAX)
			id = find_in_notes(elf_getdata(section, NULL), &offset);
	}
	return id;
}

struct err *build_id_read(const char *path, char **ret)
{
	_cleanup_(close) int fd = -1;
	_cleanup_(elf_end) Elf *elf = NULL;
	uint64_t address;
	char *id;

	TRY(elf_file_open(path, &fd, &elf));
	id = find_in_segments(elf, &address);
	if (!id)
		id = find_in_sections(elf);
	if (!id)
		return err_create(ERR_NOT_FOUND, "%s has no build ID", path);
	*ret = id;
	return NULL;
}

struct err *build_id_locate(const char *path, uint64_t *ret_address, uint32_t *ret_size)
{
	_cleanup_(close) int fd = -1;
	_cleanup_(elf_end) Elf *elf = NULL;
	_cleanup_(free) char *id = NULL;
	uint64_t address;

	TRY(elf_file_open(path, &fd, &elf));
	id = find_in_segments(elf, &address);
	if (!id)
		return err_create(ERR_NOT_FOUND, "%s has no build ID", path);
	*ret_address = address;
	*ret_size = (uint32_t)(strlen(id) / 2);
	return NULL;
}

struct err *build_id_segment(const char *path, uint64_t *ret_address, size_t *ret_size)
{
	_cleanup_(close) int fd = -1;
	_cleanup_(elf_end) Elf *elf = NULL;
	size_t n;

	TRY(elf_file_open(path, &fd, &elf));
	if (elf_getphdrnum(elf, &n) != 0)
		return err_create(ERR_BAD_DATA, "%s is not an ELF file", path);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_NOTE || !ph.p_filesz || ph.p_filesz > NOTES_MAX)
			continue;
		*ret_address = ph.p_paddr;
		*ret_size = ph.p_filesz;
		return NULL;
	}
	return err_create(ERR_NOT_FOUND, "%s has no segment of notes", path);
}

/* Elf64_Nhdr, name and descriptor, each padded to 4 bytes. */
char *build_id_find(const void *notes, size_t len)
{
	const unsigned char *bytes = notes;
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		size_t name = at + sizeof(Elf64_Nhdr), desc;
		Elf64_Nhdr note;

		memcpy(&note, bytes + at, sizeof(note));
		if (note.n_namesz > len - name)
			return NULL;
		desc = name + ((note.n_namesz + 3U) & ~(size_t)3);
		if (desc > len || note.n_descsz > len - desc)
			return NULL;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_MAX)
			return hex(bytes + desc, note.n_descsz);
		at = desc + MIN((note.n_descsz + (size_t)3) & ~(size_t)3, len - desc);
	}
	return NULL;
}

bool build_id_is_valid(const char *s)
{
	size_t n = strlen(s);

	return n && n <= BUILD_ID_DIGITS_MAX && strspn(s, "0123456789abcdef") == n;
}

struct err *build_id_check(const char *path, const char *build_id)
{
	_cleanup_(free) char *own = NULL;

	TRY(build_id_read(path, &own));
	if (streq(own, build_id))
		return NULL;
	return err_create(ERR_BAD_DATA,
			  "%s is not of the kernel that is looked at: its build ID is %s, the kernel's is %s; name the "
			  "right one by --vmlinux",
			  path, own, build_id);
}
