/*
 * Fuzzes the reader of a bzImage's header, and with the same bytes those of notes and of modules.dep.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buildid.h"
#include "kbuild/bzimage.h"
#include "kbuild/module_deps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_release(const char *version)
{
	_cleanup_(free) char *release = NULL;
	_cleanup_(err_destroy) struct err *e = bzimage_release(version, &release);

	if (!e && (!*release || strchr(release, '/') || *release == '.'))
		abort();
}

static void check_modules(const char *text)
{
	_cleanup_(strv_deinit) struct strv paths = STRV_INIT;

	(void)module_deps_add(text, "a", &paths);
	for (size_t i = 0; i < paths.n; i++) {
		if (*paths.v[i] == '/' || strstr(paths.v[i], ".."))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(free) char *version = NULL, *text = xstrndup(size ? (const char *)data : "", size);
	_cleanup_(err_destroy) struct err *e = bzimage_version(data, size, &version);

	if (!e)
		check_release(version);
	check_release(text);
	(void)bzimage_matches_banner(text, text);
	free(build_id_find(data, size));
	check_modules(text);
	return 0;
}
