/*
 * Folders, disks and ports: as the user writes them, and as QEMU and init are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/options.h"
#include "vm/attach.h"

static void shares(void **state)
{
	static const struct {
		const char *text, *host, *guest;
		bool writable;
	} cases[] = {
		{ "/srv/data", "/srv/data", "/mnt/data", false },
		{ "/srv/data/", "/srv/data/", "/mnt/data", false },
		{ "/srv/data:ro", "/srv/data", "/mnt/data", false },
		{ "/srv/data:rw", "/srv/data", "/mnt/data", true },
		{ "/srv/data:/d", "/srv/data", "/d", false },
		{ "/srv/data:/d:rw", "/srv/data", "/d", true },
		{ "/srv/a:b", "/srv/a:b", "/mnt/a:b", false },
		{ "/srv/a:/b:/c", "/srv/a:/b", "/c", false },
		{ "/:/host", "/", "/host", false },
		{ "/srv/rw", "/srv/rw", "/mnt/rw", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(attach_deinit) struct attach a = { .root = NULL };

		assert_null(attach_add_share(&a, cases[i].text));
		assert_int_equal(a.shares_n, 1);
		assert_string_equal(a.shares[0].host, cases[i].host);
		assert_string_equal(a.shares[0].guest, cases[i].guest);
		assert_int_equal(a.shares[0].writable, cases[i].writable);
	}
}

typedef struct err *(*add)(struct attach *a, const char *text);

static void refuse(add f, const char *const *texts, size_t n)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };

	for (size_t i = 0; i < n; i++) {
		_cleanup_(err_destroy) struct err *e = f(&a, texts[i]);

		assert_non_null(e);
		assert_int_equal(err_code(e), ERR_USAGE);
	}
	assert_int_equal(a.shares_n + a.disks_n + a.forwards_n, 0);
}

static void what_can_not_be(void **state)
{
	static const char *const bad_shares[] = {
		"", ":rw", ":/x", "/", "/srv:/", "/srv://", "/srv:/a/../b", "/srv:/."
	};
	static const char *const bad_disks[] = { "", ":ro", "x:raw:qcow2", "x:ro:snapshot" };
	static const char *const bad_forwards[] = { "",      "22",      "22:",     ":22",      "0:22",
						    "1:0",   "1:65536", "65536:1", "icmp:1:2", "tcp:udp:1:2",
						    "1:2:3", "1:auto",  "-1:2",    " 1:2" };

	(void)state;
	refuse(attach_add_share, bad_shares, ARRAY_SIZE(bad_shares));
	refuse(attach_add_disk, bad_disks, ARRAY_SIZE(bad_disks));
	refuse(attach_add_forward, bad_forwards, ARRAY_SIZE(bad_forwards));
}

static void two_in_one_place(void **state)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(err_destroy) struct err *share = NULL, *forward = NULL;

	(void)state;
	assert_null(attach_add_share(&a, "/a/x"));
	assert_non_null(share = attach_add_share(&a, "/b/x"));
	assert_null(attach_add_forward(&a, "80:80"));
	assert_null(attach_add_forward(&a, "udp:80:80"));
	assert_null(attach_add_forward(&a, "auto:80"));
	assert_null(attach_add_forward(&a, "auto:80"));
	assert_non_null(forward = attach_add_forward(&a, "80:81"));
}

static void so_many(void **state)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(err_destroy) struct err *e = NULL;

	(void)state;
	assert_int_equal(ATTACH_MAX, OPTIONS_SHARES_MAX);
	for (int i = 0; i < ATTACH_MAX; i++) {
		_cleanup_(free) char *text = xasprintf("/srv/%d", i);

		assert_null(attach_add_share(&a, text));
	}
	assert_non_null(e = attach_add_share(&a, "/srv/x"));
}

static void disks(void **state)
{
	static const struct {
		const char *text, *path;
		bool readonly, snapshot, given;
		enum disk_format format;
	} cases[] = {
		{ "/d", "/d", false, false, false, DISK_RAW },
		{ "/d.qcow2", "/d.qcow2", false, false, false, DISK_QCOW2 },
		{ "/d.qcow2:raw", "/d.qcow2", false, false, true, DISK_RAW },
		{ "/d:qcow2:ro", "/d", true, false, true, DISK_QCOW2 },
		{ "/d.qcow2:snapshot", "/d.qcow2", false, true, false, DISK_QCOW2 },
		{ "/d:snapshot:raw", "/d", false, true, true, DISK_RAW },
		{ "/d:x:ro", "/d:x", true, false, false, DISK_RAW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(attach_deinit) struct attach a = { .root = NULL };

		assert_null(attach_add_disk(&a, cases[i].text));
		assert_string_equal(a.disks[0].path, cases[i].path);
		assert_int_equal(a.disks[0].readonly, cases[i].readonly);
		assert_int_equal(a.disks[0].snapshot, cases[i].snapshot);
		assert_int_equal(a.disks[0].format_given, cases[i].given);
		assert_int_equal(a.disks[0].format, cases[i].format);
	}
}

static void forwards_listen_on_loopback(void **state)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(free) char *netdev = NULL, *text = NULL;

	(void)state;
	assert_null(attach_add_forward(&a, "2222:22"));
	assert_null(attach_add_forward(&a, "udp:5353:53"));
	netdev = attach_netdev(&a);
	assert_string_equal(netdev, "user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp:127.0.0.1:5353-:53");
	text = attach_format_forwards(&a);
	assert_string_equal(text, "tcp:2222:22 udp:5353:53");
}

/* Whatever is not said to be writable, QEMU itself must refuse to change; formats are never left to be guessed. */
static void qemu_is_told(void **state)
{
	_cleanup_(attach_deinit) struct attach a = { .root = xstrdup("/roots/a,b") };
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;

	(void)state;
	assert_null(attach_add_share(&a, "/srv/x"));
	assert_null(attach_add_share(&a, "/srv/y:rw"));
	assert_null(attach_add_share(&a, "/srv/z:rw"));
	a.shares[2].mapped = true;
	assert_null(attach_add_disk(&a, "/d,1.img:ro"));
	assert_null(attach_add_disk(&a, "/e.qcow2:snapshot"));
	attach_argv(&a, &argv);
	assert_true(strv_contains(&argv, "if=none,id=disk0,file=/d,,1.img,format=raw,readonly=on"));
	assert_true(strv_contains(&argv, "if=none,id=disk1,file=/e.qcow2,format=qcow2,snapshot=on"));
	assert_true(strv_contains(&argv, "virtio-blk-pci,drive=disk1"));
	assert_true(
		strv_contains(&argv, "local,id=root,path=/roots/a,,b,security_model=none,multidevs=remap,readonly=on"));
	assert_true(
		strv_contains(&argv, "local,id=share0,path=/srv/x,security_model=none,multidevs=remap,readonly=on"));
	assert_true(strv_contains(&argv, "local,id=share1,path=/srv/y,security_model=none,multidevs=remap"));
	assert_true(strv_contains(&argv, "local,id=share2,path=/srv/z,security_model=mapped-xattr,multidevs=remap"));
	assert_true(strv_contains(&argv, "virtio-9p-pci,fsdev=share2,mount_tag=share2"));
}

