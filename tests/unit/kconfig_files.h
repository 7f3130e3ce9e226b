/*
 * Kconfig files that are strings of a test.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"
#include "kbuild/kconfig_tree.h"

struct kconfig_file {
	const char *path; /* NULL ends the list */
	const char *text;
};

static struct err *read_kconfig_file(void *data, const char *path, struct buf *ret)
{
	for (const struct kconfig_file *f = data; f->path; f++) {
		if (streq(f->path, path)) {
			buf_puts(ret, f->text);
			return NULL;
		}
	}
	return err_create(ERR_NOT_FOUND, "there is no %s", path);
}

static inline struct kconfig_reader kconfig_reader_of(struct kconfig_file *files)
{
	return (struct kconfig_reader){ .read = read_kconfig_file, .data = files, .arch = "x86" };
}
