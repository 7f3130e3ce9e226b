#include "base/programs.h"

#include "base/fs.h"
#include "base/util.h"

static const struct {
	const char *program, *package;
} packages[] = {
	{ "qemu-system-x86_64", "qemu-system-x86" },
	{ "gdb", "gdb" },
	{ "tmux", "tmux" },
	{ "socat", "socat" },
	{ "busybox", "busybox-static" },
};

const char *program_package(const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

	for (size_t i = 0; i < ARRAY_SIZE(packages); i++) {
		if (streq(packages[i].program, name))
			return packages[i].package;
	}
	return NULL;
}

char *program_remedy(const char *program)
{
	const char *package = program_package(program);

	return package ? xasprintf("install the package %s: apt-get install %s", package, package)
		       : xasprintf("install it, or name another program");
}

struct err *program_require(const char *name, char **ret)
{
	char *path = find_program(name);
	_cleanup_(free) char *remedy = NULL;

	if (path) {
		*ret = path;
		return NULL;
	}
	remedy = program_remedy(name);
	return err_create(ERR_PREREQ, "%s is not installed (not found on PATH); %s", name, remedy);
}
