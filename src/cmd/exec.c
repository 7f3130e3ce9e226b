#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/guest.h"

static struct err *run_exec(const struct config *cfg, const struct strv *rest, int *ret_status)
{
	_cleanup_(vm_record_destroy) struct vm_record *vm = NULL;
	_cleanup_(terminal_destroy) struct terminal *terminal = NULL;
	_cleanup_(strv_deinit) struct strv env = STRV_INIT;
	const struct strv *wanted = config_list(cfg, OPT_EXEC_ENV);
	bool tty = config_bool(cfg, OPT_EXEC_TTY) || (!rest->n && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	const char *type = getenv("TERM");
	struct guest_command command = {
		.args = rest,
		.env = &env,
		.folder = config_string(cfg, OPT_EXEC_CWD),
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
	};

	for (size_t i = 0; i < wanted->n; i++) {
		if (!strchr(wanted->v[i], '=') || *wanted->v[i] == '=')
			return err_create(ERR_USAGE, "--env %s: expected NAME=VALUE", wanted->v[i]);
		strv_add(&env, wanted->v[i]);
	}
	TRY(guest_find_vm(cfg, &vm));
	command.vm = vm;
	if (tty) {
		if (type)
			strv_addf(&env, "TERM=%s", type);
		TRY(terminal_create(&terminal));
		command.terminal = terminal;
		command.in = terminal_input(terminal);
		command.out = terminal_output(terminal);
	}
	return guest_run(&command, ret_status);
}

static struct err *cmd_exec(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	struct err *e;

	(void)positional;
	e = run_exec(cfg, rest, ret_status);
	/* The command's own status may be any number up to 124. */
	if (e)
		*ret_status = GUEST_FAILED;
	return e;
}

const struct command command_exec = {
	.id = COMMAND_EXEC,
	.name = "exec",
	.args = "",
	.summary = "run a command in a running guest",
	.description =
		"Runs COMMAND in the guest, as root, in /root. Its standard input, output and error are those of ktb\n"
		"exec, byte for byte, and its exit status is returned. It is not run by a shell: for pipes and\n"
		"variables of the guest, use sh -c. Without a command it is a login shell.\n"
		"\n"
		"With -t the command has a terminal, as programs need that draw on the screen; every key goes to it\n"
		"but Ctrl-a (Ctrl-a x leaves). Without, Ctrl-C is passed on as a signal; a second one leaves, and the\n"
		"command is hung up.\n"
		"\n"
		"It waits for a guest that is just booting. One that is stopped by a debugger, or has panicked, is an\n"
		"error; one that stops while the command runs is waited for.\n"
		"\n"
		"Exit status: the command's; 128 + N if signal N ended it; 127 if there is no such command, 126 if it\n"
		"can't be run, 125 if ktb failed or the VM ended meanwhile.",
	.examples = "  ktb exec -- uname -r\n"
		    "  ktb exec -- sh -c 'dmesg | tail -n 3'\n"
		    "  ktb exec -t -- top\n"
		    "  ktb exec -t                          # a second shell",
	.takes_rest = true,
	.run = cmd_exec,
};
