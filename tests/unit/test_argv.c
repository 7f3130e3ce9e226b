/*
 * QEMU's command line: complete, in two forms of the same machine, and never a listener that others could reach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/protocol.h"
#include "vm/argv.h"

static const struct vm_channels channels = {
	.ram_fd = 10, .dir_fd = 11, .qmp_fd = 12, .hmp_fd = 13, .init_fd = 14, .stub_fd = 15
};

static struct vm_params usual(void)
{
	return (struct vm_params){
		.qemu = "qemu-system-x86_64",
		.name = "vm",
		.kernel = "/k/vmlinux",
		.initrd = "/k/initrd",
		.cmdline = "console=ttyS0 x=\"a b\"",
		.memory = 2048 * MIB,
		.cpus = 2,
	};
}

/* The value behind the first `option` from *from on, which is moved behind it; NULL if there is none. */
static const char *next_value(const struct strv *argv, const char *option, size_t *from)
{
	for (size_t i = *from; i + 1 < argv->n; i++) {
		if (streq(argv->v[i], option)) {
			*from = i + 2;
			return argv->v[i + 1];
		}
	}
	return NULL;
}

static const char *value(const struct strv *argv, const char *option)
{
	size_t from = 0;

	return next_value(argv, option, &from);
}

static bool has_value(const struct strv *argv, const char *option, const char *wanted)
{
	size_t from = 0;
	const char *v;

	while ((v = next_value(argv, option, &from))) {
		if (streq(v, wanted))
			return true;
	}
	return false;
}

static void channels_are_those_inherited(void **state)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	vm_argv(&p, &channels, &argv);
	assert_string_equal(argv.v[0], "qemu-system-x86_64");
	assert_true(has_value(&argv, "-object",
			      "memory-backend-file,id=ram,size=2048M,mem-path=/proc/self/fd/10,share=on"));
	assert_true(has_value(&argv, "-chardev", "pipe,id=serial,path=/proc/self/fd/11/serial"));
	assert_true(has_value(&argv, "-chardev", "socket,id=qmp,fd=12"));
	assert_true(has_value(&argv, "-chardev", "socket,id=hmp,fd=13"));
	assert_true(has_value(&argv, "-chardev", "socket,id=init,fd=14"));
	assert_true(has_value(&argv, "-chardev", "socket,id=stub,fd=15,server=on,wait=off"));
	assert_string_equal(value(&argv, "-gdb"), "chardev:stub");
	assert_string_equal(value(&argv, "-serial"), "chardev:serial");
	assert_string_equal(value(&argv, "-action"), "panic=pause,reboot=shutdown,shutdown=pause");
	assert_false(strv_contains(&argv, "-S"));
	assert_false(strv_contains(&argv, "-s"));
}

static void the_kernel_and_its_parameters_are_passed_as_they_are(void **state)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT, without = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	vm_argv(&p, &channels, &argv);
	assert_string_equal(value(&argv, "-kernel"), "/k/vmlinux");
	assert_string_equal(value(&argv, "-initrd"), "/k/initrd");
	assert_string_equal(value(&argv, "-append"), "no_timer_check tsc=reliable console=ttyS0 x=\"a b\"");
	p.initrd = NULL;
	vm_argv(&p, &channels, &without);
	assert_false(strv_contains(&without, "-initrd"));
}

static void size_and_accelerator(void **state)
{
	_cleanup_(strv_deinit) struct strv tcg = STRV_INIT, kvm = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	p.memory = 8192 * MIB;
	p.cpus = 7;
	vm_argv(&p, &channels, &tcg);
	assert_string_equal(value(&tcg, "-m"), "8192M");
	assert_string_equal(value(&tcg, "-smp"), "7");
	assert_string_equal(value(&tcg, "-accel"), "tcg,thread=single");
	assert_string_equal(value(&tcg, "-cpu"), "max");
	p.accel = VM_ACCEL_KVM;
	vm_argv(&p, &channels, &kvm);
	assert_string_equal(value(&kvm, "-accel"), "kvm");
	assert_string_equal(value(&kvm, "-cpu"), "host");
}

static void the_firmware_is_qboot_if_asked_for(void **state)
{
	_cleanup_(strv_deinit) struct strv with = STRV_INIT, by_hand = STRV_INIT, without = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	vm_argv(&p, &channels, &without);
	assert_false(strv_contains(&without, "-bios"));
	p.qboot = true;
	vm_argv(&p, &channels, &with);
	vm_argv_by_hand(&p, 0, &by_hand);
	assert_string_equal(value(&with, "-bios"), "qboot.rom");
	assert_string_equal(value(&by_hand, "-bios"), "qboot.rom");
}

static void the_user_has_the_last_word(void **state)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT, extra = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	strv_add(&extra, "-device");
	strv_add(&extra, "edu");
	p.extra_args = &extra;
	p.wait = true;
	vm_argv(&p, &channels, &argv);
	assert_true(strv_contains(&argv, "-S"));
	assert_string_equal(argv.v[argv.n - 2], "-device");
	assert_string_equal(argv.v[argv.n - 1], "edu");
	assert_null(argv.v[argv.n]);
}

