#include "initramfs/file_spec.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "initramfs/cpio.h"

void file_spec_deinit(struct file_spec *spec)
{
	free(spec->source);
	free(spec->dest);
	*spec = (struct file_spec)FILE_SPEC_INIT;
}

/* Where the last ":/" begins, or NULL. */
static const char *find_dest(const char *text)
{
	const char *found = NULL;

	for (const char *p = text; (p = strstr(p, ":/")); p++)
		found = p;
	return found;
}

/* The last part of a path, without slashes at its end. Empty if it has none: "/", ".", "..". */
static char *last_part(const char *path)
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	start = end;
	while (start && path[start - 1] != '/')
		start--;
	if ((end - start == 1 && path[start] == '.') || (end - start == 2 && strncmp(path + start, "..", 2) == 0))
		start = end;
	return xstrndup(path + start, end - start);
}

/* Appends the parts of path to b with one slash between them. */
static struct err *append_parts(struct buf *b, const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && strncmp(path, "..", 2) == 0)
			return err_create(ERR_USAGE, "its place in the guest has a \"..\"");
		if (n > NAME_MAX)
			return err_create(ERR_USAGE, "its place in the guest has a name of more than %d bytes",
					  NAME_MAX);
		if (n && !(n == 1 && *path == '.')) {
			if (b->len)
				buf_putc(b, '/');
			buf_append(b, path, n);
		}
		path += n + (path[n] == '/');
	}
	if (b->len >= CPIO_NAME_MAX)
		return err_create(ERR_USAGE, "its place in the guest is longer than %d bytes", CPIO_NAME_MAX - 1);
	return NULL;
}

/* The last part of source in the folder of the guest. */
static struct err *append_name(struct buf *b, const char *folder, const char *source)
{
	_cleanup_(free) char *name = last_part(source);

	if (!*name)
		return err_create(ERR_USAGE,
				  "it has no name to go by in the guest: say where it goes, as in %s:/root/NAME",
				  source);
	TRY(append_parts(b, folder));
	return append_parts(b, name);
}

static struct err *parse(const char *text, struct file_spec *spec)
{
	_cleanup_(buf_deinit) struct buf dest = BUF_INIT;
	const char *colon = find_dest(text), *rest;

	if (colon == text || !*text)
		return err_create(ERR_USAGE, "there is no file in front of the colon");
	if (!colon && has_suffix(text, ":"))
		return err_create(ERR_USAGE, "there is no place in the guest behind the colon");
	spec->source = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	if (!colon)
		TRY(append_name(&dest, "root", spec->source));
	else if (has_suffix(colon, "/"))
		TRY(append_name(&dest, colon + 1, spec->source));
	else
		TRY(append_parts(&dest, colon + 1));
	rest = skip_prefix(buf_str(&dest), "init");
	if (rest && (!*rest || *rest == '/'))
		return err_create(ERR_USAGE, "it would replace the guest's /init, which ktb needs");
	spec->dest = dest.len ? buf_steal(&dest) : xstrdup("");
	return NULL;
}

struct err *file_spec_parse(const char *text, struct file_spec *ret)
{
	_cleanup_(file_spec_deinit) struct file_spec spec = FILE_SPEC_INIT;

	TRY(err_wrap(parse(text, &spec), "copy \"%s\" into the guest", text));
	*ret = spec;
	spec = (struct file_spec)FILE_SPEC_INIT;
	return NULL;
}
