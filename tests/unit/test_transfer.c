/*
 * Files over a stream: what is sent comes out alike, and a hostile stream can't write anywhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/util.h"
#include "guest/transfer.h"

struct test {
	char *folder;
	struct buf stream, reports;
	bool contain, into;
	const char *const *names;
	size_t names_n;
	uint32_t mask;
};

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof(*t));
	char template[] = "/tmp/ktb-transfer.XXXXXX";

	assert_non_null(mkdtemp(template));
	t->folder = xstrdup(template);
	assert_int_equal(chdir(template), 0);
	assert_int_equal(mkdir("dest", 0700), 0);
	t->contain = true;
	t->mask = 0777;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;

	assert_int_equal(chdir("/"), 0);
	assert_null(remove_tree(t->folder));
	free(t->folder);
	buf_deinit(&t->stream);
	buf_deinit(&t->reports);
	free(t);
	return 0;
}

static void on_report(const char *text, void *user)
{
	struct test *t = user;

	buf_puts(&t->reports, text);
	buf_putc(&t->reports, '\n');
}

/* --- Streams by hand --- */

static void put(struct test *t, enum transfer_type type, const void *payload, size_t len)
{
	uint8_t header[KTB_FRAME_HEADER];

	frame_put_header(header, (uint32_t)len, (uint16_t)type, 0);
	buf_append(&t->stream, header, sizeof(header));
	buf_append(&t->stream, payload, len);
}

/* An entry of mode 0644 or what is given, and the year 1970. */
static void put_entry(struct test *t, enum transfer_type type, const char *name, size_t len, unsigned int mode)
{
	char payload[8192] = { (char)(mode & 0xff), (char)(mode >> 8) };

	memcpy(payload + 24, name, len);
	put(t, type, payload, 24 + len);
}

static void put_file(struct test *t, const char *name, const char *content)
{
	const uint32_t zero = 0;

	put_entry(t, TRANSFER_FILE, name, strlen(name), 0644);
	put(t, TRANSFER_DATA, content, strlen(content));
	put(t, TRANSFER_FILE_END, &zero, 4);
}

static void put_folder(struct test *t, const char *name)
{
	put_entry(t, TRANSFER_FOLDER, name, strlen(name), 0755);
}

static void put_link(struct test *t, const char *name, const char *target)
{
	char both[512];
	size_t n = strlen(name) + 1;

	memcpy(both, name, n);
	memcpy(both + n, target, strlen(target));
	put_entry(t, TRANSFER_LINK, both, n + strlen(target), 0777);
}

static void put_done(struct test *t)
{
	put(t, TRANSFER_DONE, "", 0);
}

static bool receive(struct test *t, const char *dest)
{
	const struct transfer_callbacks callbacks = { .report = on_report, .user = t };
	int fd = memfd_create("stream", MFD_CLOEXEC);
	const struct transfer_receive r = {
		.in_fd = fd,
		.dest = dest,
		.into = t->into,
		.names = t->names,
		.names_n = t->names_n,
		.mode_mask = t->mask,
		.contain_links = t->contain,
	};
	bool good;

	assert_true(fd >= 0);
	assert_null(write_all(fd, buf_str(&t->stream), t->stream.len));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	good = transfer_receive(&r, &callbacks);
	close(fd);
	buf_clear(&t->stream);
	return good;
}

static void expect_content(const char *path, const char *content)
{
	struct buf b = BUF_INIT;

	assert_null(read_file(path, 1 << 20, &b));
	assert_string_equal(buf_str(&b), content);
	buf_deinit(&b);
}

static void expect_report(struct test *t, const char *text)
{
	assert_non_null(strstr(buf_str(&t->reports), text));
	buf_clear(&t->reports);
}

/* Nothing but `n` entries is in the folder: no temporary file, and nothing that came another way. */
static void expect_entries(const char *folder, size_t n)
{
	DIR *dir = opendir(folder);
	size_t found = 0;

	assert_non_null(dir);
	while (readdir(dir))
		found++;
	closedir(dir);
	assert_int_equal(found, n + 2);
}

/* --- Tests --- */

