#include "kbuild/bzimage.h"

#include <stdint.h>

#include "base/util.h"

enum {
	AT_BOOT_FLAG = 0x1fe,
	AT_MAGIC = 0x202,
	AT_PROTOCOL = 0x206,
	AT_KERNEL_VERSION = 0x20e, /* a pointer, less 0x200 */
	HEADER_END = 0x210,
	VERSION_MAX = 512,
	RELEASE_MAX = 64,
};

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] | (unsigned int)p[1] << 8;
}

bool bzimage_is(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len >= HEADER_END && get16(p + AT_BOOT_FLAG) == 0xaa55 && memcmp(p + AT_MAGIC, "HdrS", 4) == 0 &&
	       get16(p + AT_PROTOCOL) >= 0x200;
}

struct err *bzimage_version(const void *data, size_t len, char **ret)
{
	const uint8_t *p = data;
	size_t at, n = 0;

	if (!bzimage_is(data, len))
		return err_create(ERR_BAD_DATA, "it is not a bzImage");
	at = get16(p + AT_KERNEL_VERSION);
	if (!at || at + 0x200 >= len)
		return err_create(ERR_NOT_FOUND, "it doesn't say which kernel it is");
	at += 0x200;
	while (at + n < len && n < VERSION_MAX && p[at + n] >= 0x20 && p[at + n] < 0x7f)
		n++;
	if (!n || at + n == len || p[at + n] != '\0')
		return err_create(ERR_NOT_FOUND, "it doesn't say which kernel it is");
	*ret = xstrndup((const char *)p + at, n);
	return NULL;
}

struct err *bzimage_release(const char *version, char **ret)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-";
	size_t n = strcspn(version, " ");
	_cleanup_(free) char *release = xstrndup(version, n);

	if (!n || n > RELEASE_MAX || strspn(release, allowed) != n || *release == '.')
		return err_create(ERR_BAD_DATA, "'%.*s' is not the release of a kernel", RELEASE_MAX, release);
	*ret = steal(&release);
	return NULL;
}

/* Behind the number of the build, which the banner in an unstripped vmlinux may lack ("# SMP ..."). */
static const char *skip_number(const char *hash)
{
	hash++;
	return hash + strspn(hash, "0123456789");
}

bool bzimage_matches_banner(const char *version, const char *banner)
{
	const char *number = strstr(version, ") #"), *rest = skip_prefix(banner, "Linux version ");
	size_t head = number ? (size_t)(number - version) + 1 : 0;
	const char *tail, *at;

	/* Not how kernels are named since 2.6: nothing to compare. */
	if (!head || !rest)
		return true;
	if (strncmp(rest, version, head) != 0)
		return false;
	at = strrchr(rest + head, '#');
	if (!at)
		return false;
	tail = skip_number(number + 2);
	at = skip_number(at);
	return strncmp(at, tail, strlen(tail)) == 0 && (at[strlen(tail)] == '\n' || !at[strlen(tail)]);
}