static void qemu_may_start_no_programs(void **state)
{
	_cleanup_(strv_deinit) struct strv usually = STRV_INIT, by_hand = STRV_INIT, own = STRV_INIT, none = STRV_INIT,
					   extra = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	vm_argv(&p, &channels, &usually);
	vm_argv_by_hand(&p, 0, &by_hand);
	assert_non_null(strstr(value(&usually, "-sandbox"), "on,"));
	assert_non_null(strstr(value(&usually, "-sandbox"), ",spawn=deny"));
	assert_string_equal(value(&by_hand, "-sandbox"), value(&usually, "-sandbox"));
	p.no_sandbox = true;
	vm_argv(&p, &channels, &none);
	assert_false(strv_contains(&none, "-sandbox"));
	/* The user's own is the only one. */
	p.no_sandbox = false;
	p.extra_args = &extra;
	strv_add(&extra, "-sandbox");
	strv_add(&extra, "off");
	vm_argv(&p, &channels, &own);
	assert_string_equal(value(&own, "-sandbox"), "off");
}

static void by_hand_listens_on_loopback_only(void **state)
{
	_cleanup_(strv_deinit) struct strv with = STRV_INIT, without = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	vm_argv_by_hand(&p, 4321, &with);
	assert_string_equal(value(&with, "-gdb"), "tcp:127.0.0.1:4321");
	assert_string_equal(value(&with, "-serial"), "mon:stdio");
	for (size_t i = 0; i < with.n; i++)
		assert_null(strstr(with.v[i], "/proc/self/fd"));
	vm_argv_by_hand(&p, 0, &without);
	assert_false(strv_contains(&without, "-gdb"));
}

static bool strv_has(const char *const *list, const char *s)
{
	for (; *list; list++) {
		if (streq(*list, s))
			return true;
	}
	return false;
}

/* But for the channels, what a person runs is the machine that ktb runs. */
/* The console is ttyS0 with it as without. */
static void kgdbs_own_line_is_the_second(void **state)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT, by_hand = STRV_INIT;
	struct vm_params p = usual();
	size_t lines = 0;

	(void)state;
	p.kgdb_line = true;
	vm_argv(&p, &channels, &argv);
	assert_string_equal(value(&argv, "-serial"), "chardev:serial");
	for (size_t i = 0; i + 1 < argv.n; i++) {
		if (streq(argv.v[i], "-serial") && ++lines == 2)
			assert_string_equal(argv.v[i + 1], "chardev:kgdb");
	}
	assert_int_equal(lines, 2);
	vm_argv_by_hand(&p, 0, &by_hand);
	assert_string_equal(value(&by_hand, "-serial"), "mon:stdio");
	assert_true(strv_contains(&by_hand, "pty"));
}

static void by_hand_is_the_same_machine(void **state)
{
	static const char *const machine[] = { "-machine", "-accel",   "-cpu",    "-smp",    "-m",
					       "-device",  "-netdev",  "-kernel", "-initrd", "-append",
					       "-name",    "-display", NULL };
	_cleanup_(strv_deinit) struct strv ours = STRV_INIT, by_hand = STRV_INIT;
	struct vm_params p = usual();
	size_t compared = 0;

	(void)state;
	vm_argv(&p, &channels, &ours);
	vm_argv_by_hand(&p, 1234, &by_hand);
	for (size_t i = 0; i + 1 < ours.n; i++) {
		if (!strv_has(machine, ours.v[i]))
			continue;
		assert_true(has_value(&by_hand, ours.v[i], ours.v[i + 1]));
		compared++;
	}
	assert_true(compared >= 16);
	assert_true(strv_contains(&by_hand, "-nodefaults"));
	assert_true(strv_contains(&by_hand, "-no-user-config"));
}

static void inits_port_has_the_name_that_init_looks_for(void **state)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	struct vm_params p = usual();

	(void)state;
	assert_string_equal(VM_INIT_PORT, KTB_PORT_NAME);
	vm_argv(&p, &channels, &argv);
	assert_true(has_value(&argv, "-device", "virtserialport,id=init,chardev=init,name=" KTB_PORT_NAME));
}

/* What the one needs the other must not get: a real TSC is to be checked. */
static void parameters_are_those_of_the_accelerator(void **state)
{
	struct vm_params p = usual();
	_cleanup_(strv_deinit) struct strv kvm = STRV_INIT, by_hand = STRV_INIT;
	_cleanup_(free) char *text = vm_cmdline(&p);

	(void)state;
	assert_string_equal(text, "no_timer_check tsc=reliable console=ttyS0 x=\"a b\"");
	vm_argv_by_hand(&p, 0, &by_hand);
	assert_string_equal(value(&by_hand, "-append"), text);
	p.accel = VM_ACCEL_KVM;
	vm_argv(&p, &channels, &kvm);
	assert_string_equal(value(&kvm, "-append"), p.cmdline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_those_of_the_accelerator),
		cmocka_unit_test(channels_are_those_inherited),
		cmocka_unit_test(the_kernel_and_its_parameters_are_passed_as_they_are),
		cmocka_unit_test(size_and_accelerator),
		cmocka_unit_test(the_firmware_is_qboot_if_asked_for),
		cmocka_unit_test(the_user_has_the_last_word),
		cmocka_unit_test(qemu_may_start_no_programs),
		cmocka_unit_test(by_hand_listens_on_loopback_only),
		cmocka_unit_test(kgdbs_own_line_is_the_second),
		cmocka_unit_test(by_hand_is_the_same_machine),
		cmocka_unit_test(inits_port_has_the_name_that_init_looks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
