#include "kbuild/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/util.h"
#include "kbuild/stale.h"

enum { DEPTH_MAX = 64 };

struct survey {
	bool remove_torn;
	struct stale *stale; /* only those are counted that are; NULL: all */
	size_t count;
};

static bool is_newer(const struct stat *a, const struct stat *b)
{
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
		return a->st_mtim.tv_sec > b->st_mtim.tv_sec;
	return a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

/* name is ".NAME.cmd". */
static struct err *remove_if_torn(int fd, const char *name)
{
	_cleanup_(free) char *target = xstrndup(name + 1, strlen(name) - 5);
	struct stat cmd, st;

	if (fstatat(fd, name, &cmd, AT_SYMLINK_NOFOLLOW) < 0 || fstatat(fd, target, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	if (S_ISREG(st.st_mode) && is_newer(&st, &cmd) && unlinkat(fd, target, 0) < 0)
		return err_os(errno, "remove %s", target);
	return NULL;
}

static struct err *survey_folder(struct survey *s, int parent, const char *name, int depth);

static struct err *survey_entry(struct survey *s, int fd, const struct dirent *d, int depth)
{
	const char *name = d->d_name;

	if (*name == '.') {
		if (strlen(name) <= 5 || !has_suffix(name, ".cmd"))
			return NULL;
		if (has_suffix(name, ".o.cmd"))
			s->count += !s->stale || stale_object(s->stale, fd, name);
		return s->remove_torn ? remove_if_torn(fd, name) : NULL;
	}
	/* Kbuild makes all its folders itself; "source" is a link. Some file systems don't give the type. */
	if (d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
		return NULL;
	return survey_folder(s, fd, name, depth + 1);
}

static struct err *survey_folder(struct survey *s, int parent, const char *name, int depth)
{
	_cleanup_(closedir) DIR *dir = depth > DEPTH_MAX ? NULL : open_folder_at(parent, name, O_NOFOLLOW);
	size_t before = s->count;

	if (!dir)
		return NULL;
	for (struct dirent *d; (d = readdir(dir));)
		TRY(survey_entry(s, dirfd(dir), d, depth));
	/* Programs for this machine are no part of the kernel. */
	if (depth == 1 && (streq(name, "scripts") || streq(name, "tools")))
		s->count = before;
	return NULL;
}

struct err *objects_survey(const char *out, bool remove_torn, size_t *ret)
{
	struct survey s = { .remove_torn = remove_torn };

	TRY(err_wrap(survey_folder(&s, AT_FDCWD, out, 0), "look through %s", out));
	*ret = s.count;
	return NULL;
}

struct err *objects_count_stale(const char *out, size_t *ret)
{
	struct survey s = { .stale = stale_create(out) };
	struct err *e = NULL;

	if (s.stale)
		e = err_wrap(survey_folder(&s, AT_FDCWD, out, 0), "look through %s", out);
	stale_destroy(s.stale);
	TRY(e);
	*ret = s.count;
	return NULL;
}

size_t objects_estimate(size_t wanted_options, size_t options, size_t objects)
{
	/* Linux 6.1, "tiny" with the built-in fragments. */
	if (!options || !objects) {
		options = 689;
		objects = 1417;
	}
	return (size_t)((double)wanted_options * (double)objects / (double)options);
}
