#include <inttypes.h>

#include "base/buildid.h"
#include "base/log.h"
#include "base/rows.h"
#include "cmd/module_files.h"
#include "debuginfo/symbols.h"
#include "kernel/task.h"

static const struct rows_column short_columns[] = {
	{ "PID", "pid", ROWS_NUMBER },       { "PPID", "ppid", ROWS_NUMBER },     { "TID", "tid", ROWS_NUMBER },
	{ "UID", "uid", ROWS_NUMBER },       { "S", "state", ROWS_TEXT },         { "CPU", "cpu", ROWS_NUMBER },
	{ "RSS", "rss_bytes", ROWS_NUMBER }, { "TIME", "time_ns", ROWS_NUMBER },  { "K", "kernel_thread", ROWS_TEXT },
	{ NULL, "complete", ROWS_TEXT },     { "COMMAND", "command", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT },
};

static const struct rows_column long_columns[] = {
	{ "PID", "pid", ROWS_NUMBER },       { "PPID", "ppid", ROWS_NUMBER },
	{ "TID", "tid", ROWS_NUMBER },       { "UID", "uid", ROWS_NUMBER },
	{ "S", "state", ROWS_TEXT },         { "CPU", "cpu", ROWS_NUMBER },
	{ "RSS", "rss_bytes", ROWS_NUMBER }, { "TIME", "time_ns", ROWS_NUMBER },
	{ "K", "kernel_thread", ROWS_TEXT }, { NULL, "complete", ROWS_TEXT },
	{ "TASK", "task", ROWS_TEXT },       { "SLEEPS IN", "sleeps_in", ROWS_TEXT },
	{ "COMMAND", "command", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT },
};

static void add_number(struct rows *rows, const struct task *t, enum task_known what, uint64_t value)
{
	if (t->known & what)
		rows_u64(rows, value);
	else
		rows_unknown(rows);
}

static void add_rss(struct rows *rows, struct buf *scratch, const struct task *t)
{
	if (!(t->known & TASK_KNOWS_RSS)) {
		rows_unknown(rows);
		return;
	}
	buf_clear(scratch);
	buf_number(scratch, t->rss / 1024, 0, ' ');
	rows_u64_as(rows, t->rss, buf_str(scratch));
}

/* As ps(1) has it: minutes and seconds, with hours where there are any. */
static void add_time(struct rows *rows, struct buf *scratch, const struct task *t)
{
	uint64_t seconds = t->time / NSEC_PER_SEC;
	bool hours = seconds >= 3600;

	if (!(t->known & TASK_KNOWS_TIME)) {
		rows_unknown(rows);
		return;
	}
	buf_clear(scratch);
	if (hours) {
		buf_number(scratch, seconds / 3600, 0, ' ');
		buf_putc(scratch, ':');
	}
	buf_number(scratch, seconds / 60 % 60, hours ? 2 : 0, '0');
	buf_putc(scratch, ':');
	buf_number(scratch, seconds % 60, 2, '0');
	if (!hours) {
		buf_putc(scratch, '.');
		buf_number(scratch, t->time / (NSEC_PER_SEC / 100) % 100, 2, '0');
	}
	rows_u64_as(rows, t->time, buf_str(scratch));
}

/* --- Functions --- */

struct functions {
	struct config *cfg;
	const struct inspect *in;
	struct symbols *kernel; /* NULL: not known */
	/* For those of modules, once a task sleeps in one; NULL: not known, or not tried. */
	struct symbolizer *modules;
	bool modules_tried;
};

static void functions_deinit(struct functions *f)
{
	symbols_destroy(f->kernel);
	symbolizer_destroy(f->modules);
}
DEFINE_CLEANUP_STORAGE(struct functions, functions_deinit);

static struct symbolizer *modules_of(struct functions *f)
{
	struct err *e = NULL;

	if (f->modules_tried)
		return f->modules;
	f->modules_tried = true;
	e = inspect_open_code(f->in, &f->modules);
	if (!e)
		module_files_add_all(f->cfg, f->in, f->modules, NULL);
	err_ignore(e);
	return f->modules;
}

/* The function that a call in it returns to, as text; where none is known, the address. */
static char *name_function(struct functions *f, uint64_t address)
{
	struct symbolizer *modules;
	const struct place *place;
	struct symbols_place own;

	if (f->kernel && symbols_at(f->kernel, address - kernel_slide(f->in->kernel), &own) && own.is_function)
		return xstrdup(own.name);
	modules = f->kernel ? modules_of(f) : NULL;
	place = modules ? symbolize(modules, address, true) : NULL;
	if (place && place->symbol && place->module)
		return xasprintf("%s [%s]", place->symbol, place->module);
	return xasprintf("0x%" PRIx64, address);
}

