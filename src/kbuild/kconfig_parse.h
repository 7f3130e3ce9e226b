/*
 * Parses one Kconfig file: a pure function over a buffer, which adds what it finds to a builder. Sourced files are
 * the caller's business.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "kbuild/kconfig_macro.h"
#include "kbuild/kconfig_tree.h"
#include "kbuild/name_map.h"
#include "kbuild/pool.h"

struct kconfig_builder_symbol;

/* What is common to all files of a tree. All zero is an empty one. */
struct kconfig_builder {
	struct pool pool;
	struct kconfig_macros macros;
	struct name_map symbols; /* to struct kconfig_builder_symbol */
	const struct kconfig_symbol *first_symbol;
	struct kconfig_symbol *last_symbol;
	struct kconfig_entry **entries;
	size_t entries_n;
	const struct kconfig_symbol *modules;
};

void kconfig_builder_deinit(struct kconfig_builder *b);

/* A symbol by its name, or NULL. */
const struct kconfig_symbol *kconfig_builder_find(const struct kconfig_builder *b, const char *name, size_t len);

struct kconfig_parse_file {
	const char *name; /* for messages and entries: must live as long as the builder */
	const char *data; /* the same */
	size_t len;
	const struct kconfig_entry *parent; /* what encloses the whole file, or NULL */
	/* Parses the file at path, all of it inside `parent`. */
	struct err *(*source)(void *user, const char *path, const struct kconfig_entry *parent);
	void *user;
};

/* ERR_BAD_DATA with file and line for what is not Kconfig. */
struct err *kconfig_parse_file(struct kconfig_builder *b, const struct kconfig_parse_file *f) err_must_check;

/* After the last file: finds out which entries are members of which choice. */
void kconfig_builder_finish(struct kconfig_builder *b);
