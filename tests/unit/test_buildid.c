/*
 * Build IDs in notes that come from a guest's memory, and in files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/util.h"
#include "tests/unit/compile.h"

/* Another note, then the build ID 01020304. */
static const uint8_t notes[] = {
	4, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 'X', 'e', 'n', 0, 1, 2, 3, 0, /* a short descriptor is padded */
	4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4,
};

static void finds_it(void **state)
{
	_cleanup_(free) char *id = build_id_find(notes, sizeof(notes));

	(void)state;
	assert_non_null(id);
	assert_string_equal(id, "01020304");
}

static void survives_what_is_cut_or_wild(void **state)
{
	uint8_t copy[sizeof(notes)];

	(void)state;
	for (size_t n = 0; n < sizeof(notes); n++)
		assert_null(build_id_find(notes, n));
	/* Whatever one byte becomes, nothing outside is read (ASan sees it). */
	for (size_t i = 0; i < sizeof(notes); i++) {
		uint8_t *heap = xmalloc(sizeof(notes));

		memcpy(copy, notes, sizeof(notes));
		copy[i] = 0xff;
		memcpy(heap, copy, sizeof(notes));
		free(build_id_find(heap, sizeof(notes)));
		free(heap);
	}
}

static void a_program_has_one(void **state)
{
	_cleanup_(free) char *id = NULL;
	uint64_t address;
	size_t size;

	(void)state;
	assert_null(build_id_read("/proc/self/exe", &id));
	assert_true(strlen(id) >= 16);
	assert_null(build_id_segment("/proc/self/exe", &address, &size));
	assert_true(size > 16);
}

/* A file with these bytes: its build ID, or what is said about it. */
static char *read_back(const char *path, const void *bytes, size_t n)
{
	_cleanup_(err_destroy) struct err *e = write_file_atomic(path, bytes, n, 0600);
	char *id;

	assert_null(e);
	e = build_id_read(path, &id);
	return e ? xstrdup(err_message(e)) : id;
}

static void a_compressed_file_has_it_too(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/x.ko.gz", folder), *id = NULL,
			     *program = NULL, *own = NULL, *cut = NULL, *zstd = NULL, *text = NULL;
	_cleanup_(buf_deinit) struct buf packed = BUF_INIT;

	(void)state;
	assert_null(own_program(&program));
	const char *const gzip[] = { "gzip", "-c", program, NULL };

	assert_null(process_run(gzip, NULL, NULL, &packed));
	assert_null(build_id_read(program, &own));
	id = read_back(path, packed.data, packed.len);
	assert_string_equal(id, own);
	cut = read_back(path, packed.data, 12);
	assert_non_null(strstr(cut, "x.ko.gz is compressed by gzip, and can't be read here"));
	zstd = read_back(path, "\x28\xb5\x2f\xfd and nothing else", 21);
	assert_non_null(strstr(zstd, "x.ko.gz is compressed by zstd, and can't be read here"));
	text = read_back(path, "BZ", 2);
	assert_non_null(strstr(text, "x.ko.gz is not an ELF file"));
	assert_null(remove_tree(folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_it),
		cmocka_unit_test(survives_what_is_cut_or_wild),
		cmocka_unit_test(a_program_has_one),
		cmocka_unit_test(a_compressed_file_has_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
