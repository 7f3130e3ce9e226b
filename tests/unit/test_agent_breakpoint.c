/* Conditions and commands of breakpoints, as Z packets have them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "server/agent_expr.h"

static void breakpoints(void **state)
{
	static const char text[] = ";X3,220127X5,2301FF0e27;cmds:1,X1,27X4,22052927";
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint b = { .persist = false };

	(void)state;
	assert_null(agent_parse_breakpoint("", 0, &b));
	assert_int_equal(b.conditions.n + b.commands.n, 0);

	assert_null(agent_parse_breakpoint(text, strlen(text), &b));
	assert_int_equal(b.conditions.n, 2);
	assert_int_equal(b.commands.n, 2);
	assert_true(b.persist);
	assert_int_equal(b.conditions.v[1].len, 5);
	assert_memory_equal(b.conditions.v[1].code, "\x23\x01\xff\x0e\x27", 5);
	assert_memory_equal(b.commands.v[1].code, "\x22\x05\x29\x27", 4);
}

static void options_nobody_knows(void **state)
{
	_cleanup_(agent_breakpoint_deinit) struct agent_breakpoint b = { .persist = true };
	static const char text[] = ";later:X3,22;;X3,220127;cmds:0,";

	(void)state;
	assert_null(agent_parse_breakpoint(text, strlen(text), &b));
	assert_int_equal(b.conditions.n, 1);
	assert_int_equal(b.commands.n, 0);
	assert_false(b.persist);
}

static void breakpoints_that_are_none(void **state)
{
	static const char *const texts[] = {
		"X3,220127",           ";X",          ";X3",        ";X3,",         ";X3,22012",   ";X3,22012x",
		";X4,220127",          ";X2,220127",  ";X,220127",  ";Xfffff,22",   ";X0,",        ";X3 ,220127",
		";Xffffffffffffffff,", ";X3,220127y", ";cmds:",     ";cmds:2,",     ";cmds:1",     ";cmds:1,Y",
		";cmds:,X1,27",        ";X1,27",      ";X3,220128", ";cmds:0,X1,2", ";X3,220127,",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct agent_breakpoint b = { .persist = true };
		/* Of its exact size, so that the sanitizers see a read beyond its end. */
		_cleanup_(free) char *text = xmalloc(strlen(texts[i]) + 1);
		struct err *e;

		memcpy(text, texts[i], strlen(texts[i]));
		e = agent_parse_breakpoint(text, strlen(texts[i]), &b);
		if (!e)
			fail_msg("%s passes", texts[i]);
		assert_int_equal(err_code(e), ERR_BAD_DATA);
		assert_true(b.persist && !b.conditions.v);
		err_destroy(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breakpoints),
		cmocka_unit_test(options_nobody_knows),
		cmocka_unit_test(breakpoints_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
