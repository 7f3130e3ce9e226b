/*
 * Fuzzes what is read from debug information: names of functions, folders, what addresses are in the source.
 */
#include <stdint.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "base/util.h"
#include "debuginfo/inlined.h"
#include "debuginfo/lines.h"
#include "debuginfo/source_paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of a program that was linked, and of one that was not. */
static void look_up_lines(const char *path, bool module)
{
	static const struct section_place places[] = { { ".text", 0xffffffffc0000000 } };
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	_cleanup_(lines_destroy) struct lines *lines = NULL;
	struct lines_frame frames[LINES_FRAMES_MAX];
	struct err *e = module ? dwarf_file_open_module(&file, path, places, 1) : dwarf_file_open(&file, path);
	uint64_t base = module ? places[0].address : 0x401000;

	err_ignore(e);
	if (e)
		return;
	lines = lines_create(&file);
	for (uint64_t i = 0; i < 64; i++)
		lines_at(lines, base + 2 * i, frames);
}

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
	look_up_lines(path, false);
	look_up_lines(path, true);
	return 0;
}
