/*
 * Why a kernel was not found. Another one may be there: VMCOREINFO is a page that begins with OSRELEASE=, wherever the
 * kernel put it, and it has the build ID.
 */
#include <ctype.h>
#include <inttypes.h>

#include "base/util.h"
#include "kernel/kernel_private.h"
#include "kernel/vmcoreinfo.h"

enum { PAGE_BYTES = 4096, START_BYTES = 512, TEXT_MAX = 65 };

/* A value from the guest, as far as it is fit to be shown. */
static bool copy_value(const char *text, size_t len, const char *key, char ret[TEXT_MAX])
{
	size_t n;
	const char *value = vmcoreinfo_find(text, len, key, &n);

	if (!value || !n || n >= TEXT_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isgraph((unsigned char)value[i]))
			return false;
	}
	memcpy(ret, value, n);
	ret[n] = '\0';
	return true;
}

/* The build ID and the release of a kernel other than ours that is somewhere in memory. */
static bool find_other(const struct kernel *k, const char *build_id, char id[TEXT_MAX], char release[TEXT_MAX])
{
	uint64_t pages = MIN(mem_end(k->mem) / PAGE_BYTES, LIMIT_PAGES);

	for (uint64_t i = 0; i < pages; i++) {
		char start[START_BYTES];
		struct err *e = mem_peek_phys(k->mem, i * PAGE_BYTES, start, sizeof(start));

		if (e) {
			err_destroy(e);
			continue;
		}
		if (memcmp(start, "OSRELEASE=", 10) == 0 && copy_value(start, sizeof(start), "BUILD-ID", id) &&
		    copy_value(start, sizeof(start), "OSRELEASE", release) && !streq(id, build_id))
			return true;
	}
	return false;
}

struct err *kernel_explain_absence(const struct kernel *k, const char *build_id)
{
	char id[TEXT_MAX], release[TEXT_MAX];

	if (find_other(k, build_id, id, release))
		return err_create(
			ERR_BAD_DATA,
			"vmlinux doesn't match: its build ID is %s, but in memory is a kernel %s with the build ID "
			"%s; name its vmlinux by --vmlinux",
			build_id, release, id);
	if (k->image)
		return err_create(
			ERR_NOT_FOUND,
			"the kernel (build ID %s) is in the guest's memory, but it has not set up its page tables "
			"yet; try again when it runs",
			build_id);
	return err_create(
		ERR_NOT_FOUND,
		"the kernel with the build ID %s is not in the guest's memory: the guest is still in its firmware or "
		"decompressor, or it is another kernel's",
		build_id);
}
