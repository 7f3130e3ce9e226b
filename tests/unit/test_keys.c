/*
 * The console's keys: Ctrl-a and what follows is ours, every other byte is the guest's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vm/keys.h"

#define A "\x01"

/* Feeds all of it, one action after the other; *ret_actions is a word of their letters. */
static void feed(struct keys *k, const char *bytes, size_t len, struct buf *out, struct buf *ret_actions)
{
	while (len) {
		enum keys_action action;
		size_t n = keys_feed(k, bytes, len, out, &action);

		assert_in_range(n, 1, len);
		if (action == KEYS_NONE)
			assert_int_equal(n, len);
		else
			buf_putc(ret_actions, action == KEYS_QUIT ? 'x' : action == KEYS_MONITOR ? 'c' : 'h');
		bytes += n;
		len -= n;
	}
}

static void expect(const char *typed, const char *to_guest, const char *actions)
{
	/* Whole, and byte by byte, as a slow typist does. */
	for (int step = 0; step < 2; step++) {
		_cleanup_(buf_deinit) struct buf out = BUF_INIT, got = BUF_INIT;
		struct keys k = { 0 };
		size_t len = strlen(typed);

		if (step == 0)
			feed(&k, typed, len, &out, &got);
		for (size_t i = 0; step == 1 && i < len; i++)
			feed(&k, typed + i, 1, &out, &got);
		assert_string_equal(buf_str(&out), to_guest);
		assert_string_equal(buf_str(&got), actions);
	}
}

static void every_byte_but_one_is_the_guests(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT, actions = BUF_INIT;
	struct keys k = { 0 };
	char all[256], wanted[256];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 256; i++) {
		all[i] = (char)i;
		if (i != 1)
			wanted[n++] = (char)i;
	}
	/* \1\2 arrives as it is, for \2 is no key of ours. */
	feed(&k, all, sizeof(all), &out, &actions);
	assert_int_equal(out.len, 256);
	assert_memory_equal(out.data, all, 256);
	buf_clear(&out);
	feed(&k, wanted, n, &out, &actions);
	assert_int_equal(out.len, 255);
	assert_memory_equal(out.data, wanted, 255);
	assert_int_equal(actions.len, 0);
}

static void ours_are_taken_out(void **state)
{
	(void)state;
	expect(A "x", "", "x");
	expect("ab" A "c"
	       "de" A "h"
	       "f",
	       "abdef", "ch");
	expect(A A, A, "");
	expect(A A "x", A "x", "");
	expect(A A A "x", A, "x");
	expect(A "X", A "X", "");
	expect(A "q" A "c", A "q", "c");
	expect("x" A, "x", "");
}

static void what_follows_an_action_is_left_to_the_caller(void **state)
{
	_cleanup_(buf_deinit) struct buf out = BUF_INIT;
	struct keys k = { 0 };
	enum keys_action action = KEYS_QUIT;

	(void)state;
	assert_int_equal(keys_feed(&k, "ab" A "cdef", 7, &out, &action), 4);
	assert_int_equal(action, KEYS_MONITOR);
	assert_string_equal(buf_str(&out), "ab");
	assert_int_equal(keys_feed(&k, "", 0, &out, &action), 0);
	assert_int_equal(action, KEYS_NONE);
}

static void help_names_what_works(void **state)
{
	(void)state;
	assert_non_null(strstr(keys_help(false), "Ctrl-a c"));
	assert_non_null(strstr(keys_help(false), "end the VM"));
	assert_null(strstr(keys_help(true), "Ctrl-a c"));
	assert_non_null(strstr(keys_help(true), "the VM runs on"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_but_one_is_the_guests),
		cmocka_unit_test(ours_are_taken_out),
		cmocka_unit_test(what_follows_an_action_is_left_to_the_caller),
		cmocka_unit_test(help_names_what_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
