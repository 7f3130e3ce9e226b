#include <stdio.h>

#include "base/log.h"
#include "base/programs.h"
#include "cmd/attach.h"
#include "cmd/boot.h"
#include "cmd/cmd.h"
#include "cmd/vm.h"

struct err *vm_check_early(const struct config *cfg)
{
	const char *port = config_string(cfg, OPT_VM_PORT), *qemu = config_string(cfg, OPT_VM_QEMU);
	_cleanup_(free) char *program = NULL;
	uint64_t number;

	TRY(rundir_check_name(config_string(cfg, OPT_VM_NAME)));
	if (!qemu)
		return err_create(ERR_USAGE, "--qemu: expected a program");
	TRY(program_require(qemu, &program));
	if (!port || streq(port, "auto") || streq(port, "off"))
		return NULL;
	/* What is no number is refused where the port is chosen. */
	struct err *e = parse_u64(port, UINT16_MAX, &number);

	if (e || !number) {
		err_ignore(e);
		return NULL;
	}
	return debugport_check((uint16_t)number);
}

static void print_command(const struct boot *b)
{
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;

	vm_argv_by_hand(&b->params.vm, b->params.has_port ? b->params.port : 0, &argv);
	for (size_t i = 0; i < argv.n; i++) {
		_cleanup_(free) char *word = shell_quote(argv.v[i]);

		/* An option begins a line, its value stays with it. */
		printf("%s%s", i == 0 ? "" : *word == '-' ? " \\\n  " : " ", word);
	}
	fputs("\n", stdout);
}

static struct err *run_detached(struct boot *b)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = NULL;
	const char *name;
	struct process p;

	TRY(boot_detached(b, false, &r, &p));
	name = *b->name_option ? r->name : "";
	log_info("VM '%s' runs in the background (%s)", r->name, r->accel);
	log_info("console: ktb console%s%s   end: ktb stop%s%s", *name ? " " : "", name, *name ? " " : "", name);
	attach_tell_ports(&b->attach);
	boot_tell_how_to_debug(b, r);
	return NULL;
}

static struct err *run_vm(struct config *cfg, int *ret_status)
{
	_cleanup_(terminal_destroy) struct terminal *terminal = NULL;
	_cleanup_(boot_deinit) struct boot b = { 0 };
	bool detach = config_bool(cfg, OPT_VM_DETACH), print = config_bool(cfg, OPT_VM_PRINT_COMMAND);

	if (!print)
		TRY(vm_check_early(cfg));
	if (!detach)
		TRY(terminal_create(&terminal));
	TRY(boot_prepare(cfg, terminal, &b));
	if (print) {
		print_command(&b);
		return NULL;
	}
	if (detach)
		return run_detached(&b);
	return boot_foreground(&b, terminal, ret_status);
}

static struct err *cmd_vm(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	struct err *e;

	(void)positional;
	(void)rest;
	if (!config_string(cfg, OPT_VM_NAME))
		return err_create(ERR_USAGE, "--name: a VM needs a name");
	e = run_vm(cfg, ret_status);
	/* 1 could be anything; that ktb failed has a number of its own here. */
	if (e && err_exit_status(e) == 1)
		*ret_status = SUPERVISOR_QEMU_DIED;
	return e;
}

const struct command command_vm = {
	.id = COMMAND_VM,
	.name = "vm",
	.args = "",
	.summary = "boot the kernel in a VM, its console on this terminal",
	.description =
		"Builds the kernel first if need be. The guest has a shell on the console, an address by DHCP, and "
		"ends\n"
		"when the shell does. Every key goes to the guest but Ctrl-a: Ctrl-a x ends the VM, Ctrl-a c is "
		"QEMU's\n"
		"monitor, Ctrl-a h helps.\n\n"
		"Folders, disks and ports of this machine (--share, --image, --forward), another root than the usual\n"
		"initramfs (--root) and a kernel that was built elsewhere (--kernel) are described in the README.\n\n"
		"A debugger can attach at any time: ktb gdb, or any that speaks GDB's protocol, on localhost:1234.\n\n"
		"Exit status: 0 after an orderly end, 134 after a kernel panic, 125 if QEMU died or ktb failed, 2 for "
		"a\n"
		"wrong option, 3 if something is missing on this machine, 128 + N when signal N ended it.",
	.examples = "  ktb vm\n"
		    "  ktb vm --memory 4G --cpus 4 --append 'loglevel=7'\n"
		    "  ktb vm --share ~/src:/src --forward auto:22\n"
		    "  ktb vm --detach --name test --port auto    # in the background\n"
		    "  ktb vm --wait                              # then, elsewhere: ktb gdb --break start_kernel\n"
		    "  ktb vm --print-command                     # what QEMU is told",
	.run = cmd_vm,
};
