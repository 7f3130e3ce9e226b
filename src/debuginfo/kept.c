#include "debuginfo/kept.h"

#include "base/buildid.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/util.h"

struct err *kept_open(struct kept *k, const char *build_id, const char *suffix)
{
	_cleanup_(free) char *cache = NULL;
	struct err *e;

	/* It becomes the name of a file, and may have come out of a core. */
	if (!build_id_is_valid(build_id))
		return err_create(ERR_BAD_DATA, "'%s' is no build ID", build_id);
	*k = (struct kept)KEPT_INIT;
	e = cache_dir(&cache);
	if (!e) {
		k->folder = xasprintf("%s/layout", cache);
		k->path = xasprintf("%s/%s%s", k->folder, build_id, suffix);
	}
	err_ignore(e);
	return NULL;
}

void kept_deinit(struct kept *k)
{
	free(k->folder);
	free(k->path);
	*k = (struct kept)KEPT_INIT;
}

bool kept_read(const struct kept *k, size_t max, struct buf *ret)
{
	struct err *e;

	if (!k->path)
		return false;
	e = read_file(k->path, max, ret);
	err_ignore(e);
	return !e;
}

void kept_is_unusable(const struct kept *k, struct err *e)
{
	log_debug("%s: %s", k->path, err_message(e));
	err_destroy(e);
}

void kept_write(const struct kept *k, const void *data, size_t len)
{
	struct err *e;

	if (!k->path)
		return;
	e = mkdir_parents(k->folder, 0777);
	if (!e)
		e = write_file_atomic(k->path, data, len, 0666);
	if (e)
		log_debug("can't keep what was found: %s", err_message(e));
	err_ignore(e);
}
