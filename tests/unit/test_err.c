/*
 * Errors: messages, codes, and what becomes of NULL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "base/util.h"

static void has_code_and_message(void **state)
{
	_cleanup_(err_destroy) struct err *e = err_create(ERR_NOT_FOUND, "no %s in %d", "x", 7);

	(void)state;
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	assert_int_equal(err_errno(e), 0);
	assert_string_equal(err_message(e), "no x in 7");
}

static void of_the_system_has_its_text(void **state)
{
	_cleanup_(err_destroy) struct err *e = err_os(ENOENT, "open %s", "/x");

	(void)state;
	assert_int_equal(err_code(e), ERR_OS);
	assert_int_equal(err_errno(e), ENOENT);
	assert_string_equal(err_message(e), "open /x: No such file or directory");
}

static void grows_at_both_ends(void **state)
{
	_cleanup_(err_destroy) struct err *e = err_os(EACCES, "open");

	(void)state;
	e = err_wrap(e, "step %d", 1);
	e = err_wrap(e, "%s", "100%");
	e = err_append(e, "; do %s", "this");
	assert_string_equal(err_message(e), "100%: step 1: open: Permission denied; do this");
	assert_int_equal(err_code(e), ERR_OS);
	assert_int_equal(err_errno(e), EACCES);
}

static void success_stays_success(void **state)
{
	(void)state;
	assert_null(err_wrap(NULL, "x"));
	assert_null(err_append(NULL, "x"));
	assert_int_equal(err_exit_status(NULL), 0);
	err_destroy(NULL);
	err_ignore(NULL);
}

static void has_an_exit_status(void **state)
{
	static const int statuses[][2] = {
		{ ERR_OS, 1 },      { ERR_BAD_DATA, 1 }, { ERR_FAULT, 1 }, { ERR_NOT_FOUND, 1 }, { ERR_UNSUPPORTED, 1 },
		{ ERR_TIMEOUT, 1 }, { ERR_CLOSED, 1 },   { ERR_USAGE, 2 }, { ERR_PREREQ, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		_cleanup_(err_destroy) struct err *e = err_create((enum err_code)statuses[i][0], "x");

		assert_int_equal(err_exit_status(e), statuses[i][1]);
	}
}

static void each_code_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = ERR_OS; i <= ERR_PREREQ; i++) {
		assert_string_not_equal(err_code_name((enum err_code)i), "unknown");
		for (int j = ERR_OS; j < i; j++)
			assert_string_not_equal(err_code_name((enum err_code)i), err_code_name((enum err_code)j));
	}
}

static struct err *fails_if(bool fail, int *ret)
{
	TRY(fail ? err_create(ERR_CLOSED, "gone") : NULL);
	*ret = 1;
	return NULL;
}

static void try_returns_the_error_before_ret_is_written(void **state)
{
	_cleanup_(err_destroy) struct err *e = NULL;
	int ret = 0;

	(void)state;
	e = fails_if(true, &ret);
	assert_non_null(e);
	assert_int_equal(ret, 0);
	assert_null(fails_if(false, &ret));
	assert_int_equal(ret, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_code_and_message),
		cmocka_unit_test(of_the_system_has_its_text),
		cmocka_unit_test(grows_at_both_ends),
		cmocka_unit_test(success_stays_success),
		cmocka_unit_test(has_an_exit_status),
		cmocka_unit_test(each_code_has_a_name_of_its_own),
		cmocka_unit_test(try_returns_the_error_before_ret_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
