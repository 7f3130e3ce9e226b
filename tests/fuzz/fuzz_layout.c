/*
 * Fuzzes the reader of kept layouts: what is understood can be written, and is then the same; and types in ELF files.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "base/util.h"
#include "debuginfo/layout.h"

static const struct layout_question questions[] = {
	{ LAYOUT_SYMBOL, NULL, "main", NULL },       { LAYOUT_TYPE, "thing", NULL, NULL },
	{ LAYOUT_MEMBER, "thing", "inner.s", NULL }, { LAYOUT_MEMBER, "thing", "level", "main" },
	{ LAYOUT_ENUMERATOR, NULL, "SEVEN", NULL },  { LAYOUT_BUILD_ID, NULL, NULL, NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void resolve(const uint8_t *data, size_t size)
{
	_cleanup_(close) int fd = memfd_create("elf", MFD_CLOEXEC);
	_cleanup_(free) char *path = xasprintf("/proc/self/fd/%d", fd);
	struct layout_answer a[ARRAY_SIZE(questions)];
	struct err *e = write_all(fd, data, size);

	if (!e)
		e = layout_resolve(path, questions, ARRAY_SIZE(questions), a);
	err_ignore(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layout_answer a[ARRAY_SIZE(questions)];
	_cleanup_(free) char *text = NULL;
	struct err *e;

	if (size >= 4 && memcmp(data, "\177ELF", 4) == 0) {
		resolve(data, size);
		return 0;
	}
	e = layout_parse((const char *)data, size, "abc", questions, ARRAY_SIZE(questions), a);
	if (e) {
		if (err_code(e) != ERR_BAD_DATA)
			abort();
		err_destroy(e);
		return 0;
	}
	text = layout_format("abc", questions, ARRAY_SIZE(questions), a);
	if (strlen(text) < size / 2)
		abort();
	return 0;
}
