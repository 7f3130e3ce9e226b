/*
 * ELF files as libelf has them, those included that were compressed as a whole: distributions do that to modules.
 */
#pragma once

#include <libelf.h>

#include "base/cleanup.h"
#include "base/err.h"

/*
 * Opens it for reading. It is not mapped, unless it is compressed: a file that somebody shortens meanwhile would end the
 * program. ERR_OS, ERR_BAD_DATA if it is none, ERR_UNSUPPORTED if it is compressed in a way that elfutils can't read. The
 * caller ends *ret before it closes *ret_fd.
 */
struct err *elf_file_open(const char *path, int *ret_fd, Elf **ret) err_must_check;

DEFINE_CLEANUP(Elf *, elf_end);
