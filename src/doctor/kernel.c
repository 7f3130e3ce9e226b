#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/process.h"
#include "base/util.h"
#include "debuginfo/symbols.h"
#include "doctor/check.h"
#include "vm/argv.h"

enum { QEMU_TIMEOUT_MS = 8000, UNMET_SHOWN = 5, MESSAGES_MAX = 1 << 16 };

struct err *check_kernel(struct doctor *d)
{
	const struct kbuild_inspection *i;
	struct err *e = inspect_kernel(d, &i);

	if (e)
		say_error(d, DOCTOR_PROBLEM, e, "the kernel that is asked for can't be built",
			  "correct the options or ktb.conf, or install what is missing");
	else if (i->complete)
		say(d, DOCTOR_OK, xasprintf("%s, built %s (%s)", i->kernel.release, i->kernel.date, i->kernel.vmlinux),
		    NULL, NULL);
	else if (i->wrong)
		say(d, DOCTOR_WARNING, xasprintf("built once, and no longer good: %s", i->wrong),
		    xstrdup("the next ktb vm builds it again before it boots"), xstrdup("ktb build"));
	else
		say(d, DOCTOR_WARNING,
		    xstrdup(i->to_download ? "not built yet, and its source is not downloaded yet"
			    : i->begun     ? "a build of it was begun, and is not finished"
					   : "not built yet"),
		    xasprintf("the next ktb vm %s it before it boots, which takes minutes",
			      i->to_download ? "downloads and builds" : "builds"),
		    xstrdup("ktb build"));
	return NULL;
}

struct err *check_build_id(struct doctor *d)
{
	const struct kbuild_inspection *i;
	_cleanup_(free) char *id = NULL;
	struct err *e;

	TRY(inspect_kernel(d, &i));
	e = build_id_read(i->kernel.vmlinux, &id);
	if (e)
		say_error(d, DOCTOR_PROBLEM, e, "symbols and kernel can't be known to belong together",
			  "build it again: remove its manifest.json, then ktb build");
	else if (!streq(id, i->kernel.build_id))
		say(d, DOCTOR_PROBLEM,
		    xasprintf("%s has %s, its manifest says %s", i->kernel.vmlinux, id, i->kernel.build_id),
		    xstrdup("the file was replaced behind ktb's back"),
		    xstrdup("build it again: remove its manifest.json, then ktb build"));
	else
		say(d, DOCTOR_OK, steal(&id), NULL, NULL);
	return NULL;
}

/* What of a vmlinux a debugger needs. False: something is missing, and was said. */
static struct err *look_at_symbols(struct doctor *d, const char *vmlinux, const char *remedy, char **ret_found)
{
	_cleanup_(symbols_destroy) struct symbols *s = NULL;

	*ret_found = NULL;
	TRY(symbols_open(vmlinux, &s));
	if (!symbols_functions_n(s))
		say(d, DOCTOR_PROBLEM, xasprintf("%s has no symbols: it was stripped, or is no vmlinux", vmlinux),
		    xstrdup("GDB can name no function"), xstrdup(remedy));
	else if (!symbols_has_debug_info(s))
		say(d, DOCTOR_PROBLEM, xasprintf("%s has symbols, and no debug information", vmlinux),
		    xstrdup("GDB knows functions, but no lines, types and variables"), xstrdup(remedy));
	else
		*ret_found = xasprintf("%zu functions, with lines and types", symbols_functions_n(s));
	return NULL;
}

struct err *check_debug_info(struct doctor *d)
{
	const struct kbuild_inspection *i;
	char *found;

	TRY(inspect_kernel(d, &i));
	TRY(look_at_symbols(d, i->kernel.vmlinux,
			    "take what turns DEBUG_INFO off out of [kconfig] and fragments (--allow-dropped hides it)",
			    &found));
	if (found)
		say(d, DOCTOR_OK, found, NULL, NULL);
	return NULL;
}

struct err *check_scripts(struct doctor *d)
{
	static const char meaning[] = "GDB has no lx-* commands; all else works";
	const struct kbuild_inspection *i;
	char real[PATH_MAX];

	TRY(inspect_kernel(d, &i));
	if (!realpath(i->kernel.gdb_script, real))
		say(d, DOCTOR_WARNING, xasprintf("%s leads nowhere: %s", i->kernel.gdb_script, strerrordesc_np(errno)),
		    xstrdup(meaning), xstrdup("was the source moved or removed? ktb build brings it back"));
	else if (!is_directory(i->kernel.source_tree))
		say(d, DOCTOR_WARNING, xasprintf("the source %s is gone", i->kernel.source_tree),
		    xstrdup("GDB shows no lines of source"), xstrdup("put it back, or build from where it is now"));
	else
		say_text(d, DOCTOR_OK, i->kernel.gdb_script, NULL, NULL);
	return NULL;
}

