/*
 * SOURCE[:DEST].
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "initramfs/file_spec.h"

static void splits(void **state)
{
	static const struct {
		const char *text, *source, *dest;
	} cases[] = {
		{ "prog", "prog", "root/prog" },
		{ "dir/prog", "dir/prog", "root/prog" },
		{ "dir//sub//", "dir//sub//", "root/sub" },
		{ "~/x", "~/x", "root/x" },
		{ "/etc/hosts:/etc/hosts", "/etc/hosts", "etc/hosts" },
		{ "prog:/usr/bin/", "prog", "usr/bin/prog" },
		{ "prog:/", "prog", "prog" },
		{ "prog:/bin/other", "prog", "bin/other" },
		{ "prog://bin/./other", "prog", "bin/other" },
		{ "rootfs:/.", "rootfs", "" },
		{ "rootfs:/opt/.", "rootfs", "opt" },
		{ ".:/src", ".", "src" },
		{ "a:b", "a:b", "root/a:b" },
		{ "a:b:/c", "a:b", "c" },
		{ "a:/b:/c", "a:/b", "c" },
		{ "prog:bin/prog", "prog:bin/prog", "root/prog" },
		{ "init", "init", "root/init" },
		{ "x:/initrd", "x", "initrd" },
		{ "x:/sbin/init", "x", "sbin/init" },
		{ "x:/...", "x", "..." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(file_spec_deinit) struct file_spec spec = FILE_SPEC_INIT;

		assert_null(file_spec_parse(cases[i].text, &spec));
		assert_string_equal(spec.source, cases[i].source);
		assert_string_equal(spec.dest, cases[i].dest);
	}
}

static void refuses(void **state)
{
	static const char *const cases[][2] = {
		{ "", "in front of the colon" },
		{ ":/x", "in front of the colon" },
		{ "x:", "behind the colon" },
		{ "..", "no name" },
		{ "/", "no name" },
		{ ".:/root/", "no name" },
		{ "x:/a/../b", "\"..\"" },
		{ "x:/..", "\"..\"" },
		{ "x:/init", "/init" },
		{ "init:/./", "/init" },
		{ "init:/", "/init" },
		{ "x:/init/y", "/init" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct file_spec spec = FILE_SPEC_INIT;
		struct err *e = file_spec_parse(cases[i][0], &spec);

		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_USAGE);
		assert_non_null(strstr(err_message(e), cases[i][1]));
		assert_null(spec.source);
		err_destroy(e);
	}
}

static void refuses_what_is_too_long(void **state)
{
	char text[8200] = "x:/";
	struct file_spec spec = FILE_SPEC_INIT;
	struct err *e;

	(void)state;
	memset(text + 3, 'a', 256);
	e = file_spec_parse(text, &spec);
	assert_non_null(e);
	err_destroy(e);
	for (size_t i = 3; i < 8100; i += 2)
		memcpy(text + i, "a/", 2);
	e = file_spec_parse(text, &spec);
	assert_non_null(e);
	assert_non_null(strstr(err_message(e), "longer than"));
	err_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
