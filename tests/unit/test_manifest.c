#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/manifest.h"

static struct manifest example(void)
{
	return (struct manifest){
		.key = xstrdup("0123"),
		.source_kind = xstrdup("tree"),
		.source = xstrdup("/src/linux \"x\""),
		.source_tree = xstrdup("/src/linux"),
		.source_state = xstrdup("4567"),
		.config_digest = xstrdup("89ab"),
		.release = xstrdup("6.1.192-ktb"),
		.build_id = xstrdup("cdef"),
		.compiler = xstrdup("gcc (Debian) 12"),
		.out = xstrdup("/out"),
		.vmlinux = xstrdup("/out/vmlinux"),
		.bzimage = xstrdup("/out/bzImage"),
		.modules = xstrdup("/modules"),
		.compile_commands = xstrdup("/out/compile_commands.json"),
		.gdb_script = xstrdup("/out/vmlinux-gdb.py"),
		.log = xstrdup("/build.log"),
		.ktb_version = xstrdup("1"),
		.date = xstrdup("2026-01-01T00:00:00Z"),
		.vmlinux_size = 300000000,
		.vmlinux_mtime_ns = 1767225600123456789,
		.dropped = 2,
	};
}

static struct err *parse(const char *text, struct manifest *ret)
{
	return manifest_parse("manifest.json", text, strlen(text), ret);
}

static void reads_what_it_writes(void **state)
{
	_cleanup_(manifest_deinit) struct manifest m = example(), back = MANIFEST_INIT;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT, again = BUF_INIT;

	(void)state;
	manifest_format(&m, &text);
	assert_null(parse(buf_str(&text), &back));
	assert_string_equal(back.source, "/src/linux \"x\"");
	assert_string_equal(back.gdb_script, "/out/vmlinux-gdb.py");
	assert_true(back.vmlinux_mtime_ns == 1767225600123456789);
	assert_int_equal(back.dropped, 2);
	manifest_format(&back, &again);
	assert_string_equal(buf_str(&again), buf_str(&text));
}

static void check_broken(const char *text, const char *message)
{
	struct manifest m = MANIFEST_INIT;
	struct err *e = parse(text, &m);

	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_BAD_DATA);
	assert_non_null(strstr(err_message(e), message));
	assert_null(m.key);
	err_destroy(e);
}

static void refuses_what_is_broken(void **state)
{
	(void)state;
	check_broken("", "not a JSON object");
	check_broken("{", "not a JSON object");
	check_broken("[]", "not a JSON object");
	check_broken("null", "not a JSON object");
	check_broken("{}", "it has no \"release\"");
	check_broken("{\"release\": 5}", "\"release\" is not a text");
	check_broken("{\"release\": \"\"}", "\"release\" is not a text");
	check_broken("{\"release\": \"a\\u0000b\"}", "\"release\" is not a text");
	check_broken("{\"release\": \"a\", \"build_id\": \"b\", \"vmlinux\": \"vmlinux\"}",
		     "\"vmlinux\" is not an absolute path");
	check_broken("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}", "not a JSON object");
}

static void refuses_each_part_of_it(void **state)
{
	_cleanup_(manifest_deinit) struct manifest m = example();
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	(void)state;
	manifest_format(&m, &text);
	/* Without the newline and the closing brace; the rest is whole. */
	for (size_t n = 0; n < text.len - 2; n++) {
		struct manifest part = MANIFEST_INIT;
		struct err *e = manifest_parse("manifest.json", text.data, n, &part);

		assert_non_null(e);
		err_destroy(e);
	}
}

static void notices_changed_files(void **state)
{
	char path[] = "/tmp/ktb-manifest.XXXXXX";
	int fd = mkstemp(path);
	struct manifest m = {
		.vmlinux = path, .bzimage = path, .modules = path, .compile_commands = path, .gdb_script = path
	};
	struct err *e;

	(void)state;
	assert_true(fd >= 0);
	assert_null(manifest_stamp(&m));
	assert_null(manifest_check_files(&m));
	assert_int_equal(write(fd, "x", 1), 1);
	e = manifest_check_files(&m);
	assert_non_null(e);
	err_destroy(e);
	assert_null(manifest_stamp(&m));
	close(fd);
	unlink(path);
	e = manifest_check_files(&m);
	assert_non_null(e);
	err_destroy(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(refuses_what_is_broken),
		cmocka_unit_test(refuses_each_part_of_it),
		cmocka_unit_test(notices_changed_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
