#include "kbuild/stale.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "kbuild/name_map.h"

enum { CMD_MAX = 4 << 20 };

/* Thousands of objects are made from the same headers: each is looked at once. */
struct file {
	struct file *next;
	struct timespec changed;
	bool gone;
	char name[];
};

struct stale {
	int out_fd;
	struct name_map files;
	struct file *list;
	struct buf text;
};

struct stale *stale_create(const char *out)
{
	int fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stale *s;

	if (fd < 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->out_fd = fd;
	s->text = (struct buf)BUF_INIT;
	return s;
}

void stale_destroy(struct stale *s)
{
	if (!s)
		return;
	while (s->list) {
		struct file *next = s->list->next;

		free(s->list);
		s->list = next;
	}
	name_map_deinit(&s->files);
	buf_deinit(&s->text);
	closep(&s->out_fd);
	free(s);
}

bool stale_next_file(const char **text, const char **ret, size_t *ret_len)
{
	const char *line = *text;

	while (*line) {
		size_t len = strcspn(line, "\n");
		const char *next = line + len + (line[len] == '\n'), *name = NULL;

		if (*line == ' ' || *line == '\t')
			name = line + strspn(line, " \t");
		else if (skip_prefix(line, "source_"))
			name = memmem(line, len, " := ", 4);
		if (name && *name == ' ')
			name += 4;
		if (name && name < line + len && *name != '$' && *name != '\\') {
			*ret = name;
			*ret_len = strcspn(name, " \t\n");
			*text = next;
			return *ret_len > 0;
		}
		line = next;
	}
	*text = line;
	return false;
}

static const struct file *look_at(struct stale *s, const char *name, size_t len)
{
	struct file *f = name_map_get(&s->files, name, len);
	struct stat st;

	if (f)
		return f;
	f = xcalloc(1, sizeof(*f) + len + 1);
	memcpy(f->name, name, len);
	f->gone = fstatat(s->out_fd, f->name, &st, 0) < 0;
	if (!f->gone)
		f->changed = st.st_mtim;
	f->next = s->list;
	s->list = f;
	name_map_add(&s->files, f->name, f);
	return f;
}

static bool is_after(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool stale_object(struct stale *s, int dirfd, const char *cmd)
{
	_cleanup_(free) char *object = xstrndup(cmd + 1, strlen(cmd) - strlen(".") - strlen(".cmd"));
	_cleanup_(close) int fd = openat(dirfd, cmd, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *text, *name;
	struct stat st;
	size_t len;

	if (fd < 0 || fstatat(dirfd, object, &st, 0) < 0)
		return true;
	buf_clear(&s->text);
	err_ignore(read_fd(fd, cmd, CMD_MAX, &s->text));
	text = buf_str(&s->text);
	while (stale_next_file(&text, &name, &len)) {
		const struct file *f = look_at(s, name, len);

		if (f->gone || is_after(f->changed, st.st_mtim))
			return true;
	}
	return false;
}
