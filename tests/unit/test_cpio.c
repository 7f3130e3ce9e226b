/*
 * The cpio writer: its bytes, and what it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/util.h"
#include "initramfs/cpio.h"

#include "cpio_reader.h"

struct archive {
	char *data;
	size_t len;
	FILE *out;
	struct cpio *cpio;
};

static struct archive *begin(void)
{
	struct archive *a = xcalloc(1, sizeof(*a));

	a->out = open_memstream(&a->data, &a->len);
	assert_non_null(a->out);
	a->cpio = cpio_create(a->out);
	return a;
}

static void finish(struct archive *a)
{
	assert_null(cpio_finish(a->cpio));
	assert_int_equal(fflush(a->out), 0);
}

static void end(struct archive *a)
{
	cpio_destroy(a->cpio);
	fclose(a->out);
	free(a->data);
	free(a);
}

static struct cpio_member member(const struct archive *a, const char *name)
{
	struct cpio_member m = { 0 };

	assert_int_equal(cpio_find(a->data, a->len, name, &m), 1);
	return m;
}

static void add_file(struct archive *a, const char *name, mode_t mode, const char *text)
{
	assert_null(cpio_file_begin(a->cpio, name, mode, strlen(text)));
	assert_null(cpio_file_data(a->cpio, text, strlen(text)));
	assert_null(cpio_file_end(a->cpio));
}

static void fails(struct err *e, enum err_code code, const char *part)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	if (!strstr(err_message(e), part))
		fail_msg("\"%s\" is not in \"%s\"", part, err_message(e));
	err_destroy(e);
}

/* An archive of nothing, byte for byte. */
static void writes_the_trailer(void **state)
{
	static const char expected[] = "070701"
				       "00000000" /* inode */
				       "00000000" /* mode */
				       "00000000"
				       "00000000"
				       "00000001" /* links */
				       "00000000"
				       "00000000" /* size */
				       "00000000"
				       "00000000"
				       "00000000"
				       "00000000"
				       "0000000b" /* size of the name */
				       "00000000"
				       "TRAILER!!!";
	struct archive *a = begin();

	(void)state;
	finish(a);
	assert_int_equal(a->len, 512);
	assert_memory_equal(a->data, expected, sizeof(expected));
	for (size_t i = sizeof(expected); i < a->len; i++)
		assert_int_equal(a->data[i], 0);
	end(a);
}

static void writes_each_kind(void **state)
{
	struct archive *a = begin();
	struct cpio_member m;

	(void)state;
	assert_null(cpio_folder(a->cpio, "a", 01777));
	add_file(a, "a/file", 04755, "content");
	assert_null(cpio_symlink(a->cpio, "a/link", "../target"));
	assert_null(cpio_device(a->cpio, "a/null", S_IFCHR | 0666, makedev(1, 3)));
	assert_null(cpio_device(a->cpio, "a/vda", S_IFBLK | 0600, makedev(254, 300)));
	finish(a);

	m = member(a, "a");
	assert_int_equal(m.mode, S_IFDIR | 01777);
	assert_int_equal(m.nlink, 2);
	m = member(a, "a/file");
	assert_int_equal(m.mode, S_IFREG | 04755);
	assert_int_equal(m.nlink, 1);
	assert_int_equal(m.size, 7);
	assert_memory_equal(m.data, "content", 7);
	m = member(a, "a/link");
	assert_int_equal(m.mode, S_IFLNK | 0777);
	assert_int_equal(m.size, 9);
	assert_memory_equal(m.data, "../target", 9);
	m = member(a, "a/null");
	assert_int_equal(m.mode, S_IFCHR | 0666);
	assert_int_equal(m.rmaj, 1);
	assert_int_equal(m.rmin, 3);
	m = member(a, "a/vda");
	assert_int_equal(m.mode, S_IFBLK | 0600);
	assert_int_equal(m.rmaj, 254);
	assert_int_equal(m.rmin, 300);
	end(a);
}

