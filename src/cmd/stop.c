#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "supervisor/control.h"
#include "supervisor/rundir.h"
#include "supervisor/supervisor.h"

struct wait {
	const char *name;
	bool force, is_line;
};

static void tell_waiting(unsigned int seconds, void *user)
{
	const struct wait *w = user;

	if (seconds == 1 && w->is_line)
		log_info("waiting for the serial line of '%s' to be left", w->name);
	else if (seconds == 1 && w->force)
		log_info("waiting for QEMU of VM '%s' to end", w->name);
	else if (seconds == 1)
		log_info("waiting for the guest of VM '%s' to power off; after %d s the VM is ended without it",
			 w->name, SUPERVISOR_STOP_S);
}

static struct err *stop_one(const struct vm_record *r, bool force)
{
	struct wait w = { r->name, force, vm_record_is_line(r) };
	_cleanup_(close) int sock = -1;
	uint64_t start = now_ns();
	bool late;
	struct err *e = rundir_connect(r, "control.sock", &sock);

	if (!e)
		e = control_stop(sock, force, tell_waiting, &w);
	/* It may be about to end by itself. */
	if (e && err_code(e) != ERR_CLOSED)
		return e;
	err_ignore(e);
	TRY(rundir_wait_gone(r));
	if (vm_record_is_line(r)) {
		log_info("the serial line of '%s' is left; the kernel there is not touched", r->name);
		return NULL;
	}
	late = !force && now_ns() - start >= SUPERVISOR_STOP_S * NSEC_PER_SEC;
	log_info("VM '%s' has ended%s", r->name, late ? "; its guest did not power off in time" : "");
	return NULL;
}

static struct err *stop_named(const char *name, bool force)
{
	_cleanup_(vm_record_destroy) struct vm_record *r = NULL;

	TRY(rundir_find(name, &r));
	return stop_one(r, force);
}

/* Of several errors the last one is returned, and those before it are said. */
static struct err *keep_last(struct err *before, struct err *e)
{
	if (!e)
		return before;
	if (before)
		log_error("%s", err_message(before));
	err_destroy(before);
	return e;
}

static struct err *stop_all(bool force)
{
	struct vm_record **list;
	struct err *e = NULL;
	size_t n;

	TRY(rundir_list(&list, &n));
	for (size_t i = 0; i < n; i++)
		e = keep_last(e, stop_one(list[i], force));
	rundir_free_list(list, n);
	return e;
}

static struct err *cmd_stop(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	bool force = config_bool(cfg, OPT_VM_FORCE);
	struct err *e = NULL;

	(void)rest;
	(void)ret_status;
	if (config_bool(cfg, OPT_VM_ALL))
		return stop_all(force);
	if (!positional->n)
		return stop_named(config_origin(cfg, OPT_VM_NAME) ? config_string(cfg, OPT_VM_NAME) : NULL, force);
	for (size_t i = 0; i < positional->n; i++)
		e = keep_last(e, stop_named(positional->v[i], force));
	return e;
}

const struct command command_stop = {
	.id = COMMAND_STOP,
	.name = "stop",
	.args = "[NAME...]",
	.summary = "end a VM in an orderly way",
	.description =
		"Asks the guest's init to power off, and waits until the VM is gone. A guest that is stopped (by a\n"
		"debugger, at the kdb prompt, after a panic) or that doesn't react within 15 seconds is ended\n"
		"without being asked; so is any with --force.",
	.examples = "  ktb stop            # the only VM that runs\n"
		    "  ktb stop a b        # two by their names\n"
		    "  ktb stop --all",
	.completes = COMPLETES_VMS,
	.run = cmd_stop,
};
