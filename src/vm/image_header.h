/*
 * What the first bytes of a disk's file say about it. Pure.
 *
 * Theory of operation. The guest writes all of a raw image, its first sector too. If the format were guessed from what
 * stands there, a guest could write the header of a qcow2 image whose backing file is a file of the host's, and read
 * that after the next boot. So the format comes from the user or from the file's name, which no guest can change; the
 * content is only asked whether it contradicts. And a qcow2 image that names further files does so by a name that
 * whoever made the image chose: only plain files with their format recorded are followed.
 *
 * Source: QEMU, docs/interop/qcow2.txt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "vm/attach.h"

/* So many bytes of a file's beginning say all that is asked here, if the image was made by qemu-img. */
enum { IMAGE_HEADER_MAX = 64 * 1024 };

struct image_header {
	bool qcow2;
	bool external_data;   /* guest data is in another file */
	char *backing;        /* NULL: none */
	char *backing_format; /* NULL: not recorded */
};

void image_header_deinit(struct image_header *h);
DEFINE_CLEANUP_STORAGE(struct image_header, image_header_deinit);

/* ERR_BAD_DATA for a qcow2 header that can't be. */
struct err *image_header_parse(const void *data, size_t len, struct image_header *ret) err_must_check;

/*
 * Whether the disk may be given to QEMU as what it is said to be. ERR_USAGE if its content and its format contradict,
 * or if it leads to other files in a way that isn't safe; the message says what to do.
 */
struct err *image_header_check(const struct image_header *h, const struct disk *d) err_must_check;
