/*
 * modules.dep, and what depmod prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kbuild/module_deps.h"

static const char dep[] = "kernel/net/9p/9pnet.ko:\n"
			  "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko kernel/fs/fscache.ko kernel/fs/netfs.ko\n"
			  "kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/virtio.ko\n"
			  "kernel/misc/pvpanic-pci.ko: kernel/misc/pvpanic.ko\n"
			  "kernel/bad.ko: ../../etc/passwd /etc/passwd\n"
			  "last.ko:";

static void names(void **state)
{
	(void)state;
	assert_true(module_is_named("kernel/fs/9p/9p.ko", "9p"));
	assert_true(module_is_named("9p.ko.zst", "9p"));
	assert_true(module_is_named("x/pvpanic-pci.ko", "pvpanic_pci"));
	assert_false(module_is_named("x/9pnet.ko", "9p"));
	assert_false(module_is_named("x/9p.kox", "9p"));
	assert_false(module_is_named("9p.ko/x", "9p"));
	assert_false(module_is_named("", "9p"));
}

static void what_is_needed_comes_first(void **state)
{
	_cleanup_(strv_deinit) struct strv paths = STRV_INIT;
	_cleanup_(free) char *line = NULL;

	(void)state;
	assert_true(module_deps_add(dep, "9p", &paths));
	assert_true(module_deps_add(dep, "9pnet_virtio", &paths));
	assert_true(module_deps_add(dep, "last", &paths));
	assert_false(module_deps_add(dep, "none", &paths));
	assert_false(module_deps_add("", "none", &paths));
	line = strv_join(&paths, " ");
	assert_string_equal(line,
			    "kernel/fs/netfs.ko kernel/fs/fscache.ko kernel/net/9p/9pnet.ko kernel/fs/9p/9p.ko.xz "
			    "kernel/virtio.ko kernel/net/9p/9pnet_virtio.ko last.ko");
}

static void nothing_outside_of_the_folder(void **state)
{
	_cleanup_(strv_deinit) struct strv paths = STRV_INIT;

	(void)state;
	assert_true(module_deps_add(dep, "bad", &paths));
	assert_int_equal(paths.n, 1);
	assert_string_equal(paths.v[0], "kernel/bad.ko");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(what_is_needed_comes_first),
		cmocka_unit_test(nothing_outside_of_the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
