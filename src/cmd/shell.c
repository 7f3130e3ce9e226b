#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/programs.h"
#include "cmd/build.h"
#include "cmd/cmd.h"

/* What a shell says of a command that isn't there. */
enum { STATUS_NO_COMMAND = 127 };

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* The first folder of PATH that has a ktb may have another one, or none. */
static struct err *put_on_path(void)
{
	_cleanup_(free) char *own = NULL, *found = find_program("ktb"), *path = NULL;
	_cleanup_(free) char *real = found ? realpath(found, NULL) : NULL;
	const char *before = getenv("PATH");
	char *slash;

	TRY(own_program(&own));
	if (real && streq(real, own))
		return NULL;
	slash = strrchr(own, '/');
	if (!slash || !streq(slash, "/ktb"))
		return NULL;
	*slash = '\0';
	path = xasprintf("%s%s%s", own, before ? ":" : "", before ? before : "");
	set("PATH", path);
	return NULL;
}

/* A kernel that isn't there, or can't be asked for, is no reason not to have a shell. */
static void find_kernel(const struct config *cfg, struct kbuild_inspection *ret)
{
	_cleanup_(err_destroy) struct err *e = build_inspect(cfg, ret);

	if (e)
		log_warn("KTB_VMLINUX, KTB_SOURCE and KTB_BUILD are not set: %s", err_message(e));
	else if (!ret->complete)
		log_info("the kernel is not built yet%s%s, so KTB_VMLINUX, KTB_SOURCE and KTB_BUILD are not set: ktb "
			 "build, then enter again",
			 ret->wrong ? ", or not as it is now: " : "", ret->wrong ? ret->wrong : "");
}

static void set_kernel(const struct kbuild_inspection *i)
{
	set("KTB_VMLINUX", i->complete ? i->kernel.vmlinux : NULL);
	set("KTB_SOURCE", i->complete ? i->kernel.source_tree : NULL);
	set("KTB_BUILD", i->complete ? i->kernel.out : NULL);
}

static void check_programs(void)
{
	static const char *const programs[] = { "gdb", "qemu-system-x86_64", "tmux", "socat" };

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		_cleanup_(free) char *path = NULL;
		struct err *e = program_require(programs[i], &path);

		if (e)
			log_warn("%s", err_message(e));
		err_destroy(e);
	}
}

static char *users_shell(void)
{
	const char *shell = getenv("SHELL");
	const struct passwd *user = shell && *shell ? NULL : getpwuid(getuid());

	if (user && user->pw_shell && *user->pw_shell)
		shell = user->pw_shell;
	return xstrdup(shell && *shell ? shell : "/bin/sh");
}

/*
 * The prompt of shells that can be told by the environment, without a file of ours in place of the user's: bash runs
 * PROMPT_COMMAND after its rc, other simple ones take PS1.
 */
static void mark_prompt(const char *shell)
{
	static const char mark[] = "case ${PS1-} in '(ktb) '*) ;; *) PS1=\"(ktb) ${PS1-}\" ;; esac";
	const char *slash = strrchr(shell, '/'), *name = slash ? slash + 1 : shell;
	const char *users = getenv("PROMPT_COMMAND");
	_cleanup_(free) char *both = users && *users ? xasprintf("%s; %s", mark, users) : xstrdup(mark);

	if (streq(name, "bash") && (!users || !strstr(users, mark)))
		set("PROMPT_COMMAND", both);
	if (streq(name, "sh") || streq(name, "dash") || streq(name, "ash") || streq(name, "ksh") || streq(name, "mksh"))
		set("PS1", geteuid() ? "(ktb) $ " : "(ktb) # ");
}

static void greet(const struct kbuild_inspection *i)
{
	fputs("ktb's development shell; exit leaves it.\n"
	      "  ktb vm --detach     a VM in the background      ktb gdb       GDB on it\n"
	      "  ktb up              both, side by side          ktb console   the VM's console\n"
	      "  ktb build           build the kernel            ktb doctor    what is wrong, and what to do\n",
	      stderr);
	if (i->complete)
		fprintf(stderr,
			"  $KTB_VMLINUX  %s\n"
			"  $KTB_SOURCE   %s\n"
			"  $KTB_BUILD    %s\n",
			i->kernel.vmlinux, i->kernel.source_tree, i->kernel.out);
}

/* Becomes the program: its terminal, its signals and its status are its own. Returns only where that failed. */
static struct err *become(char *const *argv, int *ret_status)
{
	const struct sigaction as_usual = { .sa_handler = SIG_DFL };
	int error;

	fflush(stderr);
	/* What is ignored would stay so in it. */
	sigaction(SIGPIPE, &as_usual, NULL);
	execvp(argv[0], argv);
	error = errno;
	*ret_status = error == ENOENT ? STATUS_NO_COMMAND : STATUS_NO_COMMAND - 1;
	return err_os(error, "start %s", argv[0]);
}

static struct err *cmd_shell(struct config *cfg, const struct strv *positional, const struct strv *rest,
			     int *ret_status)
{
	_cleanup_(kbuild_inspection_deinit) struct kbuild_inspection kernel = { 0 };
	_cleanup_(free) char *shell = users_shell();
	char *const only_shell[] = { shell, NULL };

	(void)positional;
	find_kernel(cfg, &kernel);
	TRY(put_on_path());
	set_kernel(&kernel);
	set("KTB_SHELL", "1");
	check_programs();
	if (rest->n)
		return become(rest->v, ret_status);
	if (isatty(STDIN_FILENO)) {
		mark_prompt(shell);
		if (log_level >= LOG_LEVEL_INFO)
			greet(&kernel);
	}
	return become(only_shell, ret_status);
}

const struct command command_shell = {
	.id = COMMAND_SHELL,
	.name = "shell",
	.args = "",
	.summary = "a shell, or a command, with the kernel's places in its environment",
	.description =
		"Starts your $SHELL with your own settings, ktb on PATH, and in the environment KTB_VMLINUX,\n"
		"KTB_SOURCE and KTB_BUILD: the kernel's symbols, its source, and the folder it was built in. Says if\n"
		"gdb, QEMU, tmux or socat are missing. Builds nothing: of a kernel that isn't built yet the variables\n"
		"are not set. What stands behind -- is run in place of the shell, and its exit status is ktb's (127: "
		"no\n"
		"such command).",
	.examples = "  ktb shell\n"
		    "  ktb shell -- sh -c 'nm \"$KTB_VMLINUX\" | grep -w kernel_clone'",
	.takes_rest = true,
	.run = cmd_shell,
};
