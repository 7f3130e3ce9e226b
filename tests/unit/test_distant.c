/*
 * Memory that is far away: what is asked for, what is kept, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "mem/mem.h"

#include "expect_fault.h"

enum { PAGE = 4096 };

#define FAR UINT64_C(0xffff888000000000)

struct far {
	unsigned int asked;
	uint64_t address; /* of the last question */
	size_t len;
	uint8_t add; /* to each byte */
	enum err_code code;
	bool fails;
};

/* Two pages; a byte says where it is. */
static struct err *fetch(void *user, uint64_t address, void *ret, size_t len)
{
	struct far *f = user;

	f->asked++;
	f->address = address;
	f->len = len;
	if (f->fails)
		return err_create(f->code, "it can't be had");
	if (address - FAR >= 2 * PAGE || len > PAGE - address % PAGE)
		return err_create(ERR_FAULT, "there is nothing");
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = (uint8_t)((address + i) / 4 + f->add);
	return NULL;
}

static uint8_t far_byte(struct mem *m, uint64_t at)
{
	uint8_t byte = 0;

	assert_true(mem_try_read(m, FAR + at, &byte, 1));
	return byte;
}

static void what_was_fetched_is_kept_until_it_is_forgotten(void **state)
{
	struct far f = { 0 };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);

	(void)state;
	assert_true(mem_is_distant(m));
	assert_int_equal(far_byte(m, 0x104), 0x41);
	assert_int_equal(far_byte(m, 0x108), 0x42);
	assert_int_equal(f.asked, 1);
	f.add = 1;
	assert_int_equal(far_byte(m, 0x104), 0x41);
	mem_forget(m);
	assert_int_equal(far_byte(m, 0x104), 0x42);
	assert_int_equal(f.asked, 2);
}

static void one_question_is_for_what_lies_close_together(void **state)
{
	struct far f = { 0 };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);
	uint8_t to[32];
	const struct mem_piece pieces[] = { { 0x10, 8, 0 }, { 0x70, 4, 8 }, { 0x800, 8, 16 }, { 2 * PAGE, 1, 24 } };

	(void)state;
	/* The last one isn't there: that costs a question, and nothing else. */
	assert_int_equal(mem_gather(m, FAR, pieces, 4, to), 7);
	assert_int_equal(f.asked, 3);
	assert_int_equal(to[0], 0x4);
	assert_int_equal(to[8], 0x1c);
	assert_int_equal(to[16 + 7], 1);
	assert_int_equal(mem_gather(m, FAR, pieces, 3, to), 7);
	assert_int_equal(f.asked, 3);
}

static void who_reads_on_is_given_more_each_time(void **state)
{
	struct far f = { 0 };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);
	uint8_t bytes[16];

	(void)state;
	for (size_t at = 0; at < PAGE; at += sizeof(bytes)) {
		assert_true(mem_try_read(m, FAR + at, bytes, sizeof(bytes)));
		assert_int_equal(bytes[0], (uint8_t)(at / 4));
		assert_true(f.address + f.len <= FAR + PAGE);
	}
	assert_in_range(f.asked, 2, 10);
}

static void reads_go_over_the_end_of_a_page(void **state)
{
	struct far f = { 0 };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);
	uint8_t bytes[2 * PAGE];

	(void)state;
	assert_null(mem_read(m, FAR, bytes, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], (uint8_t)(i / 4));
	expect_fault(mem_read(m, FAR + 2 * PAGE - 1, bytes, 2), "gives nothing");
}

static void what_fails_is_not_asked_for_again(void **state)
{
	struct far f = { 0 };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);
	uint8_t byte;

	(void)state;
	for (uint64_t at = 0; at < PAGE; at += 0x100)
		assert_false(mem_try_read(m, FAR + 2 * PAGE + at, &byte, 1));
	assert_int_equal(f.asked, 1);
	/* Nobody's but the kernel's, and what goes over the end of all. */
	assert_false(mem_try_read(m, 0x1000, &byte, 1));
	assert_false(mem_try_read(m, UINT64_MAX, &byte, 1));
	assert_false(mem_try_read(m, UINT64_MAX - 1, &(uint8_t[4]){ 0 }, 4));
	assert_int_equal(f.asked, 1);
	/* One who doesn't answer isn't asked for other pages either, */
	f.fails = true;
	f.code = ERR_TIMEOUT;
	assert_false(mem_try_read(m, FAR, &byte, 1));
	assert_false(mem_try_read(m, FAR + PAGE, &byte, 1));
	assert_int_equal(f.asked, 2);
	/* until it is another time. */
	f.fails = false;
	mem_forget(m);
	assert_int_equal(far_byte(m, PAGE), 0);
}

static void distant_memory_is_kept_within_bounds(void **state)
{
	struct far f = { .fails = true, .code = ERR_FAULT };
	_cleanup_(mem_destroy) struct mem *m = mem_open_distant(fetch, &f);
	uint8_t byte;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		assert_false(mem_try_read(m, FAR + i * PAGE, &byte, 1));
	f.fails = false;
	assert_int_equal(far_byte(m, 0x104), 0x41);
}

static void physical_memory_is_read_where_it_is_mapped(void **state)
{
	struct far f = { 0 };
	struct mem *m = mem_open_distant(fetch, &f), *same = mem_share(m);
	uint8_t bytes[4];

	(void)state;
	expect_fault(mem_read_phys(m, 0x104, bytes, 4), "no memory");
	mem_set_direct_map(m, FAR);
	mem_destroy(m);
	assert_null(mem_read_phys(same, 0x104, bytes, 4));
	assert_int_equal(bytes[0], 0x41);
	expect_fault(mem_read_phys(same, UINT64_C(1) << 60, bytes, 4), "no memory");
	mem_destroy(same);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_fetched_is_kept_until_it_is_forgotten),
		cmocka_unit_test(one_question_is_for_what_lies_close_together),
		cmocka_unit_test(who_reads_on_is_given_more_each_time),
		cmocka_unit_test(reads_go_over_the_end_of_a_page),
		cmocka_unit_test(what_fails_is_not_asked_for_again),
		cmocka_unit_test(distant_memory_is_kept_within_bounds),
		cmocka_unit_test(physical_memory_is_read_where_it_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
