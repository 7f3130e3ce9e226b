/*
 * Reads "newc" archives back, for the tests of what writes them. Strict: anything out of the ordinary fails the test.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct cpio_member {
	uint32_t ino, mode, uid, gid, nlink, mtime, size, maj, min, rmaj, rmin, name_size, check;
	const char *name;
	const char *data;
};

/* The number in 8 hexadecimal digits at p. */
static inline uint32_t cpio_number(const char *p)
{
	char digits[9] = { 0 }, *end;
	unsigned long n;

	memcpy(digits, p, 8);
	n = strtoul(digits, &end, 16);
	assert_int_equal(end - digits, 8);
	return (uint32_t)n;
}

static inline size_t cpio_align(const char *archive, size_t len, size_t at)
{
	for (; at % 4; at++) {
		assert_true(at < len);
		assert_int_equal(archive[at], 0);
	}
	return at;
}

/* Reads the member at offset `at`; returns the offset of the next. */
static inline size_t cpio_read(const char *archive, size_t len, size_t at, struct cpio_member *m)
{
	uint32_t numbers[13];

	assert_true(at % 4 == 0 && at + 110 <= len);
	assert_memory_equal(archive + at, "070701", 6);
	for (size_t i = 0; i < 13; i++)
		numbers[i] = cpio_number(archive + at + 6 + 8 * i);
	at += 110;
	*m = (struct cpio_member){ numbers[0],  numbers[1],  numbers[2],  numbers[3],   numbers[4],
				   numbers[5],  numbers[6],  numbers[7],  numbers[8],   numbers[9],
				   numbers[10], numbers[11], numbers[12], archive + at, NULL };
	assert_true(at + m->name_size <= len);
	assert_int_equal(strlen(m->name) + 1, m->name_size);
	at = cpio_align(archive, len, at + m->name_size);
	m->data = archive + at;
	assert_true(at + m->size <= len);
	return cpio_align(archive, len, at + m->size);
}

/* Finds a member. The whole archive is checked on the way: parents first, no name twice in a row, the trailer. */
static inline int cpio_find(const char *archive, size_t len, const char *name, struct cpio_member *ret)
{
	struct cpio_member m, previous = { .name = "" };
	uint32_t ino = 1;
	int found = 0;
	size_t at = 0;

	for (;; previous = m) {
		at = cpio_read(archive, len, at, &m);
		if (strcmp(m.name, "TRAILER!!!") == 0)
			break;
		assert_true(strcmp(previous.name, m.name) < 0);
		assert_int_equal(m.ino, ino++);
		assert_int_equal(m.uid, 0);
		assert_int_equal(m.gid, 0);
		assert_int_equal(m.mtime, 0);
		if (strcmp(m.name, name) == 0) {
			*ret = m;
			found++;
		}
	}
	assert_int_equal(len % 512, 0);
	for (; at < len; at++)
		assert_int_equal(archive[at], 0);
	assert_true(found <= 1);
	return found;
}