static void writes_what_comes(void **state)
{
	struct test *t = *state;
	struct stat st;

	put_folder(t, "tree");
	put_file(t, "a", "one");
	put_folder(t, "sub");
	put_file(t, "b", "");
	put_link(t, "link", "../a");
	put(t, TRANSFER_LEAVE, "", 0);
	put(t, TRANSFER_LEAVE, "", 0);
	put_done(t);
	assert_true(receive(t, "dest"));
	expect_content("dest/tree/a", "one");
	expect_content("dest/tree/sub/b", "");
	expect_content("dest/tree/sub/link", "one");
	assert_int_equal(stat("dest/tree/a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_mtime, 0);
	assert_int_equal(stat("dest/tree", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_string_equal(buf_str(&t->reports), "");
}

static void refuses_names_that_lead_elsewhere(void **state)
{
	static const char *const bad[] = { "..", ".", "", "../x", "/x", "a/b", "a\0b" };
	static const size_t lengths[] = { 2, 1, 0, 4, 2, 3, 3 };
	struct test *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put_folder(t, "tree");
		put_entry(t, TRANSFER_FILE, bad[i], lengths[i], 0644);
		put_done(t);
		assert_false(receive(t, "dest"));
		expect_report(t, "a name that can't be one");
	}
	expect_entries("dest/tree", 0);
	expect_entries(".", 1);
}

static void follows_no_link(void **state)
{
	struct test *t = *state;

	/* Made by the stream itself, were that let. */
	t->contain = false;
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	put_folder(t, "tree");
	put_link(t, "way", "../../elsewhere");
	put_folder(t, "way");
	put_file(t, "x", "bad");
	put(t, TRANSFER_LEAVE, "", 0);
	put_link(t, "file", "../../elsewhere/y");
	put_file(t, "file", "good");
	put(t, TRANSFER_LEAVE, "", 0);
	put_done(t);
	assert_false(receive(t, "dest"));
	expect_report(t, "can't make folder dest/tree/way: Not a directory");
	expect_entries("elsewhere", 0);
	expect_content("dest/tree/file", "good");
}

static void leaves_out_links_that_lead_outside(void **state)
{
	static const char *const bad[] = { "/etc/passwd", "..", "../..", "sub/../../x", "./../y" };
	struct test *t = *state;

	put_folder(t, "tree");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		put_link(t, "bad", bad[i]);
	put_link(t, "good", "sub/x");
	put(t, TRANSFER_LEAVE, "", 0);
	put_done(t);
	assert_true(receive(t, "dest"));
	expect_entries("dest/tree", 1);
	expect_report(t, "left out: dest/tree/bad is a link that leads outside, to /etc/passwd");
	assert_true(transfer_link_is_inside("../../x", 2));
	assert_false(transfer_link_is_inside("../../x", 1));
}

static void takes_only_what_was_asked_for(void **state)
{
	static const char *const names[] = { "a", "b" };
	struct test *t = *state;

	t->names = names;
	t->names_n = 2;
	put_file(t, "b", "two");
	put_done(t);
	assert_true(receive(t, "dest"));
	put_file(t, ".bashrc", "bad");
	put_done(t);
	assert_false(receive(t, "dest"));
	expect_report(t, "something that was not asked for");
	put_file(t, "b", "two");
	put_file(t, "b", "again");
	put_done(t);
	assert_false(receive(t, "dest"));
	expect_content("dest/b", "two");
	expect_entries("dest", 1);
}

static void gives_one_thing_another_name(void **state)
{
	struct test *t = *state;

	put_file(t, "a", "one");
	put_done(t);
	assert_true(receive(t, "dest/new"));
	expect_content("dest/new", "one");
	put_file(t, "a", "two");
	put_file(t, "b", "three");
	put_done(t);
	assert_false(receive(t, "dest/new"));
	expect_report(t, "more than one thing");
	expect_content("dest/new", "two");
	t->into = true;
	assert_false(receive(t, "dest/new"));
	expect_report(t, "can't put anything into dest/new: Not a directory");
}

static void keeps_the_old_file_until_the_new_one_is_complete(void **state)
{
	const uint32_t error = EIO;
	struct test *t = *state;

	put_file(t, "a", "old");
	put_done(t);
	assert_true(receive(t, "dest"));
	put_entry(t, TRANSFER_FILE, "a", 1, 0644);
	put(t, TRANSFER_DATA, "new", 3);
	assert_false(receive(t, "dest"));
	expect_report(t, "cut off before the end, in dest/a");
	put_entry(t, TRANSFER_FILE, "a", 1, 0644);
	put(t, TRANSFER_DATA, "new", 3);
	put(t, TRANSFER_FILE_END, &error, 4);
	put_done(t);
	assert_false(receive(t, "dest"));
	expect_content("dest/a", "old");
	expect_entries("dest", 1);
}

static void masks_modes_and_spares_folders_that_were_there(void **state)
{
	struct test *t = *state;
	struct stat st;

	assert_int_equal(mkdir("dest/tree", 0700), 0);
	put_entry(t, TRANSFER_FOLDER, "tree", 4, 0777);
	put_entry(t, TRANSFER_FILE, "a", 1, 04755);
	put(t, TRANSFER_FILE_END, "\0\0\0", 4);
	put(t, TRANSFER_LEAVE, "", 0);
	put_done(t);
	assert_true(receive(t, "dest"));
	assert_int_equal(stat("dest/tree/a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat("dest/tree", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void refuses_streams_without_sense(void **state)
{
	struct test *t = *state;

	put(t, TRANSFER_LEAVE, "", 0);
	assert_false(receive(t, "dest"));
	put(t, TRANSFER_DATA, "x", 1);
	assert_false(receive(t, "dest"));
	put(t, TRANSFER_FILE_END, "\0\0\0", 4);
	assert_false(receive(t, "dest"));
	put_folder(t, "deep");
	put_done(t);
	assert_false(receive(t, "dest"));
	put(t, (enum transfer_type)99, "", 0);
	assert_false(receive(t, "dest"));
	buf_puts(&t->stream, "\xff\xff\xff\xff\1\0\0\0");
	assert_false(receive(t, "dest"));
	for (int i = 0; i < 2 * TRANSFER_DEPTH_MAX; i++)
		put_folder(t, "d");
	assert_false(receive(t, "dest"));
	expect_report(t, "folders too deep");
}

static void sends_what_it_can_receive(void **state)
{
	struct test *t = *state;
	const struct transfer_callbacks callbacks = { .report = on_report, .user = t };
	char tree[] = "tree", gone[] = "gone";
	char *paths[] = { tree, gone };
	struct buf big = BUF_INIT;
	struct stat st;
	int fd = memfd_create("stream", MFD_CLOEXEC);

	for (int i = 0; i < 100000; i++)
		buf_printf(&big, "%d\n", i);
	assert_int_equal(mkdir("tree", 0750), 0);
	assert_int_equal(mkdir("tree/sub", 0700), 0);
	assert_int_equal(mkfifo("tree/fifo", 0600), 0);
	assert_int_equal(symlink("sub", "tree/link"), 0);
	assert_null(write_file_atomic("tree/sub/big", big.data, big.len, 0640));
	assert_false(transfer_send(fd, paths, 2, &callbacks));
	expect_report(t, "can't look at gone: No such file or directory");
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_null(read_fd(fd, "stream", 1 << 24, &t->stream));
	assert_true(receive(t, "dest"));
	expect_content("dest/tree/sub/big", buf_str(&big));
	expect_content("dest/tree/link/big", buf_str(&big));
	assert_int_equal(stat("dest/tree/sub/big", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	expect_entries("dest/tree", 2);
	buf_deinit(&big);
	close(fd);
}

static void names_copies(void **state)
{
	char name[TRANSFER_NAME_MAX + 1];

	(void)state;
	assert_true(transfer_last_part("/a/b//", name));
	assert_string_equal(name, "b");
	assert_true(transfer_last_part("x", name));
	assert_string_equal(name, "x");
	assert_false(transfer_last_part("/", name));
	assert_false(transfer_last_part("a/..", name));
	assert_false(transfer_last_part("", name));
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(writes_what_comes),
		IN_FOLDER(refuses_names_that_lead_elsewhere),
		IN_FOLDER(follows_no_link),
		IN_FOLDER(leaves_out_links_that_lead_outside),
		IN_FOLDER(takes_only_what_was_asked_for),
		IN_FOLDER(gives_one_thing_another_name),
		IN_FOLDER(keeps_the_old_file_until_the_new_one_is_complete),
		IN_FOLDER(masks_modes_and_spares_folders_that_were_there),
		IN_FOLDER(refuses_streams_without_sense),
		IN_FOLDER(sends_what_it_can_receive),
		cmocka_unit_test(names_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
