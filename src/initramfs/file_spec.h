/*
 * SOURCE[:DEST]: what of the host is to be where in the guest. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct file_spec {
	char *source; /* as given */
	char *dest;   /* path in the guest without the leading slash: "root/tests"; "" is the root itself */
};

#define FILE_SPEC_INIT                                                                                                 \
	{                                                                                                              \
		NULL, NULL                                                                                             \
	}

void file_spec_deinit(struct file_spec *spec);
DEFINE_CLEANUP_STORAGE(struct file_spec, file_spec_deinit);

/*
 * DEST is absolute and begins behind the last ":/"; so a source may have colons in its name. Without DEST it is
 * /root/NAME, where NAME is the last part of SOURCE; where DEST ends with a slash it is DEST/NAME. A DEST of "/." lays
 * a folder over the guest's root.
 *
 * ERR_USAGE: nothing in front of the colon or behind it, a ".." in DEST, a SOURCE such as ".." that gives no NAME where
 * one is needed, a DEST that is too long, and one that is the guest's /init or below it.
 */
struct err *file_spec_parse(const char *text, struct file_spec *ret) err_must_check;
