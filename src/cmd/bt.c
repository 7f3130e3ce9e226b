#include <errno.h>

#include "base/log.h"
#include "cmd/bt_show.h"
#include "cmd/inspect.h"
#include "cmd/inspect_cpus.h"
#include "cmd/module_files.h"
#include "kernel/cpu.h"

#define PID_MAX (UINT64_C(1) << 22)

enum { TEXT_AT_ONCE = 1 << 16 };

struct bt {
	struct inspect in;
	struct inspect_cpus cpus;
	struct symbolizer *symbolizer;
	struct bt_show show;
	size_t running; /* shown without a stack, since they run */
};

/* What is asked for: PIDs, or one of the choices. */
struct wanted {
	uint32_t *pids;
	size_t n;
	bool all, blocked, cpu;
};

static void bt_deinit(struct bt *b)
{
	symbolizer_destroy(b->symbolizer);
	inspect_cpus_deinit(&b->cpus);
	inspect_deinit(&b->in);
}
DEFINE_CLEANUP_STORAGE(struct bt, bt_deinit);

static void wanted_deinit(struct wanted *w)
{
	free(w->pids);
}
DEFINE_CLEANUP_STORAGE(struct wanted, wanted_deinit);

static struct err *parse_wanted(struct config *cfg, const struct strv *positional, struct wanted *ret)
{
	ret->all = config_bool(cfg, OPT_BT_ALL);
	ret->blocked = config_bool(cfg, OPT_BT_BLOCKED);
	ret->cpu = config_bool(cfg, OPT_BT_CPU);
	if ((positional->n > 0) + ret->all + ret->blocked + ret->cpu != 1)
		return err_create(ERR_USAGE,
				  "of which tasks? Name them by PID, or take one of --all, --blocked and --cpu");
	ret->pids = xcalloc(positional->n, sizeof(*ret->pids));
	for (; ret->n < positional->n; ret->n++) {
		struct err *e;
		uint64_t pid;

		e = parse_u64(positional->v[ret->n], PID_MAX, &pid);
		if (e) {
			err_destroy(e);
			return err_create(ERR_USAGE, "'%s' is no PID; ktb ps shows them", positional->v[ret->n]);
		}
		ret->pids[ret->n] = (uint32_t)pid;
	}
	return NULL;
}

/* Text is written piece by piece, so that many tasks cost no memory. */
static struct err *write_text(struct bt *b, size_t more_than)
{
	struct buf *text = b->show.text;

	if (b->show.rows || text->len <= more_than)
		return NULL;
	fwrite(text->data, 1, text->len, stdout);
	buf_consume(text, text->len);
	return fflush(stdout) == EOF ? err_os(errno, "write the result") : NULL;
}

/* The registers of the CPU that a task is on; NULL: not known. */
static const struct cpu_registers *registers_of(const struct bt *b, const struct task *t)
{
	uint64_t current;

	if (!(t->known & TASK_KNOWS_CPU) || t->cpu >= b->cpus.n || !b->cpus.cpus[t->cpu].known ||
	    !cpu_current(b->in.kernel, t->cpu, &current) || current != t->address)
		return NULL;
	return &b->cpus.cpus[t->cpu].registers;
}

static struct err *show_task(struct bt *b, const struct task *t)
{
	_cleanup_(stack_deinit) struct stack stack = STACK_INIT;
	const struct cpu_registers *registers = registers_of(b, t);

	if (registers)
		TRY(stack_read_cpu(b->in.kernel, b->symbolizer, t->cpu, registers, &stack));
	else
		TRY(stack_read(b->in.kernel, b->symbolizer, t, &stack));
	b->running += stack.end == STACK_END_RUNNING;
	bt_show_stack(&b->show, t, &stack);
	return write_text(b, TEXT_AT_ONCE);
}