/* Names and contents of every length modulo 4; cpio_find() checks the padding. */
static void pads(void **state)
{
	const char *text = "abcdefgh";
	struct archive *a = begin();

	(void)state;
	for (int i = 0; i < 8; i++) {
		_cleanup_(free) char *name = xasprintf("%.*s", i + 1, text);

		add_file(a, name, 0644, text + i);
	}
	finish(a);
	for (int i = 0; i < 8; i++) {
		_cleanup_(free) char *name = xasprintf("%.*s", i + 1, text);
		struct cpio_member m = member(a, name);

		assert_int_equal(m.size, 8 - i);
		assert_memory_equal(m.data, text + i, m.size);
	}
	end(a);
}

static void takes_content_in_pieces(void **state)
{
	struct archive *a = begin();

	(void)state;
	assert_null(cpio_file_begin(a->cpio, "f", 0644, 5));
	assert_null(cpio_file_data(a->cpio, "ab", 2));
	assert_null(cpio_file_data(a->cpio, "", 0));
	assert_null(cpio_file_data(a->cpio, "cde", 3));
	assert_null(cpio_file_end(a->cpio));
	finish(a);
	assert_memory_equal(member(a, "f").data, "abcde", 5);
	end(a);
}

static void gives_the_same_bytes(void **state)
{
	struct archive *a = begin(), *b = begin();

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct archive *x = i ? b : a;

		assert_null(cpio_folder(x->cpio, "d", 0755));
		add_file(x, "f", 0600, "text");
		finish(x);
	}
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
	end(a);
	end(b);
}

static void refuses_names(void **state)
{
	struct archive *a = begin();
	char name[CPIO_NAME_MAX + 1];

	(void)state;
	fails(cpio_folder(a->cpio, "", 0755), ERR_USAGE, "can't be");
	fails(cpio_folder(a->cpio, "/bin", 0755), ERR_USAGE, "can't be");
	fails(cpio_file_begin(a->cpio, "TRAILER!!!", 0644, 0), ERR_USAGE, "can't be");
	memset(name, 'n', CPIO_NAME_MAX);
	name[CPIO_NAME_MAX] = '\0';
	fails(cpio_folder(a->cpio, name, 0755), ERR_USAGE, "too long");
	fails(cpio_symlink(a->cpio, "l", name), ERR_USAGE, "target");
	fails(cpio_symlink(a->cpio, "l", ""), ERR_USAGE, "target");
	name[CPIO_NAME_MAX - 1] = '\0';
	assert_null(cpio_symlink(a->cpio, "l", name));
	assert_null(cpio_folder(a->cpio, name, 0755));
	finish(a);
	assert_int_equal(member(a, "l").size, CPIO_NAME_MAX - 1);
	assert_int_equal(member(a, name).name_size, CPIO_NAME_MAX);
	end(a);
}

static void refuses_sizes(void **state)
{
	struct archive *a = begin();

	(void)state;
	fails(cpio_file_begin(a->cpio, "f", 0644, UINT64_C(1) << 32), ERR_USAGE, "4 GB");
	assert_null(cpio_file_begin(a->cpio, "f", 0644, 4));
	assert_null(cpio_file_data(a->cpio, "abc", 3));
	fails(cpio_file_end(a->cpio), ERR_BAD_DATA, "1 bytes smaller");
	fails(cpio_file_data(a->cpio, "de", 2), ERR_BAD_DATA, "1 bytes larger");
	end(a);
}

static void tells_of_a_full_disk(void **state)
{
	FILE *out = fopen("/dev/full", "w");
	struct cpio *c = cpio_create(out);

	(void)state;
	assert_non_null(out);
	setvbuf(out, NULL, _IONBF, 0);
	fails(cpio_folder(c, "d", 0755), ERR_OS, "No space left");
	cpio_destroy(c);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_trailer),
		cmocka_unit_test(writes_each_kind),
		cmocka_unit_test(pads),
		cmocka_unit_test(takes_content_in_pieces),
		cmocka_unit_test(gives_the_same_bytes),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(refuses_sizes),
		cmocka_unit_test(tells_of_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
