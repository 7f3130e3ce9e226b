/*
 * The log of a kernel made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/dmesg.h"
#include "tests/unit/fake_kernel.h"

enum { RESERVED, COMMITTED, FINALIZED, REUSABLE };

static int setup(void **state)
{
	*state = fake_fixture_create(0x200000, 0);
	return 0;
}

static void say(struct fake_fixture *x, unsigned int level, const char *text, unsigned int state)
{
	fake_record(x->fake, level, text, strlen(text), state);
}

static void assert_text(const struct dmesg *d, size_t i, const char *text)
{
	_cleanup_(free) char *own = xstrndup(buf_str(&d->text) + d->records[i].text, d->records[i].text_len);

	assert_string_equal(own, text);
}

static void reads_records(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	say(x, 5, "Linux version", FINALIZED);
	say(x, 3, "two\nlines", FINALIZED);
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 2);
	assert_int_equal(d.lost, 0);
	assert_int_equal(d.next, 2);
	assert_int_equal(d.records[0].seq, 0);
	assert_int_equal(d.records[0].time, 1000000);
	assert_int_equal(d.records[0].level, 5);
	assert_text(&d, 0, "Linux version");
	assert_text(&d, 1, "two\nlines");
	assert_int_equal(d.records[1].level, 3);
}

static void an_unused_ring_is_empty(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 0);
	assert_int_equal(d.lost, 0);
}

/* 1024 bytes and 16 descriptors: texts wrap, and old records go. */
static void reads_a_ring_that_has_gone_round(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;
	char text[64];

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "record %u %.*s", i, (int)(i % 30), "123456789012345678901234567890");
		say(x, 6, text, FINALIZED);
	}
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 16);
	assert_int_equal(d.lost, 0);
	for (size_t i = 0; i < d.n; i++) {
		assert_int_equal(d.records[i].seq, 84 + i);
		snprintf(text, sizeof(text), "record %zu %.*s", 84 + i, (int)((84 + i) % 30),
			 "123456789012345678901234567890");
		assert_text(&d, i, text);
	}
	assert_int_equal(d.next, 100);
}

/* A kernel's first text lies one size of the ring before positions overflow. */
static void reads_texts_around_the_overflow_of_their_positions(void **state)
{
	struct fake_fixture *x = *state;
	char text[64];

	x->fake->text = (uint64_t)0 - (1U << FAKE_LOG_SIZE_BITS);
	for (unsigned int i = 0; i < 60; i++) {
		_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

		snprintf(text, sizeof(text), "record %u %.*s", i, (int)(i % 30), "123456789012345678901234567890");
		say(x, 6, text, FINALIZED);
		assert_null(dmesg_read(x->kernel, 0, false, &d));
		assert_int_equal(d.n, MIN(i + 1, 16U));
		assert_int_equal(d.lost, 0);
		assert_text(&d, d.n - 1, text);
	}
}

static void reads_what_is_new(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT, none = DMESG_INIT;

	for (unsigned int i = 0; i < 12; i++)
		say(x, 6, "x", FINALIZED);
	assert_null(dmesg_read(x->kernel, 10, true, &d));
	assert_int_equal(d.n, 2);
	assert_int_equal(d.records[0].seq, 10);
	assert_null(dmesg_read(x->kernel, d.next, true, &none));
	assert_int_equal(none.n, 0);
	assert_int_equal(none.next, d.next);
	assert_false(none.restarted);
}

static void another_log_is_noticed(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	say(x, 6, "Linux version", FINALIZED);
	say(x, 6, "a little", FINALIZED);
	assert_null(dmesg_read(x->kernel, 500, true, &d));
	assert_int_equal(d.n, 0);
	assert_true(d.restarted);
}

static void an_open_record_is_shown_once_and_whole(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT, followed = DMESG_INIT;

	say(x, 6, "done", FINALIZED);
	say(x, 6, "to be contin", COMMITTED);
	assert_null(dmesg_read(x->kernel, 0, true, &followed));
	assert_int_equal(followed.n, 1);
	assert_int_equal(followed.next, 1);
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 2);
	assert_true(d.records[1].open);
	assert_text(&d, 1, "to be contin");
}

static void one_being_written_is_left_out(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	say(x, 6, "before", FINALIZED);
	say(x, 6, "garbage", RESERVED);
	say(x, 6, "after", FINALIZED);
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 2);
	assert_int_equal(d.lost, 0);
	assert_text(&d, 1, "after");
}

static void a_record_whose_text_is_another_ones_is_lost(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	say(x, 6, "first", FINALIZED);
	say(x, 6, "second", FINALIZED);
	fake_put64(x->fake, FAKE_DATA, 77);
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 1);
	assert_int_equal(d.lost, 1);
	assert_text(&d, 0, "second");
}

static void an_empty_line_has_no_block(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;

	say(x, 6, "", FINALIZED);
	fake_put64(x->fake, FAKE_DESCS + 8, 3);
	fake_put64(x->fake, FAKE_DESCS + 16, 3);
	assert_null(dmesg_read(x->kernel, 0, false, &d));
	assert_int_equal(d.n, 1);
	assert_text(&d, 0, "");
}

static void impossible_rings_are_errors(void **state)
{
	struct fake_fixture *x = *state;
	_cleanup_(dmesg_deinit) struct dmesg d = DMESG_INIT;
	_cleanup_(err_destroy) struct err *size = NULL, *pointer = NULL;

	fake_put32(x->fake, FAKE_RING, 31);
	size = dmesg_read(x->kernel, 0, false, &d);
	assert_int_equal(err_code(size), ERR_BAD_DATA);
	fake_put64(x->fake, FAKE_PRB, 4096);
	pointer = dmesg_read(x->kernel, 0, false, &d);
	assert_int_equal(err_code(pointer), ERR_FAULT);
}

static void levels_have_names(void **state)
{
	(void)state;
	assert_int_equal(dmesg_level_parse("emerg"), 0);
	assert_int_equal(dmesg_level_parse("debug"), 7);
	assert_int_equal(dmesg_level_parse("4"), 4);
	assert_int_equal(dmesg_level_parse("8"), -1);
	assert_int_equal(dmesg_level_parse(""), -1);
	assert_string_equal(dmesg_level_name(3), "err");
	assert_string_equal(dmesg_level_name(8), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_records, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_unused_ring_is_empty, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_a_ring_that_has_gone_round, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_texts_around_the_overflow_of_their_positions, setup,
						fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(reads_what_is_new, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(another_log_is_noticed, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_open_record_is_shown_once_and_whole, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(one_being_written_is_left_out, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_record_whose_text_is_another_ones_is_lost, setup,
						fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(an_empty_line_has_no_block, setup, fake_fixture_teardown),
		cmocka_unit_test_setup_teardown(impossible_rings_are_errors, setup, fake_fixture_teardown),
		cmocka_unit_test(levels_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
