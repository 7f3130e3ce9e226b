/*
 * Writes cpio archives in the "newc" format, as the kernel unpacks them into its initramfs. The same calls give the
 * same bytes: inodes are numbered from 1 on, every time is 0, every owner root.
 *
 * Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst, and init/initramfs.c for its limits.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"

/* Sizes are eight hexadecimal digits. */
#define CPIO_FILE_MAX UINT32_MAX
/* A name with its NUL, and the target of a link: PATH_MAX of the kernel that unpacks it, not of this machine. */
#define CPIO_NAME_MAX 4096

struct cpio;

/* Writes to `out`, from where that stands. It stays the caller's, who must look for errors at its closing. */
struct cpio *cpio_create(FILE *out);
void cpio_destroy(struct cpio *c);
DEFINE_CLEANUP(struct cpio *, cpio_destroy);

/*
 * The members. Names are relative to the root: "bin/sh". Folders come before what is in them. The mode's permission
 * bits are used; of its type only what is said. All give ERR_OS if nothing can be written, and ERR_USAGE if a name (or
 * target) is too long or empty or begins with a slash, or if it is the name that ends an archive ("TRAILER!!!").
 */
struct err *cpio_folder(struct cpio *c, const char *name, mode_t mode) err_must_check;
struct err *cpio_symlink(struct cpio *c, const char *name, const char *target) err_must_check;
/* mode: S_IFCHR or S_IFBLK, and permissions. */
struct err *cpio_device(struct cpio *c, const char *name, mode_t mode, dev_t device) err_must_check;

/*
 * A file: begin, as many pieces of data as it takes, end. ERR_USAGE if it is larger than CPIO_FILE_MAX; ERR_BAD_DATA
 * if the data becomes more than `size` bytes, or at the end is less.
 */
struct err *cpio_file_begin(struct cpio *c, const char *name, mode_t mode, uint64_t size) err_must_check;
struct err *cpio_file_data(struct cpio *c, const void *data, size_t len) err_must_check;
struct err *cpio_file_end(struct cpio *c) err_must_check;

/* Ends the archive. */
struct err *cpio_finish(struct cpio *c) err_must_check;