/* What one side writes, the other understands. */
static void init_is_told(void **state)
{
	_cleanup_(attach_deinit) struct attach a = { .root = NULL };
	_cleanup_(strv_deinit) struct strv words = STRV_INIT;
	_cleanup_(free) char *line = NULL;
	struct options o;

	(void)state;
	assert_null(attach_add_share(&a, "/srv/x:/a place/100%:rw"));
	assert_null(attach_add_share(&a, "/srv/\"q\" \xc3\xa4"));
	attach_cmdline(&a, &words);
	line = strv_join(&words, " ");
	assert_null(strchr(line, '"'));
	options_parse(line, &o);
	assert_int_equal(o.shares_n, 2);
	assert_string_equal(o.shares[0].tag, "share0");
	assert_string_equal(o.shares[0].path, "/a place/100%");
	assert_true(o.shares[0].writable);
	assert_string_equal(o.shares[1].path, "/mnt/\"q\" \xc3\xa4");
	assert_false(o.shares[1].writable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(what_can_not_be),
		cmocka_unit_test(two_in_one_place),
		cmocka_unit_test(so_many),
		cmocka_unit_test(disks),
		cmocka_unit_test(forwards_listen_on_loopback),
		cmocka_unit_test(qemu_is_told),
		cmocka_unit_test(init_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
