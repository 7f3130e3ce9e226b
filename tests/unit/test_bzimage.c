/*
 * A bzImage's header, made by hand, and what is compared with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/bzimage.h"

enum { SIZE = 4096, AT_TEXT = 0x800 };

static const char text[] = "6.1.0-9-amd64 (builder@host) #1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)";

static void make(uint8_t image[SIZE])
{
	memset(image, 0, SIZE);
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x206] = 15;
	image[0x207] = 2;
	image[0x20f] = (AT_TEXT - 0x200) >> 8;
	memcpy(image + AT_TEXT, text, sizeof(text));
}

static void reads_the_version(void **state)
{
	_cleanup_(free) char *version = NULL, *release = NULL;
	uint8_t image[SIZE];

	(void)state;
	make(image);
	assert_true(bzimage_is(image, SIZE));
	assert_null(bzimage_version(image, SIZE, &version));
	assert_string_equal(version, text);
	assert_null(bzimage_release(version, &release));
	assert_string_equal(release, "6.1.0-9-amd64");
}

static void expect_error(const uint8_t *image, size_t len, enum err_code code)
{
	char *version = NULL;
	struct err *e = bzimage_version(image, len, &version);

	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_null(version);
	err_destroy(e);
}

static void survives_what_is_broken(void **state)
{
	uint8_t image[SIZE];

	(void)state;
	make(image);
	expect_error(image, 0x20f, ERR_BAD_DATA);
	expect_error(image, 0x210, ERR_NOT_FOUND);
	expect_error(image, AT_TEXT + 5, ERR_NOT_FOUND);
	image[0x20e] = image[0x20f] = 0xff;
	expect_error(image, SIZE, ERR_NOT_FOUND);
	image[0x20e] = image[0x20f] = 0;
	expect_error(image, SIZE, ERR_NOT_FOUND);
	make(image);
	image[AT_TEXT + 3] = '\n';
	expect_error(image, SIZE, ERR_NOT_FOUND);
	image[0x203] = 'x';
	assert_false(bzimage_is(image, SIZE));
	expect_error(image, SIZE, ERR_BAD_DATA);
}

/* It becomes a part of paths. */
static void refuses_releases_that_can_not_be(void **state)
{
	static const char *const bad[] = { "", " x", "../../etc (x)", ".hidden", "a/b", "a\"b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *release = NULL;
		_cleanup_(err_destroy) struct err *e = bzimage_release(bad[i], &release);

		assert_non_null(e);
		assert_null(release);
	}
}

static void compares_banners(void **state)
{
	static const struct {
		const char *banner;
		bool same;
	} cases[] = {
		{ "Linux version 6.1.0-9-amd64 (builder@host) (gcc 12, ld 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 "
		  "(2023-05-08)\n",
		  true },
		{ "Linux version 6.1.0-9-amd64 (builder@host) (gcc 12) # SMP PREEMPT_DYNAMIC Debian 6.1.27-1 "
		  "(2023-05-08)\n",
		  true },
		{ "Linux version 6.1.0-9-amd64 (builder@host) (gcc 12) #1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 "
		  "(2023-05-09)\n",
		  false },
		{ "Linux version 6.1.0-9-amd64 (other@host) (gcc 12) #1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 "
		  "(2023-05-08)\n",
		  false },
		{ "Linux version 6.1.0-9 (builder@host) #1 SMP\n", false },
		{ "Linux version 6.1.0-9-amd64 (builder@host) (gcc 12)\n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(bzimage_matches_banner(text, cases[i].banner), cases[i].same);
	assert_true(bzimage_matches_banner("2.4 something", cases[0].banner));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_version),
		cmocka_unit_test(survives_what_is_broken),
		cmocka_unit_test(refuses_releases_that_can_not_be),
		cmocka_unit_test(compares_banners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