struct err *check_options(struct doctor *d)
{
	const struct kbuild_inspection *i;
	_cleanup_(buf_deinit) struct buf names = BUF_INIT;

	TRY(inspect_kernel(d, &i));
	for (size_t n = 0; n < i->unmet.n && n < UNMET_SHOWN; n++)
		buf_printf(&names, "%s%s", n ? ", " : "", i->unmet.v[n]);
	if (i->unmet.n > UNMET_SHOWN)
		buf_puts(&names, ", ...");
	if (!i->unmet.n)
		say(d, DOCTOR_OK, xasprintf("the kernel has all %zu that are asked for", i->asked), NULL, NULL);
	else if (!i->kernel.dropped)
		say(d, DOCTOR_OK,
		    xasprintf("the kernel has those that are asked for; of %zu, %zu gave way to others: %s", i->asked,
			      i->unmet.n, buf_str(&names)),
		    NULL, NULL);
	else
		say(d, DOCTOR_WARNING,
		    xasprintf("%llu of %zu that are asked for are not in the kernel: %s",
			      (unsigned long long)i->kernel.dropped, i->asked, buf_str(&names)),
		    xstrdup("it was built with allow_dropped; what they would do is missing"),
		    xstrdup("ktb build --allow-dropped=no says what each of them needs"));
	return NULL;
}

/* --- Whether QEMU makes the machine --- */

/* Runs QEMU with the keys that end it waiting on its console. */
static struct err *run_qemu(const struct strv *argv, struct buf *messages, int *ret_status)
{
	static const char end[] = "\001x";
	_cleanup_(process_deinit) struct process p = PROCESS_INIT;
	_cleanup_(close) int keys = -1, hold = -1, err_read = -1, err_write = -1;
	_cleanup_(close) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct process_options o = PROCESS_OPTIONS_INIT;
	int fds[2];
	struct err *e;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_os(errno, "make a pipe");
	keys = fds[0];
	hold = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_os(errno, "make a pipe");
	err_read = fds[0];
	err_write = fds[1];
	TRY(write_all(hold, end, strlen(end)));
	o.argv = (const char *const *)argv->v;
	o.stdin_fd = keys;
	o.stdout_fd = null_fd;
	o.stderr_fd = err_write;
	o.die_with_parent = true;
	TRY(process_spawn(&o, &p));
	close(steal_fd(&err_write));
	e = process_wait_timeout(&p, QEMU_TIMEOUT_MS, ret_status);
	process_deinit(&p);
	if (!e)
		e = read_fd(err_read, "QEMU's messages", MESSAGES_MAX, messages);
	return e;
}

struct err *check_machine(struct doctor *d)
{
	const struct kbuild_inspection *i;
	_cleanup_(err_destroy) struct err *unknown = inspect_kernel(d, &i);
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	_cleanup_(buf_deinit) struct buf messages = BUF_INIT;
	_cleanup_(free) char *how = NULL;
	const struct vm_params params = {
		.qemu = config_string(d->cfg, OPT_VM_QEMU),
		.name = "doctor",
		.kernel = !unknown && i->complete ? i->kernel.vmlinux : NULL,
		.cmdline = "",
		.memory = config_number(d->cfg, OPT_VM_MEMORY) / MIB * MIB,
		.cpus = (unsigned int)MIN(config_number(d->cfg, OPT_VM_CPUS), UINT64_C(1024)),
		.wait = true,
		.extra_args = config_list(d->cfg, OPT_VM_QEMU_ARGS),
		/* A QEMU that has none is started without. */
		.no_sandbox = true,
	};
	int status;

	if (!params.kernel) {
		say_text(d, DOCTOR_SKIPPED, "needs: kernel", NULL, NULL);
		return NULL;
	}
	vm_argv_by_hand(&params, 0, &argv);
	TRY(run_qemu(&argv, &messages, &status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		say(d, DOCTOR_OK,
		    xasprintf("QEMU makes it: %u CPUs, %llu MB, loaded with the kernel", params.cpus,
			      (unsigned long long)(params.memory / MIB)),
		    NULL, NULL);
		return NULL;
	}
	how = process_describe_status(status);
	say(d, DOCTOR_PROBLEM,
	    xasprintf("QEMU doesn't make it (%s)%s%s", how, messages.len ? ": " : "",
		      messages.len ? strip(messages.data) : ""),
	    xstrdup("the VM won't start"),
	    xstrdup("correct vm.qemu_arg, vm.cpus, vm.memory or vm.qemu; ktb vm --print-command shows the whole "
		    "command"));
	return NULL;
}
