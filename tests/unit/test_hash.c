/*
 * SHA-256, against the examples of FIPS 180-2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/util.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void assert_digest(const char *data, size_t len, size_t step, const char *expected)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;
	struct digest d;

	assert_null(hash_create(&h));
	for (size_t i = 0; i < len; i += step)
		hash_update(h, data + i, MIN(step, len - i));
	hash_final(h, &d);
	assert_string_equal(d.hex, expected);
}

static void knows_the_standard_examples(void **state)
{
	_cleanup_(free) char *million = xmalloc(1000000);

	(void)state;
	memset(million, 'a', 1000000);
	assert_digest("", 0, 1, EMPTY);
	assert_digest("abc", 3, 3, ABC);
	assert_digest("abc", 3, 1, ABC);
	assert_digest(million, 1000000, 4099, MILLION_A);
}

static void digest_strings(struct digest *ret, const char *a, const char *b)
{
	_cleanup_(hash_destroy) struct hash *h = NULL;

	assert_null(hash_create(&h));
	hash_string(h, a);
	hash_string(h, b);
	hash_final(h, ret);
}

static void strings_do_not_run_together(void **state)
{
	struct digest one, other;

	(void)state;
	digest_strings(&one, "ab", "c");
	digest_strings(&other, "a", "bc");
	assert_string_not_equal(one.hex, other.hex);
	digest_strings(&one, NULL, "x");
	digest_strings(&other, "", "x");
	assert_string_equal(one.hex, other.hex);
}

static void count_calls(size_t done, void *data)
{
	*(size_t *)data = done;
}

static void hashes_files(void **state)
{
	char path[] = "/tmp/ktb-test-hash.XXXXXX";
	_cleanup_(close) int fd = mkstemp(path);
	_cleanup_(err_destroy) struct err *e = NULL;
	_cleanup_(free) char *million = xmalloc(1000000);
	size_t done = 0;
	struct digest d;

	(void)state;
	assert_true(fd >= 0);
	memset(million, 'a', 1000000);
	assert_null(hash_file(path, NULL, NULL, &d));
	assert_string_equal(d.hex, EMPTY);
	assert_null(write_all(fd, million, 1000000));
	assert_null(hash_file(path, count_calls, &done, &d));
	assert_string_equal(d.hex, MILLION_A);
	assert_int_equal(done, 1000000);
	unlink(path);
	e = hash_file(path, NULL, NULL, &d);
	assert_non_null(e);
	assert_int_equal(err_errno(e), ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_the_standard_examples),
		cmocka_unit_test(strings_do_not_run_together),
		cmocka_unit_test(hashes_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
