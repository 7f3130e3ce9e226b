/*
 * The guest's initramfs: our init, busybox, the kernel's modules, and the user's files, in one cpio archive that is
 * kept in the cache for as long as nothing that went into it changes.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* A file of the image beside the usual ones. */
struct initramfs_extra {
	const char *name;   /* path in the guest without the leading slash */
	const char *source; /* file of the host; NULL: it has this text */
	const char *text;
};

struct initramfs_params {
	const char *init;         /* program of the host that becomes /init */
	const char *busybox;      /* NULL: the one on PATH */
	const char *modules_root; /* folder whose lib/modules, if there is one, becomes the guest's; NULL: none */
	const struct initramfs_extra *extras;
	size_t extras_n;
	const struct strv *files; /* SOURCE[:DEST] each, see file_spec.h; NULL: none */
	const char *cache;        /* folder of the cache; NULL: cache_dir() */
	/* Called now and then while an image is written; NULL: nobody asks. */
	void (*progress)(uint64_t done, uint64_t total, void *data);
	void *data;
};

/*
 * *ret is the path of the image, which stays for seven days after its last use at least; the caller frees it. Safe
 * against others that do the same, and against being killed.
 *
 * ERR_PREREQ without a static busybox; ERR_NOT_FOUND if one of the files is missing; ERR_USAGE for a SOURCE[:DEST] that
 * can't be; ERR_BAD_DATA if a file becomes smaller while it is copied; ERR_OS.
 */
struct err *initramfs_make(const struct initramfs_params *params, char **ret) err_must_check;
