#include "initramfs/cpio.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/util.h"

#define TRAILER "TRAILER!!!"

/* Members begin at multiples of 4; the archive as a whole ends at one of 512, as cpio(1) and the kernel's own do. */
enum { ALIGNMENT = 4, BLOCK = 512, PERMISSIONS = 07777 };

struct cpio {
	FILE *out;
	uint64_t written;
	uint32_t members;
	uint64_t missing; /* bytes of the file that is being written */
};

struct cpio *cpio_create(FILE *out)
{
	struct cpio *c = xcalloc(1, sizeof(*c));

	c->out = out;
	return c;
}

void cpio_destroy(struct cpio *c)
{
	free(c);
}

static struct err *put(struct cpio *c, const void *data, size_t len)
{
	if (len && fwrite(data, 1, len, c->out) != len)
		return err_os(errno, "write the archive");
	c->written += len;
	return NULL;
}

static struct err *pad(struct cpio *c, size_t alignment)
{
	static const char zeros[BLOCK];

	return put(c, zeros, -c->written % alignment);
}

/* A member's header and name, with the padding behind both. */
static struct err *put_header(struct cpio *c, const char *name, mode_t mode, uint64_t size, dev_t device)
{
	size_t name_size = strlen(name) + 1;
	char header[6 + 13 * 8 + 1];
	bool trailer = !mode;

	/* The last one is a checksum, which this format doesn't use. The trailer is the same wherever it comes. */
	snprintf(header, sizeof(header),
		 "070701%08" PRIx32 "%08x%08x%08x%08x%08x%08" PRIx32 "%08x%08x%08x%08x%08" PRIx32 "%08x",
		 trailer ? 0 : ++c->members, mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 0, (uint32_t)size, 0, 0, major(device),
		 minor(device), (uint32_t)name_size, 0);
	TRY(put(c, header, sizeof(header) - 1));
	TRY(put(c, name, name_size));
	return pad(c, ALIGNMENT);
}

static struct err *check_name(const char *name)
{
	if (!*name || *name == '/' || streq(name, TRAILER))
		return err_create(ERR_USAGE, "the name \"%s\" can't be in a cpio archive", name);
	if (strlen(name) + 1 > CPIO_NAME_MAX)
		return err_create(ERR_USAGE, "the name %.64s... is too long for an initramfs (%zu bytes, at most %d)",
				  name, strlen(name), CPIO_NAME_MAX - 1);
	return NULL;
}

static struct err *put_member(struct cpio *c, const char *name, mode_t type, mode_t mode, uint64_t size, dev_t device)
{
	TRY(check_name(name));
	return err_wrap(put_header(c, name, type | (mode & PERMISSIONS), size, device), "%s", name);
}

struct err *cpio_folder(struct cpio *c, const char *name, mode_t mode)
{
	return put_member(c, name, S_IFDIR, mode, 0, 0);
}

struct err *cpio_device(struct cpio *c, const char *name, mode_t mode, dev_t device)
{
	return put_member(c, name, mode & S_IFMT, mode, 0, device);
}

struct err *cpio_symlink(struct cpio *c, const char *name, const char *target)
{
	size_t len = strlen(target);

	/* The kernel adds a NUL to it, in a buffer of that size. */
	if (!len || len >= CPIO_NAME_MAX)
		return err_create(ERR_USAGE, "the target of the symbolic link %s is %zu bytes long (1 to %d)", name,
				  len, CPIO_NAME_MAX - 1);
	TRY(put_member(c, name, S_IFLNK, 0777, len, 0));
	TRY(put(c, target, len));
	return pad(c, ALIGNMENT);
}

struct err *cpio_file_begin(struct cpio *c, const char *name, mode_t mode, uint64_t size)
{
	if (size > CPIO_FILE_MAX)
		return err_create(ERR_USAGE, "%s is too large for an initramfs (%" PRIu64 " bytes, less than 4 GB go)",
				  name, size);
	TRY(put_member(c, name, S_IFREG, mode, size, 0));
	c->missing = size;
	return NULL;
}

struct err *cpio_file_data(struct cpio *c, const void *data, size_t len)
{
	if (len > c->missing)
		return err_create(ERR_BAD_DATA, "it is %" PRIu64 " bytes larger than it was", len - c->missing);
	TRY(put(c, data, len));
	c->missing -= len;
	return NULL;
}

struct err *cpio_file_end(struct cpio *c)
{
	if (c->missing)
		return err_create(ERR_BAD_DATA, "it is %" PRIu64 " bytes smaller than it was", c->missing);
	return pad(c, ALIGNMENT);
}

struct err *cpio_finish(struct cpio *c)
{
	TRY(put_header(c, TRAILER, 0, 0, 0));
	return pad(c, BLOCK);
}
