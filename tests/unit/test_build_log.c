#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kbuild/build_log.h"

static void check_step(const char *line, const char *action, const char *target, bool object)
{
	struct build_step s;

	assert_true(build_step_parse(line, strlen(line), &s));
	assert_int_equal(s.action_len, strlen(action));
	assert_memory_equal(s.action, action, s.action_len);
	assert_int_equal(s.target_len, strlen(target));
	assert_memory_equal(s.target, target, s.target_len);
	assert_int_equal(s.object, object);
}

static void reads_steps(void **state)
{
	(void)state;
	check_step("  CC      mm/slub.o", "CC", "mm/slub.o", true);
	check_step("  CC [M]  fs/fat/cache.o", "CC [M]", "fs/fat/cache.o", true);
	check_step("  AS      arch/x86/lib/memcpy_64.o", "AS", "arch/x86/lib/memcpy_64.o", true);
	check_step("  CC      arch/x86/kernel/asm-offsets.s", "CC", "arch/x86/kernel/asm-offsets.s", false);
	check_step("  LD      vmlinux", "LD", "vmlinux", false);
	check_step("  HOSTCC  scripts/basic/fixdep", "HOSTCC", "scripts/basic/fixdep", false);
	check_step("  INSTALL /x/lib/modules/6.1.192-ktb/kernel/fs/fat/fat.ko", "INSTALL",
		   "/x/lib/modules/6.1.192-ktb/kernel/fs/fat/fat.ko", false);
}

static void leaves_other_lines(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"  ",
		"  CC",
		"  CC ",
		"  CC      ",
		" CC      mm/slub.o",
		"   CC      mm/slub.o",
		"mm/slub.c:1:1: error: x",
		"  cc      mm/slub.o",
		"Kernel: arch/x86/boot/bzImage is ready  (#1)",
		"make[1]: Entering directory '/x'",
	};
	struct build_step s;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(build_step_parse(lines[i], strlen(lines[i]), &s));
}

static void check_error(const char *log, const char *expected)
{
	char *text = build_log_first_error(log, strlen(log));

	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
	free(text);
}

static void finds_the_compilers_error(void **state)
{
	(void)state;
	check_error("  CC      kernel/a.o\n"
		    "kernel/a.c: In function 'f':\n"
		    "kernel/a.c:3:9: warning: unused variable 'x' [-Wunused-variable]\n"
		    "  CC      kernel/sched.o\n"
		    "In file included from include/linux/sched.h:12,\n"
		    "                 from kernel/sched.c:1:\n"
		    "kernel/sched.c: In function 'schedule':\n"
		    "kernel/sched.c:5:16: error: 'oops' undeclared (first use in this function)\n"
		    "    5 |         return oops;\n"
		    "      |                ^~~~\n"
		    "make[3]: *** [/x/scripts/Makefile.build:250: kernel/sched.o] Error 1\n"
		    "kernel/b.c:1:1: error: another\n",
		    "In file included from include/linux/sched.h:12,\n"
		    "                 from kernel/sched.c:1:\n"
		    "kernel/sched.c: In function 'schedule':\n"
		    "kernel/sched.c:5:16: error: 'oops' undeclared (first use in this function)\n"
		    "    5 |         return oops;\n"
		    "      |                ^~~~");
}

static void finds_those_of_others(void **state)
{
	(void)state;
	check_error("  LD      .tmp_vmlinux.kallsyms1\n"
		    "ld: kernel/main.o: in function `main':\n"
		    "main.c:(.text+0x10): undefined reference to `panic'\n"
		    "make[1]: *** [/x/Makefile:1241: vmlinux] Error 1\n",
		    "ld: kernel/main.o: in function `main':\n"
		    "main.c:(.text+0x10): undefined reference to `panic'");
	check_error("ld: warning: kernel/main.o: missing .note.GNU-stack section\n", NULL);
	check_error("drivers/x/Kconfig:12: syntax error\n"
		    "drivers/x/Kconfig:11: invalid statement\n"
		    "make[2]: *** [/x/scripts/kconfig/Makefile:77: olddefconfig] Error 1\n",
		    "drivers/x/Kconfig:12: syntax error\n"
		    "drivers/x/Kconfig:11: invalid statement");
	check_error("arch/x86/a.S: Assembler messages:\n"
		    "arch/x86/a.S:7: Error: no such instruction: `movx'\n",
		    "arch/x86/a.S: Assembler messages:\n"
		    "arch/x86/a.S:7: Error: no such instruction: `movx'");
	check_error("  CC      a.o\n/bin/sh: 1: bc: not found\nmake[1]: *** [x] Error 127\n",
		    "/bin/sh: 1: bc: not found");
}

static void falls_back_on_make(void **state)
{
	(void)state;
	check_error("  CC      a.o\n"
		    "something went wrong\n"
		    "make[2]: *** [/x/Makefile:5: a.o] Error 1\n"
		    "make[1]: *** Waiting for unfinished jobs....\n",
		    "something went wrong\n"
		    "make[2]: *** [/x/Makefile:5: a.o] Error 1");
	check_error("  CC      a.o\nKernel: bzImage is ready\n", NULL);
	check_error("", NULL);
}

static void shows_no_control_characters(void **state)
{
	(void)state;
	check_error("a.c:1:1: error: \033[31mred\033[0m\r\n", "a.c:1:1: error: ?[31mred?[0m");
}

static void is_bounded(void **state)
{
	static char log[100000];
	char *text;

	(void)state;
	memset(log, 'a', sizeof(log) - 1);
	memcpy(log + 5, ": error: ", 9);
	text = build_log_first_error(log, sizeof(log) - 1);
	assert_non_null(text);
	assert_true(strlen(text) < 500);
	free(text);
}

static void notices_a_full_disk(void **state)
{
	static const char log[] = "as: a.o: No space left on device";

	(void)state;
	assert_true(build_log_disk_full(log, sizeof(log) - 1));
	assert_false(build_log_disk_full(log, sizeof(log) - 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_steps),
		cmocka_unit_test(leaves_other_lines),
		cmocka_unit_test(finds_the_compilers_error),
		cmocka_unit_test(finds_those_of_others),
		cmocka_unit_test(falls_back_on_make),
		cmocka_unit_test(shows_no_control_characters),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(notices_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
