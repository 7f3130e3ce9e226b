/* Which lines a debugger may send to QEMU's monitor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hmp.h"
#include "base/util.h"

static void what_looks_at_the_machine_is_harmless(void **state)
{
	static const char *const lines[] = {
		"info version", "info registers -a",   "x/10i $pc",    "x /2gx 0", " info mem", "help",
		"help info",    "xp/1wx 0x1000",       "p $rip",       "stop",     "cont",      "nmi",
		"gva2gpa 0",    "sendkey ctrl-alt-f1", "system_reset", "quit",     "",          " "
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_true(hmp_is_harmless(lines[i]));
}

static void all_else_is_not(void **state)
{
	static const char *const lines[] = { "migrate \"exec:touch /tmp/x\"",
					     "migrate -d exec:x",
					     "  migrate exec:x",
					     "chardev-add file,id=x,path=/tmp/x",
					     "pmemsave 0 1 /tmp/x",
					     "memsave 0 1 /tmp/x",
					     "screendump /tmp/x",
					     "dump-guest-memory /tmp/x",
					     "logfile /tmp/x",
					     "drive_add 0 file=/etc/passwd",
					     "object_add x",
					     "netdev_add x",
					     "device_add x",
					     "hostfwd_add tcp::1-:1",
					     "gdbserver tcp::1",
					     "commit all",
					     "savevm x",
					     "change x",
					     "infox",
					     "infos",
					     "inf",
					     "INFO",
					     "info version\nmigrate exec:x",
					     "\tmigrate exec:x",
					     "info\tversion",
					     "\x80" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_false(hmp_is_harmless(lines[i]));
}

static void commands_end_as_in_qemu(void **state)
{
	(void)state;
	assert_true(hmp_is_command(" system_reset", "system_reset"));
	assert_true(hmp_is_command("x/4i $pc", "x"));
	assert_false(hmp_is_command("system_resets", "system_reset"));
	assert_false(hmp_is_command("", "x"));
}

static void a_refusal_names_the_command(void **state)
{
	_cleanup_(free) char *migrate = hmp_refusal(" migrate exec:x"), *empty = hmp_refusal("");

	(void)state;
	assert_non_null(strstr(migrate, "'migrate' is not for the debug port"));
	assert_non_null(strstr(migrate, "Ctrl-a c"));
	assert_non_null(strstr(empty, "'' is not"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_at_the_machine_is_harmless),
		cmocka_unit_test(all_else_is_not),
		cmocka_unit_test(commands_end_as_in_qemu),
		cmocka_unit_test(a_refusal_names_the_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