/* --- Rows --- */

static void add_long(struct rows *rows, struct functions *f, const struct task *t)
{
	_cleanup_(free) char *function = NULL;
	uint64_t address;
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, t->address);
	rows_str(rows, text);
	if (task_sleeps_in(f->in->kernel, t, &address))
		function = name_function(f, address);
	rows_str(rows, function);
}

/* functions: NULL if they are not shown. scratch is for what it likes. */
static void add_task(struct rows *rows, struct functions *functions, struct buf *scratch, const struct task *t)
{
	const char state[] = { t->state, '\0' };

	rows_begin(rows);
	add_number(rows, t, TASK_KNOWS_IDS, t->tgid);
	add_number(rows, t, TASK_KNOWS_PARENT, t->ppid);
	add_number(rows, t, TASK_KNOWS_IDS, t->pid);
	add_number(rows, t, TASK_KNOWS_UID, t->uid);
	if (t->known & TASK_KNOWS_STATE)
		rows_str(rows, state);
	else
		rows_unknown(rows);
	add_number(rows, t, TASK_KNOWS_CPU, t->cpu);
	add_rss(rows, scratch, t);
	add_time(rows, scratch, t);
	if (t->known & TASK_KNOWS_KIND)
		rows_bool(rows, t->kernel_thread);
	else
		rows_unknown(rows);
	rows_bool(rows, t->known == TASK_KNOWS_ALL);
	if (functions)
		add_long(rows, functions, t);
	if (t->known & TASK_KNOWS_COMM)
		rows_str(rows, t->comm);
	else
		rows_unknown(rows);
}

static void warn_about_gaps(const struct task_list *list)
{
	size_t incomplete = 0;

	for (size_t i = 0; i < list->n; i++)
		incomplete += list->tasks[i].known != TASK_KNOWS_ALL;
	if (incomplete)
		log_warn("of %zu tasks not everything could be read; what is missing is shown as ?", incomplete);
	if (!list->complete)
		log_warn("the list of tasks ends early: it changed whenever it was read, or is damaged; try --stop");
}

static struct err *open_symbols(const struct inspect *in, struct symbols **ret)
{
	_cleanup_(free) char *id = NULL;

	if (!in->vmlinux)
		return err_create(ERR_NOT_FOUND, "no vmlinux is known (--vmlinux names one)");
	TRY(build_id_read(in->vmlinux, &id));
	if (!streq(id, in->build_id))
		return err_create(ERR_BAD_DATA, "%s was built again since the kernel was booted", in->vmlinux);
	return symbols_open(in->vmlinux, ret);
}

/* Names are an extra: without vmlinux there are addresses. */
static struct symbols *try_symbols(const struct inspect *in)
{
	struct symbols *symbols = NULL;
	struct err *e = open_symbols(in, &symbols);

	if (e)
		log_warn("%s; functions are shown by address", err_message(e));
	err_ignore(e);
	return symbols;
}

static struct err *cmd_ps(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	bool is_long = config_bool(cfg, OPT_INSPECT_LONG);
	_cleanup_(rows_destroy) struct rows *rows = rows_create(is_long ? long_columns : short_columns,
								config_bool(cfg, OPT_OUTPUT_JSON));
	_cleanup_(inspect_deinit) struct inspect in = INSPECT_INIT;
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;
	_cleanup_(functions_deinit) struct functions functions = { .cfg = cfg, .in = &in };
	_cleanup_(buf_deinit) struct buf scratch = BUF_INIT;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(inspect_open(cfg, &in));
	TRY(task_list_read(in.kernel, config_bool(cfg, OPT_INSPECT_THREADS), &list));
	if (is_long)
		functions.kernel = try_symbols(&in);
	for (size_t i = 0; i < list.n; i++)
		add_task(rows, is_long ? &functions : NULL, &scratch, &list.tasks[i]);
	if (!list.n && list.complete)
		log_warn("the kernel has started no task yet");
	TRY(rows_emit(rows, stdout));
	warn_about_gaps(&list);
	return NULL;
}

const struct command command_ps = {
	.id = COMMAND_PS,
	.name = "ps",
	.args = "",
	.summary = "the tasks of a guest, read from its memory while it runs",
	.description =
		"Nothing in the guest helps with that, and it isn't stopped: it may be paused, hung or panicked, or\n"
		"a core file. S is the state as ps(1) has it, RSS is in KiB, K tells kernel threads. What the guest\n"
		"changed so often that it could not be read is shown as ?.",
	.examples = "  ktb ps\n"
		    "  ktb ps -t -l          # threads too, and where they sleep\n"
		    "  ktb ps --json",
	.run = cmd_ps,
};
