#include "debuginfo/dwarf_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"

/* Of debug information, bytes. */
#define RELEASE_INTERVAL (UINT64_C(8) << 20)

struct err *dwarf_file_error(const char *path)
{
	return err_create(ERR_BAD_DATA, "read debug information of %s: %s", path, dwarf_errmsg(-1));
}

static struct err *map(struct dwarf_file *f, const char *path)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_os(errno, "open %s", path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return err_create(ERR_BAD_DATA, "%s is not an ELF file", path);
	f->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return err_os(errno, "map %s", path);
	}
	f->size = (size_t)st.st_size;
	return NULL;
}

struct err *dwarf_file_open(struct dwarf_file *f, const char *path)
{
	_cleanup_(dwarf_file_deinit) struct dwarf_file opened = DWARF_FILE_INIT;

	TRY(map(&opened, path));
	elf_version(EV_CURRENT);
	opened.elf = elf_memory(opened.map, opened.size);
	if (!opened.elf)
		return err_create(ERR_BAD_DATA, "%s is a broken ELF file (%s)", path, elf_errmsg(-1));
	opened.dwarf = dwarf_begin_elf(opened.elf, DWARF_C_READ, NULL);
	if (!opened.dwarf)
		return dwarf_file_error(path);
	*f = opened;
	opened = (struct dwarf_file)DWARF_FILE_INIT;
	return NULL;
}

bool dwarf_walk_next(struct dwarf_walk *w, Dwarf_Die *ret)
{
	const struct dwarf_file *f = w->file;
	int result = dwarf_get_units(f->dwarf, w->unit, &w->unit, NULL, NULL, ret, NULL);

	w->damaged = result < 0;
	if (result != 0)
		return false;
	/* Pages that nobody has written to come back from the file when they are looked at again. */
	if (f->map && dwarf_dieoffset(ret) - w->released > RELEASE_INTERVAL) {
		w->released = dwarf_dieoffset(ret);
		madvise(f->map, f->size, MADV_DONTNEED);
	}
	return true;
}

/* --- Modules: libdwfl applies the relocations of their debug sections --- */

struct module_file {
	const char *path;
	const struct section_place *places;
	size_t n;
};

/*
 * The script that links modules leaves some sections with an address other than 0, such as .data of 6.12. It means nothing,
 * but libdwfl then asks nobody where the section is.
 */
static void forget_addresses(Elf *elf)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || !header.sh_addr)
			continue;
		header.sh_addr = 0;
		gelf_update_shdr(section, &header);
	}
}

/* Compressed ones too. */
static int find_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **ret_name, Elf **ret)
{
	const struct module_file *m = *user;
	_cleanup_(close) int fd = -1;

	(void)module;
	(void)name;
	(void)base;
	fd = open(m->path, O_RDONLY | O_CLOEXEC);
	elf_version(EV_CURRENT);
	*ret = fd < 0 ? NULL : dwelf_elf_begin(fd);
	if (!*ret)
		return -1;
	*ret_name = xstrdup(m->path);
	forget_addresses(*ret);
	return steal_fd(&fd);
}

/* Debug information that is elsewhere is not searched for. */
static int find_no_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
			     const char *link, GElf_Word crc, char **ret)
{
	(void)module;
	(void)user;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)crc;
	*ret = NULL;
	return -1;
}

static int section_address(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *section,
			   GElf_Word index, const GElf_Shdr *header, Dwarf_Addr *ret)
{
	const struct module_file *m = *user;

	(void)module;
	(void)name;
	(void)base;
	(void)index;
	(void)header;
	*ret = (Dwarf_Addr)-1;
	for (size_t i = 0; i < m->n; i++) {
		if (streq(m->places[i].name, section))
			*ret = m->places[i].address;
	}
	return 0;
}

static struct err *module_error(const char *path)
{
	return err_create(ERR_BAD_DATA, "read debug information of %s: %s", path, dwfl_errmsg(-1));
}

static struct err *load_module(Dwfl *dwfl, struct module_file *m, Dwarf **ret)
{
	uint64_t start = UINT64_MAX, end = 0;
	Dwfl_Module *module;
	Dwarf_Addr bias;
	void **user;

	for (size_t i = 0; i < m->n; i++) {
		start = MIN(start, m->places[i].address);
		end = MAX(end, m->places[i].address);
	}
	dwfl_report_begin(dwfl);
	module = dwfl_report_module(dwfl, "module", start, end + 1);
	if (!module || dwfl_report_end(dwfl, NULL, NULL) != 0)
		return module_error(m->path);
	dwfl_module_info(module, &user, NULL, NULL, NULL, NULL, NULL, NULL);
	*user = m;
	*ret = dwfl_module_getdwarf(module, &bias);
	return *ret ? NULL : module_error(m->path);
}

struct err *dwarf_file_open_module(struct dwarf_file *f, const char *path, const struct section_place *places, size_t n)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = find_elf,
		.find_debuginfo = find_no_debuginfo,
		.section_address = section_address,
	};
	struct module_file m = { path, places, n };
	Dwarf *dwarf;
	struct err *e;
	Dwfl *dwfl;

	if (!n)
		return err_create(ERR_USAGE, "read debug information of %s: its place in memory is not known", path);
	dwfl = dwfl_begin(&callbacks);
	if (!dwfl)
		return module_error(path);
	e = load_module(dwfl, &m, &dwarf);
	if (e)
		dwfl_end(dwfl);
	else
		*f = (struct dwarf_file){ .dwarf = dwarf, .dwfl = dwfl };
	return e;
}

void dwarf_file_deinit(struct dwarf_file *f)
{
	if (f->dwfl)
		dwfl_end(f->dwfl);
	else if (f->dwarf)
		dwarf_end(f->dwarf);
	elf_end(f->elf);
	if (f->map)
		munmap(f->map, f->size);
	*f = (struct dwarf_file)DWARF_FILE_INIT;
}
