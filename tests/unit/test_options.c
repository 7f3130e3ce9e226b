/*
 * init's options on the kernel's command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/options.h"

static void has_defaults(void **state)
{
	struct options o;

	(void)state;
	options_parse("console=ttyS0,115200 nokaslr panic=-1", &o);
	assert_int_equal(o.rows, 0);
	assert_int_equal(o.cols, 0);
	assert_string_equal(o.term, "vt220");
	assert_string_equal(o.shell, "/bin/sh");
}

static void takes_what_is_given(void **state)
{
	struct options o;

	(void)state;
	options_parse("ktb.rows=50 quiet\tktb.cols=132  ktb.term=xterm-256color ktb.shell=/bin/bash ktb.rows=51\n", &o);
	assert_int_equal(o.rows, 51);
	assert_int_equal(o.cols, 132);
	assert_string_equal(o.term, "xterm-256color");
	assert_string_equal(o.shell, "/bin/bash");
}

static void leaves_out_what_makes_no_sense(void **state)
{
	char line[600] = "ktb.rows=x1 ktb.cols=65536 ktb.rows= ktb.cols=-1 ktb.term= xktb.rows=5 ktb.rows ktb.shell=/";
	struct options o;

	(void)state;
	memset(line + strlen(line), 'a', 300);
	options_parse(line, &o);
	assert_int_equal(o.rows, 0);
	assert_int_equal(o.cols, 0);
	assert_string_equal(o.term, "vt220");
	assert_string_equal(o.shell, "/bin/sh");
}

static void stops_at_the_arguments_of_init(void **state)
{
	struct options o;

	(void)state;
	options_parse("ktb.rows=5 -- ktb.rows=6", &o);
	assert_int_equal(o.rows, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(takes_what_is_given),
		cmocka_unit_test(leaves_out_what_makes_no_sense),
		cmocka_unit_test(stops_at_the_arguments_of_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
