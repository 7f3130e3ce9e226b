#include "mem/flattened.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/fs.h"
#include "base/util.h"

/* No core is larger, nor any piece of one. */
#define OFFSET_MAX (UINT64_C(1) << 44)
#define SIZE_MAX_BYTES (UINT64_C(1) << 40)

enum { COPY_BYTES = 1 << 18, TICK_MS = 200 };

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

struct unfolding {
	int from, to;
	flattened_tick tick;
	void *user;
	uint8_t *buffer;
};

/* ERR_BAD_DATA where the file ends early. */
static struct err *read_exactly(const struct unfolding *u, void *data, size_t len)
{
	while (len) {
		struct pollfd p = { .fd = u->from, .events = POLLIN };
		ssize_t n;

		if (u->tick)
			TRY(u->tick(u->user));
		if (poll(&p, 1, TICK_MS) <= 0)
			continue;
		n = read(u->from, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_os(errno, "read it");
		if (!n)
			return err_create(ERR_BAD_DATA, "it was cut off");
		data = (char *)data + n;
		len -= (size_t)n;
	}
	return NULL;
}

static struct err *copy_piece(const struct unfolding *u, uint64_t offset, uint64_t size)
{
	if (lseek(u->to, (off_t)offset, SEEK_SET) < 0)
		return err_os(errno, "go to 0x%llx in the rearranged file", (unsigned long long)offset);
	while (size) {
		size_t n = (size_t)MIN(size, (uint64_t)COPY_BYTES);

		TRY(read_exactly(u, u->buffer, n));
		TRY(write_all(u->to, u->buffer, n));
		size -= n;
	}
	return NULL;
}

static struct err *unfold(const struct unfolding *u)
{
	TRY(read_exactly(u, u->buffer, FLATTENED_HEAD));
	if (!flattened_is(u->buffer, FLATTENED_HEAD))
		return err_create(ERR_BAD_DATA, "it doesn't begin as a flattened kdump file does");
	for (;;) {
		uint8_t head[FLATTENED_PIECE];
		uint64_t offset, size;
		bool more;

		TRY(read_exactly(u, head, sizeof(head)));
		TRY(flattened_parse(head, &more, &offset, &size));
		if (!more)
			return NULL;
		TRY(copy_piece(u, offset, size));
	}
}

struct err *flattened_unfold(int from, int to, flattened_tick tick, void *user)
{
	_cleanup_(free) uint8_t *buffer = xmalloc(COPY_BYTES);
	const struct unfolding u = { from, to, tick, user, buffer };

	return unfold(&u);
}

struct err *flattened_rearrange(int from, const char *path, int *ret)
{
	const char *folder = getenv("TMPDIR");
	_cleanup_(close) int to = -1;

	folder = folder && *folder ? folder : "/tmp";
	to = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (to < 0)
		return err_os(errno, "make a file in %s for the rearranged core %s", folder, path);
	if (lseek(from, 0, SEEK_SET) < 0)
		return err_os(errno, "read %s", path);
	TRY(err_wrap(flattened_unfold(from, to, NULL, NULL), "%s is a flattened kdump file that can't be rearranged",
		     path));
	*ret = steal_fd(&to);
	return NULL;
}
