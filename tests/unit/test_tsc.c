#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/util.h"
#include "vm/tsc.h"

static void rest(void)
{
	const struct timespec span = { .tv_nsec = 100 * (long)NSEC_PER_MSEC };

	nanosleep(&span, NULL);
}

/* Measured over a short and a long time it is the same, but for a thousandth. */
static void is_the_same_each_time(void **state)
{
	struct tsc_moment begin, later;
	uint64_t longer, shorter;

	(void)state;
	tsc_moment_take(&begin);
	rest();
	longer = tsc_frequency(&begin);
	tsc_moment_take(&later);
	shorter = tsc_frequency(&later);
	if (!longer)
		skip();
	assert_in_range(shorter, longer - longer / 1000 - 1000000, longer + longer / 1000 + 1000000);
	assert_int_equal(longer % 1000000, 0);
}

static void is_what_the_counter_does(void **state)
{
	struct tsc_moment begin, end;
	double ticks, seconds;
	uint64_t frequency;

	(void)state;
	tsc_moment_take(&begin);
	rest();
	tsc_moment_take(&end);
	frequency = tsc_frequency(&begin);
	if (!frequency)
		skip();
	ticks = (double)(end.ticks - begin.ticks);
	seconds = (double)(end.ns - begin.ns) / NSEC_PER_SEC;
	assert_true(seconds >= 0.1);
	assert_true(ticks > 0.99 * seconds * (double)frequency && ticks < 1.01 * seconds * (double)frequency);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_same_each_time),
		cmocka_unit_test(is_what_the_counter_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
