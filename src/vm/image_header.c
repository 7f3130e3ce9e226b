#include "vm/image_header.h"

#include <stdint.h>

enum {
	AT_VERSION = 4,
	AT_BACKING_OFFSET = 8,
	AT_BACKING_SIZE = 16,
	AT_INCOMPATIBLE = 72,
	AT_HEADER_LENGTH = 100,
	HEADER_2 = 72,
	HEADER_3 = 104,
	EXTERNAL_DATA = 1 << 2, /* of the incompatible features */
	BACKING_NAME_MAX = 1023,
	FORMAT_NAME_MAX = 32,
};

static const uint32_t extension_end = 0, extension_backing_format = 0xe2792aca;

void image_header_deinit(struct image_header *h)
{
	free(h->backing);
	free(h->backing_format);
	*h = (struct image_header){ .backing = NULL };
}

static uint64_t get(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static struct err *broken(void)
{
	return err_create(ERR_BAD_DATA, "its qcow2 header is damaged");
}

static struct err *parse_extensions(const uint8_t *data, size_t len, size_t at, struct image_header *h)
{
	while (len - at >= 8) {
		uint64_t magic = get(data + at, 4), size = get(data + at + 4, 4);

		at += 8;
		if (magic == extension_end)
			return NULL;
		if (size > len - at)
			return broken();
		if (magic == extension_backing_format && !h->backing_format) {
			if (size > FORMAT_NAME_MAX)
				return broken();
			h->backing_format = xstrndup((const char *)data + at, size);
		}
		/* Each is padded to a multiple of 8. */
		at += MIN((size + 7) & ~UINT64_C(7), len - at);
	}
	return NULL;
}

static struct err *parse_backing(const uint8_t *data, size_t len, struct image_header *h)
{
	uint64_t offset = get(data + AT_BACKING_OFFSET, 8), size = get(data + AT_BACKING_SIZE, 4);

	if (!offset)
		return NULL;
	if (!size || size > BACKING_NAME_MAX || offset > len || size > len - offset)
		return broken();
	h->backing = xstrndup((const char *)data + offset, size);
	return NULL;
}

static struct err *parse(const uint8_t *data, size_t len, struct image_header *h)
{
	uint64_t version, header = HEADER_2;

	if (len < 4 || memcmp(data, "QFI\xfb", 4) != 0)
		return NULL;
	h->qcow2 = true;
	if (len < HEADER_2)
		return broken();
	version = get(data + AT_VERSION, 4);
	if (version >= 3) {
		if (len < HEADER_3)
			return broken();
		h->external_data = get(data + AT_INCOMPATIBLE, 8) & EXTERNAL_DATA;
		header = get(data + AT_HEADER_LENGTH, 4);
	}
	if (version < 2 || header < HEADER_2 || header > len)
		return broken();
	TRY(parse_extensions(data, len, header, h));
	return parse_backing(data, len, h);
}

struct err *image_header_parse(const void *data, size_t len, struct image_header *ret)
{
	_cleanup_(image_header_deinit) struct image_header h = { .backing = NULL };

	TRY(parse(data, len, &h));
	*ret = h;
	h = (struct image_header){ .backing = NULL };
	return NULL;
}

/* A name that QEMU takes for something else than a file: "json:{...}", "nbd://...". */
static bool names_protocol(const char *name)
{
	const char *colon = strchr(name, ':'), *slash = strchr(name, '/');

	return colon && (!slash || colon < slash);
}

static struct err *check_backing(const struct image_header *h, const struct disk *d)
{
	if (names_protocol(h->backing))
		return err_create(
			ERR_USAGE,
			"--image %s: it is based on '%s', which is no plain file; ktb doesn't follow that. If you "
			"trust it, copy all of it into one image: qemu-img convert -O qcow2 %s NEW.qcow2",
			d->path, h->backing, d->path);
	if (!h->backing_format)
		return err_create(
			ERR_USAGE,
			"--image %s: it is based on %s without saying of which format that is, and QEMU would "
			"guess from what a guest may have written; record it: qemu-img rebase -u -b %s -F "
			"raw|qcow2 %s",
			d->path, h->backing, h->backing, d->path);
	if (!streq(h->backing_format, "raw") && !streq(h->backing_format, "qcow2"))
		return err_create(
			ERR_USAGE,
			"--image %s: it is based on %s, whose format is %s; ktb only follows raw and qcow2. Copy all "
			"of it into one image: qemu-img convert -O qcow2 %s NEW.qcow2",
			d->path, h->backing, h->backing_format, d->path);
	return NULL;
}

struct err *image_header_check(const struct image_header *h, const struct disk *d)
{
	if (d->format == DISK_RAW && h->qcow2 && !d->format_given)
		return err_create(
			ERR_USAGE,
			"--image %s: its name says that it is a raw image, its first bytes that it is qcow2. A "
			"guest can write these bytes, so they aren't trusted: say which it is, %s:qcow2 or %s:raw",
			d->path, d->path, d->path);
	if (d->format == DISK_RAW)
		return NULL;
	if (!h->qcow2)
		return err_create(ERR_USAGE, "--image %s: it is no qcow2 image%s", d->path,
				  d->format_given ? "" : ", as its name says; if it is a raw one, add :raw");
	if (h->external_data)
		return err_create(
			ERR_USAGE,
			"--image %s: its data is in another file that it names, which ktb doesn't follow; put all "
			"of it into one image: qemu-img convert -O qcow2 %s NEW.qcow2",
			d->path, d->path);
	return h->backing ? check_backing(h, d) : NULL;
}
