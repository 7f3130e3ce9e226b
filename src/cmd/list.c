#include <time.h>

#include "base/rows.h"
#include "cmd/cmd.h"
#include "supervisor/control.h"
#include "supervisor/rundir.h"

static const struct rows_column columns[] = {
	{ "NAME", "name", ROWS_TEXT },       { "STATUS", "status", ROWS_TEXT },   { "PORT", "port", ROWS_NUMBER },
	{ "KERNEL", "release", ROWS_TEXT },  { "ACCEL", "accel", ROWS_TEXT },     { "CPUS", "cpus", ROWS_NUMBER },
	{ "MEMORY", "memory", ROWS_NUMBER }, { "UP", "up_seconds", ROWS_NUMBER }, { "PID", "pid", ROWS_NUMBER },
	{ NULL, "dir", ROWS_TEXT },          { NULL, "vmlinux", ROWS_TEXT },      { NULL, "forward", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

/* What the VM does just now; one that doesn't answer is still there. */
static char *ask_status(const struct vm_record *r)
{
	_cleanup_(close) int sock = -1;
	_cleanup_(err_destroy) struct err *e = rundir_connect(r, "control.sock", &sock);
	char *status = NULL;

	if (!e)
		e = control_status(sock, &status);
	return e ? xstrdup("no answer") : status;
}

static void add_row(struct rows *rows, const struct vm_record *r)
{
	uint64_t now = (uint64_t)time(NULL), up = now > r->started ? now - r->started : 0;
	_cleanup_(free) char *status = ask_status(r);
	_cleanup_(free) char *memory = xasprintf("%llu MB", (unsigned long long)(r->memory / MIB));
	_cleanup_(free) char *duration = format_duration(up * NSEC_PER_SEC);

	rows_begin(rows);
	rows_str(rows, r->name);
	rows_str(rows, status);
	if (r->port)
		rows_u64(rows, r->port);
	else
		rows_str(rows, NULL);
	rows_str(rows, r->release);
	rows_str(rows, r->accel);
	/* Of the other end of a serial line that is not known. */
	if (vm_record_is_line(r)) {
		rows_str(rows, NULL);
		rows_str(rows, NULL);
	} else {
		rows_u64(rows, r->cpus);
		rows_u64_as(rows, r->memory, memory);
	}
	rows_u64_as(rows, up, duration);
	rows_u64(rows, (uint64_t)r->pid);
	rows_str(rows, r->dir);
	rows_str(rows, r->vmlinux);
	rows_str(rows, r->forward);
}

static struct err *cmd_list(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(rows_destroy) struct rows *rows = rows_create(columns, config_bool(cfg, OPT_OUTPUT_JSON));
	struct vm_record **list;
	size_t n;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(rundir_list(&list, &n));
	for (size_t i = 0; i < n; i++)
		add_row(rows, list[i]);
	rundir_free_list(list, n);
	return rows_emit(rows, stdout);
}

const struct command command_list = {
	.id = COMMAND_LIST,
	.name = "list",
	.args = "",
	.summary = "the VMs that run",
	.description = "One line for each VM: running, waiting (at reset), paused, debug (stopped by a debugger),\n"
		       "panicked, shutdown or internal-error. Nothing is printed if none runs.",
	.examples = "  ktb list\n"
		    "  ktb list --json",
	.run = cmd_list,
};
