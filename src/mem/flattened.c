#include "mem/flattened.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "base/util.h"

/* No core is larger, nor any piece of one. */
#define OFFSET_MAX (UINT64_C(1) << 44)
#define SIZE_MAX_BYTES (UINT64_C(1) << 40)

enum { COPY_BYTES = 1 << 18 };

bool flattened_is(const void *data, size_t len)
{
	static const char signature[] = "makedumpfile";

	return len >= sizeof(signature) && memcmp(data, signature, sizeof(signature)) == 0;
}

struct err *flattened_parse(const uint8_t head[FLATTENED_PIECE], bool *ret_more, uint64_t *ret_offset,
			    uint64_t *ret_size)
{
	uint64_t offset, size;

	memcpy(&offset, head, sizeof(offset));
	memcpy(&size, head + sizeof(offset), sizeof(size));
	offset = be64toh(offset);
	size = be64toh(size);
	*ret_more = offset != UINT64_MAX;
	if (!*ret_more)
		return NULL;
	if (offset > OFFSET_MAX || size > SIZE_MAX_BYTES)
		return err_create(ERR_BAD_DATA, "a piece of it says that it belongs at 0x%llx, and has 0x%llx bytes",
				  (unsigned long long)offset, (unsigned long long)size);
	*ret_offset = offset;
	*ret_size = size;
	return NULL;
}

/* ERR_BAD_DATA where the file ends early. */
static struct err *read_exactly(int fd, void *data, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pread(fd, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "read it");
		if (!n)
			return err_create(ERR_BAD_DATA, "it was cut off");
		data = (char *)data + n;
		len -= (size_t)n;
		at += n;
	}
	return NULL;
}

static struct err *copy_piece(int from, off_t at, int to, uint64_t offset, uint64_t size, void *buffer)
{
	if (lseek(to, (off_t)offset, SEEK_SET) < 0)
		return err_os(errno, "go to 0x%llx in the rearranged file", (unsigned long long)offset);
	while (size) {
		size_t n = (size_t)MIN(size, (uint64_t)COPY_BYTES);

		TRY(read_exactly(from, buffer, n, at));
		TRY(write_all(to, buffer, n));
		at += (off_t)n;
		size -= n;
	}
	return NULL;
}

static struct err *rearrange(int from, int to)
{
	_cleanup_(free) void *buffer = xmalloc(COPY_BYTES);
	off_t at = FLATTENED_HEAD;

	for (;;) {
		uint8_t head[FLATTENED_PIECE];
		uint64_t offset, size;
		bool more;

		TRY(read_exactly(from, head, sizeof(head), at));
		TRY(flattened_parse(head, &more, &offset, &size));
		if (!more)
			return NULL;
		at += FLATTENED_PIECE;
		TRY(copy_piece(from, at, to, offset, size, buffer));
		at += (off_t)size;
	}
}

struct err *flattened_rearrange(int from, const char *path, int *ret)
{
	const char *folder = getenv("TMPDIR");
	_cleanup_(close) int to = -1;

	folder = folder && *folder ? folder : "/tmp";
	to = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (to < 0)
		return err_os(errno, "make a file in %s for the rearranged core %s", folder, path);
	TRY(err_wrap(rearrange(from, to), "%s is a flattened kdump file that can't be rearranged", path));
	*ret = steal_fd(&to);
	return NULL;
}
