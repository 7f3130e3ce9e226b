#include "initramfs/busybox.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/process.h"

#define ADVICE "install a static one (package busybox-static)"

DEFINE_CLEANUP(Elf *, elf_end);

struct err *busybox_find(char **ret)
{
	char *path = find_program("busybox");

	if (!path)
		return err_create(ERR_PREREQ, "busybox, the guest's userland, is not on PATH: " ADVICE);
	*ret = path;
	return NULL;
}

struct err *busybox_check(const char *path)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(elf_end) Elf *elf = NULL;
	size_t segments = 0;
	GElf_Ehdr header;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &segments) != 0)
		return err_create(ERR_PREREQ, "%s is not an ELF program: " ADVICE, path);
	if (header.e_machine != EM_X86_64)
		return err_create(ERR_PREREQ, "%s is not an x86-64 program: " ADVICE, path);
	for (size_t i = 0; i < segments; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment))
			return err_create(ERR_PREREQ, "%s is a broken ELF program: " ADVICE, path);
		if (segment.p_type == PT_INTERP)
			return err_create(
				ERR_PREREQ,
				"%s needs libraries that the guest doesn't have (it is dynamically linked): " ADVICE,
				path);
	}
	return NULL;
}

/*
 * Where an applet goes is busybox's to say, but not outside of the image, over busybox itself, or to the root: that
 * would be linuxrc, of the days before the initramfs.
 */
static bool is_applet_path(const char *path)
{
	return strchr(path, '/') && *path != '/' && !strstr(path, "..") && !streq(path, "bin/busybox");
}

struct err *busybox_applets(const char *path, struct strv *applets)
{
	const char *const argv[] = { path, "--list-full", NULL };
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;
	char *rest, *line;

	TRY(err_wrap(process_run(argv, NULL, NULL, &list), "ask busybox for its applets"));
	buf_putc(&list, '\n');
	rest = list.data;
	while ((line = strsep(&rest, "\n"))) {
		line = strip(line);
		if (is_applet_path(line))
			strv_add(applets, line);
	}
	return NULL;
}