static struct err *show_cpus(struct bt *b)
{
	for (uint32_t cpu = 0; cpu < b->cpus.n; cpu++) {
		struct task t;
		uint64_t current;

		if (!cpu_current(b->in.kernel, cpu, &current))
			continue;
		task_read(b->in.kernel, current, &t);
		t.cpu = cpu;
		t.known |= TASK_KNOWS_CPU;
		TRY(show_task(b, &t));
	}
	return NULL;
}

static bool is_wanted(const struct wanted *w, const struct task *t)
{
	if (w->all)
		return true;
	if (w->blocked)
		return t->known & TASK_KNOWS_STATE && t->state == 'D';
	for (size_t i = 0; i < w->n; i++) {
		if (t->known & TASK_KNOWS_IDS && t->pid == w->pids[i])
			return true;
	}
	return false;
}

static struct err *check_pids(const struct wanted *w, const struct task_list *list)
{
	for (size_t i = 0; i < w->n; i++) {
		bool found = false;

		for (size_t j = 0; j < list->n && !found; j++)
			found = list->tasks[j].known & TASK_KNOWS_IDS && list->tasks[j].pid == w->pids[i];
		if (!found)
			return err_create(ERR_NOT_FOUND, "the guest has no task %u; ktb ps --threads shows all of them",
					  w->pids[i]);
	}
	return NULL;
}

static struct err *show_list(struct bt *b, const struct wanted *w)
{
	_cleanup_(task_list_deinit) struct task_list list = TASK_LIST_INIT;

	TRY(task_list_read(b->in.kernel, true, &list));
	TRY(check_pids(w, &list));
	for (size_t i = 0; i < list.n; i++) {
		if (is_wanted(w, &list.tasks[i]))
			TRY(show_task(b, &list.tasks[i]));
	}
	if (!list.complete)
		log_warn("the list of tasks ends early: it changed whenever it was read, or is damaged; try --stop");
	return NULL;
}

static struct err *cmd_bt(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(rows_destroy) struct rows *rows = config_bool(cfg, OPT_OUTPUT_JSON) ? rows_create(bt_columns, true)
										      : NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	_cleanup_(bt_deinit) struct bt b = { .in = INSPECT_INIT };
	_cleanup_(wanted_deinit) struct wanted wanted = { 0 };

	(void)rest;
	(void)ret_status;
	TRY(parse_wanted(cfg, positional, &wanted));
	TRY(inspect_open(cfg, &b.in));
	TRY(inspect_open_code(&b.in, &b.symbolizer));
	module_files_add_all(cfg, &b.in, b.symbolizer, NULL);
	TRY(inspect_cpus_read(&b.in, &b.cpus));
	b.show = (struct bt_show){
		.symbolizer = b.symbolizer,
		.is_long = config_bool(cfg, OPT_BT_LONG),
		.is_core = mem_is_core(b.in.mem),
		.first = true,
		.rows = rows,
		.text = &text,
	};
	if (wanted.cpu)
		TRY(show_cpus(&b));
	else
		TRY(show_list(&b, &wanted));
	if (rows)
		return rows_emit(rows, stdout);
	return write_text(&b, 0);
}

const struct command command_bt = {
	.id = COMMAND_BT,
	.name = "bt",
	.args = "[PID...]",
	.summary = "kernel stacks of a guest's tasks, read from its memory while it runs",
	.description =
		"Functions as the kernel shows them, with file and line, and what was inlined into them. A stack is\n"
		"followed through interrupts, exceptions and the stacks that they have, to where the kernel was\n"
		"entered. What could only be guessed has a ? in front of it. Of a task that runs there is a stack "
		"only\n"
		"while the guest stands still: paused, panicked, or with --stop.",
	.completes = "",
	.examples = "  ktb bt 1              # of init\n"
		    "  ktb bt --blocked      # who waits for a disk or a lock\n"
		    "  ktb bt --cpu --stop   # what the CPUs are at",
	.run = cmd_bt,
};
