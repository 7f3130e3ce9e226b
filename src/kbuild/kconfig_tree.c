#include "kbuild/kconfig_tree.h"

#include <limits.h>
#include <string.h>

#include "base/fs.h"
#include "kbuild/kconfig_lex.h"
#include "kbuild/kconfig_parse.h"

/* A kernel has some 1,800 files, 13 MB, sourced 7 deep. */
enum { TREE_FILES_MAX = 20000, TREE_DEPTH_MAX = 40, TREE_BYTES_MAX = 128 << 20, FILE_BYTES_MAX = 4 << 20 };

enum { NEAR_ENOUGH = 3 };

struct kconfig_tree {
	struct kconfig_builder builder;
	const struct kconfig_reader *reader; /* while loading */
	struct buf text;                     /* of the file that is read */
	size_t files, bytes;
	int depth;
};

static struct err *read_below(void *data, const char *path, struct buf *ret)
{
	const char *folder = data;
	_cleanup_(free) char *full = xasprintf("%s/%s", folder, path);

	return read_file(full, FILE_BYTES_MAX, ret);
}

struct kconfig_reader kconfig_reader_folder(const char *srctree, const char *arch)
{
	return (struct kconfig_reader){ .read = read_below, .data = (void *)(uintptr_t)srctree, .arch = arch };
}

static struct err *load_file(struct kconfig_tree *t, const char *path, const struct kconfig_entry *parent);

static struct err *source_file(void *user, const char *path, const struct kconfig_entry *parent)
{
	struct kconfig_tree *t = user;
	struct err *e;

	if (t->depth >= TREE_DEPTH_MAX)
		return err_create(ERR_BAD_DATA, "files source each other more than %d deep", TREE_DEPTH_MAX);
	t->depth++;
	e = load_file(t, path, parent);
	t->depth--;
	return e;
}

static struct err *load_file(struct kconfig_tree *t, const char *path, const struct kconfig_entry *parent)
{
	struct kconfig_parse_file f = { .parent = parent, .source = source_file, .user = t };

	if (t->files >= TREE_FILES_MAX || t->bytes >= TREE_BYTES_MAX)
		return err_create(ERR_BAD_DATA, "there are more than %zu Kconfig files, or %zu bytes of them", t->files,
				  t->bytes);
	buf_clear(&t->text);
	TRY(t->reader->read(t->reader->data, path, &t->text));
	t->files++;
	t->bytes += t->text.len;
	f.name = pool_strndup(&t->builder.pool, path, strlen(path));
	/* Stays: help texts and words point into it. */
	f.data = pool_strndup(&t->builder.pool, buf_str(&t->text), t->text.len);
	f.len = t->text.len;
	return kconfig_parse_file(&t->builder, &f);
}

/*
 * What the kernel's Makefiles hand to Kconfig in the environment and Kconfig files use outside of function calls.
 * Paths are relative to the tree.
 */
static struct err *set_variables(struct kconfig_tree *t, const char *arch)
{
	const char *const variables[][2] = {
		{ "ARCH", arch }, { "SRCARCH", arch }, { "HEADER_ARCH", arch }, { "SUBARCH", arch }, { "srctree", "." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		TRY(kconfig_macros_set(&t->builder.macros, variables[i][0], strlen(variables[i][0]),
				       KCONFIG_ASSIGN_SIMPLE, variables[i][1], strlen(variables[i][1])));
	return NULL;
}

struct err *kconfig_tree_load(const struct kconfig_reader *reader, struct kconfig_tree **ret)
{
	_cleanup_(kconfig_tree_destroy) struct kconfig_tree *t = xcalloc(1, sizeof(*t));

	t->reader = reader;
	TRY(set_variables(t, reader->arch));
	TRY(load_file(t, "Kconfig", NULL));
	kconfig_builder_finish(&t->builder);
	buf_deinit(&t->text);
	t->reader = NULL;
	*ret = steal(&t);
	return NULL;
}

void kconfig_tree_destroy(struct kconfig_tree *t)
{
	if (!t)
		return;
	buf_deinit(&t->text);
	kconfig_builder_deinit(&t->builder);
	free(t);
}

const struct kconfig_symbol *kconfig_tree_find(const struct kconfig_tree *t, const char *name)
{
	return kconfig_builder_find(&t->builder, name, strlen(name));
}

const struct kconfig_symbol *kconfig_tree_symbols(const struct kconfig_tree *t)
{
	return t->builder.first_symbol;
}

const struct kconfig_entry *kconfig_tree_entries(const struct kconfig_tree *t)
{
	return t->builder.entries_n ? t->builder.entries[0] : NULL;
}

const struct kconfig_symbol *kconfig_tree_modules(const struct kconfig_tree *t)
{
	return t->builder.modules;
}

void kconfig_tree_nearest(const struct kconfig_tree *t, const char *name, size_t max, struct strv *ret)
{
	/* A short name is near to everything: at most every third letter may differ. */
	int limit = (int)MIN(strlen(name) / 3, (size_t)NEAR_ENOUGH);
	int len = (int)MIN(strlen(name), (size_t)INT_MAX / 2);

	for (int distance = 1; distance <= limit; distance++) {
		for (const struct kconfig_symbol *s = t->builder.first_symbol; s && ret->n < max; s = s->next) {
			int difference = (int)MIN(strlen(s->name), (size_t)INT_MAX / 2) - len;

			if (s->entries && difference >= -distance && difference <= distance &&
			    edit_distance(name, s->name) == distance)
				strv_add(ret, s->name);
		}
	}
}

void kconfig_help(const struct kconfig_entry *e, struct buf *b)
{
	const char *end = e->help_len ? e->help + e->help_len : NULL;
	size_t bytes, first = 0;

	for (const char *p = e->help; end && p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
		size_t columns = kconfig_indentation(p, (size_t)(stop - p), &bytes);

		first = first ? first : columns;
		for (size_t i = first; i < columns && p + bytes < stop; i++)
			buf_putc(b, ' ');
		buf_append(b, p + bytes, (size_t)(stop - p) - bytes);
		buf_putc(b, '\n');
		p = stop + 1;
	}
}
