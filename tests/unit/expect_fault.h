/*
 * What reading memory that isn't there says.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static inline void expect_fault(struct err *e, const char *text)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_FAULT);
	assert_non_null(strstr(err_message(e), text));
	err_destroy(e);
}
