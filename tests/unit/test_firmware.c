/*
 * Whether a QEMU has qboot: by the folder that it lies in, not by the machine's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/util.h"
#include "vm/firmware.h"

static char folder[] = "/tmp/ktb-firmware.XXXXXX";

static char *in_folder(const char *path)
{
	return xasprintf("%s/%s", folder, path);
}

static void make(const char *below, const char *name, mode_t mode)
{
	_cleanup_(free) char *parent = in_folder(below), *file = xasprintf("%s/%s", parent, name);

	assert_null(mkdir_parents(parent, 0700));
	assert_null(write_file_atomic(file, "#!/bin/sh\n", 10, mode));
}

static int make_them(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	make("with/bin", "qemu", 0700);
	make("with/share/qemu", "qboot.rom", 0600);
	make("without/bin", "qemu", 0700);
	return 0;
}

static int remove_them(void **state)
{
	(void)state;
	assert_null(remove_tree(folder));
	return 0;
}

static void it_is_looked_for_beside_qemu(void **state)
{
	_cleanup_(free) char *with = in_folder("with/bin/qemu"), *without = in_folder("without/bin/qemu");

	(void)state;
	assert_true(firmware_has_qboot(with));
	assert_false(firmware_has_qboot(without));
}

static void links_are_followed(void **state)
{
	_cleanup_(free) char *with = in_folder("with/bin/qemu"), *link = in_folder("without/bin/linked");

	(void)state;
	assert_int_equal(symlink(with, link), 0);
	assert_true(firmware_has_qboot(link));
}

static void a_name_is_looked_up(void **state)
{
	_cleanup_(free) char *path = in_folder("with/bin");

	(void)state;
	setenv("PATH", path, 1);
	assert_true(firmware_has_qboot("qemu"));
	assert_false(firmware_has_qboot("ktb-no-such-qemu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_looked_for_beside_qemu),
		cmocka_unit_test(links_are_followed),
		cmocka_unit_test(a_name_is_looked_up),
	};

	return cmocka_run_group_tests(tests, make_them, remove_them);
}
