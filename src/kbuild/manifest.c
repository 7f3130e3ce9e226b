#include "kbuild/manifest.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/util.h"

enum field_kind { FIELD_TEXT, FIELD_PATH, FIELD_NUMBER };

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
};

/* clang-format off */
#define FIELD(kind, member) { #member, FIELD_##kind, offsetof(struct manifest, member) }

static const struct field fields[] = {
	FIELD(TEXT, release),
	FIELD(TEXT, build_id),
	FIELD(PATH, vmlinux),
	FIELD(PATH, bzimage),
	FIELD(PATH, modules),
	FIELD(PATH, out),
	FIELD(PATH, compile_commands),
	FIELD(PATH, gdb_script),
	FIELD(PATH, log),
	FIELD(PATH, source),
	FIELD(TEXT, source_kind),
	FIELD(PATH, source_tree),
	FIELD(TEXT, source_state),
	FIELD(TEXT, config_digest),
	FIELD(TEXT, compiler),
	FIELD(TEXT, key),
	FIELD(TEXT, ktb_version),
	FIELD(TEXT, date),
	FIELD(NUMBER, configure_ms),
	FIELD(NUMBER, build_ms),
	FIELD(NUMBER, vmlinux_size),
	FIELD(NUMBER, vmlinux_mtime_ns),
	FIELD(NUMBER, bzimage_size),
	FIELD(NUMBER, bzimage_mtime_ns),
	FIELD(NUMBER, dropped),
};
/* clang-format on */

static char **text_of(const struct manifest *m, const struct field *f)
{
	return (char **)((char *)m + f->offset);
}

static uint64_t *number_of(const struct manifest *m, const struct field *f)
{
	return (uint64_t *)((char *)m + f->offset);
}

void manifest_deinit(struct manifest *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].kind != FIELD_NUMBER)
			free(*text_of(m, &fields[i]));
	}
	*m = (struct manifest)MANIFEST_INIT;
}

void manifest_format(const struct manifest *m, struct buf *b)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		json_object_object_add(o, f->name,
				       f->kind == FIELD_NUMBER ? json_object_new_uint64(*number_of(m, f))
							       : json_object_new_string(*text_of(m, f)));
	}
	buf_puts(b, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	buf_putc(b, '\n');
	json_object_put(o);
}

static struct err *take_field(struct json_object *o, const struct field *f, struct manifest *m)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(o, f->name, &value))
		return err_create(ERR_BAD_DATA, "it has no \"%s\"", f->name);
	if (f->kind == FIELD_NUMBER) {
		if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
			return err_create(ERR_BAD_DATA, "\"%s\" is not a number", f->name);
		*number_of(m, f) = json_object_get_uint64(value);
		return NULL;
	}
	text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
	/* No NUL inside: it would be another string to us than to whoever wrote it. */
	if (!text || !*text || strlen(text) != (size_t)json_object_get_string_len(value))
		return err_create(ERR_BAD_DATA, "\"%s\" is not a text", f->name);
	if (f->kind == FIELD_PATH && *text != '/')
		return err_create(ERR_BAD_DATA, "\"%s\" is not an absolute path", f->name);
	*text_of(m, f) = xstrdup(text);
	return NULL;
}

static struct err *parse_json(const char *data, size_t len, struct json_object **ret)
{
	struct json_tokener *t = json_tokener_new_ex(4);
	struct json_object *o = len <= INT_MAX ? json_tokener_parse_ex(t, data, (int)len) : NULL;
	bool ok = json_tokener_get_error(t) == json_tokener_success && json_object_is_type(o, json_type_object);

	json_tokener_free(t);
	if (!ok) {
		json_object_put(o);
		return err_create(ERR_BAD_DATA, "it is not a JSON object");
	}
	*ret = o;
	return NULL;
}

struct err *manifest_parse(const char *name, const char *data, size_t len, struct manifest *ret)
{
	_cleanup_(manifest_deinit) struct manifest m = MANIFEST_INIT;
	struct json_object *o = NULL;
	struct err *e = NULL;

	TRY(err_wrap(parse_json(data, len, &o), "read %s", name));
	for (size_t i = 0; i < ARRAY_SIZE(fields) && !e; i++)
		e = take_field(o, &fields[i], &m);
	json_object_put(o);
	TRY(err_wrap(e, "read %s", name));
	*ret = m;
	m = (struct manifest)MANIFEST_INIT;
	return NULL;
}

static struct err *stamp(const char *path, uint64_t *ret_size, uint64_t *ret_mtime_ns)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_os(errno, "look at %s", path);
	*ret_size = (uint64_t)st.st_size;
	*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return NULL;
}

struct err *manifest_stamp(struct manifest *m)
{
	TRY(stamp(m->vmlinux, &m->vmlinux_size, &m->vmlinux_mtime_ns));
	return stamp(m->bzimage, &m->bzimage_size, &m->bzimage_mtime_ns);
}

struct err *manifest_check_files(const struct manifest *m)
{
	const char *const others[] = { m->modules, m->compile_commands, m->gdb_script };
	struct manifest now = { .vmlinux = m->vmlinux, .bzimage = m->bzimage };

	TRY(manifest_stamp(&now));
	if (now.vmlinux_size != m->vmlinux_size || now.vmlinux_mtime_ns != m->vmlinux_mtime_ns)
		return err_create(ERR_BAD_DATA, "%s was changed", m->vmlinux);
	if (now.bzimage_size != m->bzimage_size || now.bzimage_mtime_ns != m->bzimage_mtime_ns)
		return err_create(ERR_BAD_DATA, "%s was changed", m->bzimage);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!file_exists(others[i]))
			return err_create(ERR_NOT_FOUND, "%s is gone", others[i]);
	}
	return NULL;
}
