/*
 * What a disk's first bytes say, and what of it is refused. Headers are written here by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vm/image_header.h"

enum { SIZE = 4096, AT_NAME = 1024 };

static void put(uint8_t *p, size_t n, uint64_t v)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* Version 3, with a backing file and its format if they are given. */
static void make(uint8_t image[SIZE], const char *backing, const char *format)
{
	memset(image, 0, SIZE);
	memcpy(image, "QFI\xfb", 4);
	put(image + 4, 4, 3);
	put(image + 100, 4, 104);
	if (backing) {
		put(image + 8, 8, AT_NAME);
		put(image + 16, 4, strlen(backing));
		memcpy(image + AT_NAME, backing, strlen(backing));
	}
	if (format) {
		put(image + 104, 4, 0xe2792aca);
		put(image + 108, 4, strlen(format));
		memcpy(image + 112, format, strlen(format));
	}
}

/* True if the disk may be used so; else the message must have the word. */
static bool accepts(const uint8_t *image, enum disk_format format, bool given, const char *word)
{
	const struct disk d = { .path = (char *)"/d", .format = format, .format_given = given };
	_cleanup_(image_header_deinit) struct image_header h = { .backing = NULL };
	_cleanup_(err_destroy) struct err *e = NULL;

	assert_null(image_header_parse(image, SIZE, &h));
	e = image_header_check(&h, &d);
	if (e) {
		assert_int_equal(err_code(e), ERR_USAGE);
		assert_non_null(strstr(err_message(e), word));
	}
	return !e;
}

static void names_and_contents(void **state)
{
	uint8_t raw[SIZE] = { 0 }, qcow2[SIZE];

	(void)state;
	make(qcow2, NULL, NULL);
	assert_true(accepts(raw, DISK_RAW, false, ""));
	assert_true(accepts(raw, DISK_RAW, true, ""));
	assert_true(accepts(qcow2, DISK_QCOW2, false, ""));
	/* This is what a hostile guest would write. */
	assert_false(accepts(qcow2, DISK_RAW, false, "guest"));
	assert_true(accepts(qcow2, DISK_RAW, true, ""));
	assert_false(accepts(raw, DISK_QCOW2, false, ":raw"));
	assert_false(accepts(raw, DISK_QCOW2, true, "no qcow2"));
}

static void backing_files(void **state)
{
	uint8_t image[SIZE];

	(void)state;
	make(image, "base.img", "raw");
	assert_true(accepts(image, DISK_QCOW2, false, ""));
	make(image, "base.img", NULL);
	assert_false(accepts(image, DISK_QCOW2, false, "rebase"));
	make(image, "json:{\"driver\":\"file\"}", "raw");
	assert_false(accepts(image, DISK_QCOW2, false, "no plain file"));
	make(image, "nbd://host/x", "raw");
	assert_false(accepts(image, DISK_QCOW2, false, "no plain file"));
	make(image, "base.vmdk", "vmdk");
	assert_false(accepts(image, DISK_QCOW2, false, "only follows raw and qcow2"));
	make(image, "/base:1.img", "raw");
	assert_true(accepts(image, DISK_QCOW2, false, ""));
}

static void data_elsewhere(void **state)
{
	uint8_t image[SIZE];

	(void)state;
	make(image, NULL, NULL);
	put(image + 72, 8, 4);
	assert_false(accepts(image, DISK_QCOW2, true, "another file"));
}

static void damaged(void **state)
{
	struct image_header h;
	uint8_t image[SIZE];
	static const struct {
		size_t at, n;
		uint64_t v;
	} damage[] = {
		{ 4, 4, 1 },  { 100, 4, 8 },   { 100, 4, 0xffffffff }, { 8, 8, SIZE + 1 }, { 8, 8, UINT64_MAX },
		{ 16, 4, 0 }, { 16, 4, 1024 }, { 108, 4, 4000 },       { 108, 4, 33 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		struct err *e;

		make(image, "base.img", "raw");
		put(image + damage[i].at, damage[i].n, damage[i].v);
		e = image_header_parse(image, SIZE, &h);
		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		err_destroy(e);
	}
	make(image, "base.img", "raw");
	for (size_t len = 4; len < 112; len++) {
		struct err *e = image_header_parse(image, len, &h);

		assert_non_null(e);
		err_destroy(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_contents),
		cmocka_unit_test(backing_files),
		cmocka_unit_test(data_elsewhere),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
