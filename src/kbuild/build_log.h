/*
 * What make says while it builds a kernel, read: which file it is at, and what went wrong first. Pure functions over
 * text. Source of the formats: the kernel's scripts/Kbuild.include (quiet_cmd_*), GNU make "Errors in Recipes",
 * GCC "Formatting of Diagnostics".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A line such as "  CC [M]  fs/fat/cache.o". The parts point into it. */
struct build_step {
	const char *action; /* "CC [M]" */
	size_t action_len;
	const char *target;
	size_t target_len;
	bool object; /* a compiler made an object file: what is counted */
};

/* True if the line (without its newline) is one. */
bool build_step_parse(const char *line, size_t len, struct build_step *ret);

/*
 * The first error in the output of a build, with the lines around it that belong to it: at most a dozen lines, without
 * control characters. The compiler's, assembler's, linker's or Kconfig's own words where there are any, else what make
 * said. NULL if nothing looks like an error. The caller frees it.
 */
char *build_log_first_error(const char *log, size_t len);

/* True if the output says that a disk is full. */
bool build_log_disk_full(const char *log, size_t len);
