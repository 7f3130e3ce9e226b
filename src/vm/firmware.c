#include "vm/firmware.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

/* Where QEMU looks, too: from its own place on, so that one that was moved, or is one of several, has its own. */
bool firmware_has_qboot(const char *qemu)
{
	_cleanup_(free) char *program = find_program(qemu), *file = NULL;
	char real[PATH_MAX], *slash;

	if (!program || !realpath(program, real))
		return false;
	slash = strrchr(real, '/');
	file = xasprintf("%.*s/../share/qemu/" FIRMWARE_QBOOT, (int)(slash - real), real);
	return access(file, R_OK) == 0;
}
