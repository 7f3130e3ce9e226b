#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>

#include "base/log.h"
#include "base/rows.h"
#include "cmd/module_files.h"
#include "kernel/percpu.h"
#include "kernel/shown.h"

enum { DEPTH_MAX = 32 };

static const struct rows_column columns[] = {
	{ NULL, "expression", ROWS_TEXT }, { NULL, "cpu", ROWS_NUMBER },    { NULL, "type", ROWS_TEXT },
	{ NULL, "address", ROWS_TEXT },    { NULL, "complete", ROWS_TEXT }, { NULL, "value", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

struct question {
	struct expr expr;
	struct expr_type type; /* name NULL: none */
	struct shown_options shown;
};

static void question_deinit(struct question *q)
{
	expr_deinit(&q->expr);
	expr_type_deinit(&q->type);
}
DEFINE_CLEANUP_STORAGE(struct question, question_deinit);

/* What a shell has split at spaces belongs together: runqueues[cpu 1].nr_running */
static struct err *parse(struct config *cfg, const struct strv *positional, struct question *ret)
{
	_cleanup_(free) char *text = strv_join(positional, " ");
	const char *type = config_string(cfg, OPT_READ_TYPE);
	uint64_t depth = config_number(cfg, OPT_READ_DEPTH);

	if (!positional->n)
		return err_create(ERR_USAGE, "ktb read wants an expression: ktb read init_task.comm");
	if (!depth || depth > DEPTH_MAX)
		return err_create(ERR_USAGE, "--depth: a number from 1 to %d", DEPTH_MAX);
	ret->shown.depth = (unsigned int)depth;
	if (type)
		TRY(err_wrap(expr_type_parse(type, &ret->type), "--type"));
	return expr_parse(text, &ret->expr);
}

struct answer {
	struct value value;
	struct shown shown;
	bool complete;
};

static struct err *find(const struct value_context *c, const struct question *q, uint64_t cpu, struct answer *ret)
{
	struct value v;

	TRY(value_find(c, &q->expr, cpu, &v));
	if (q->type.name)
		TRY(value_as(c, &q->expr, &v, &q->type, &v));
	else if (v.untyped)
		return err_create(
			ERR_USAGE,
			"'%s' is an address, and nothing says what is there; --type 'struct task_struct' does",
			q->expr.text);
	TRY(value_check(c, &q->expr, &v));
	ret->value = v;
	shown_read(c, &v, &q->shown, &ret->shown, &ret->complete);
	return NULL;
}

/* cpu: UINT64_MAX, it belongs to none. */
static void add(struct rows *rows, struct buf *text, const struct question *q, uint64_t cpu, const struct answer *a)
{
	char address[24];

	if (!rows) {
		if (cpu != UINT64_MAX)
			buf_printf(text, "[cpu %" PRIu64 "] ", cpu);
		shown_format(&a->shown, text);
		buf_putc(text, '\n');
		return;
	}
	snprintf(address, sizeof(address), "0x%" PRIx64, a->value.address);
	rows_begin(rows);
	rows_str(rows, q->expr.text);
	if (cpu != UINT64_MAX)
		rows_u64(rows, cpu);
	else
		rows_unknown(rows);
	rows_str(rows, a->shown.type);
	rows_str(rows, a->value.in_memory ? address : NULL);
	rows_bool(rows, a->complete);
	rows_json(rows, shown_json(&a->shown), NULL);
}

static struct err *read_one(const struct value_context *c, const struct question *q, uint64_t cpu, struct rows *rows,
			    struct buf *text)
{
	struct answer a = { .complete = false };

	TRY(find(c, q, cpu == UINT64_MAX ? 0 : cpu, &a));
	add(rows, text, q, cpu, &a);
	shown_deinit(&a.shown);
	return NULL;
}

/* Of each CPU that runs, where the expression doesn't say of which. One of them may fail: say so, and go on. */
static struct err *read_cpus(const struct value_context *c, const struct question *q, struct rows *rows,
			     struct buf *text)
{
	struct cpu_set online;
	struct err *first = NULL;
	size_t n = 0;

	percpu_online(c->kernel, &online);
	for (uint64_t cpu = 0; cpu < LIMIT_CPUS; cpu++) {
		struct err *e = cpu_set_has(&online, cpu) ? read_one(c, q, cpu, rows, text) : NULL;

		n += cpu_set_has(&online, cpu) && !e;
		if (e && !first)
			first = err_wrap(e, "CPU %" PRIu64, cpu);
		else
			err_ignore(e);
	}
	if (first && n) {
		log_warn("%s", err_message(first));
		err_destroy(first);
		first = NULL;
	}
	return first;
}

static struct err *emit(struct rows *rows, const struct buf *text)
{
	if (rows)
		return rows_emit(rows, stdout);
	fwrite(buf_str(text), 1, text->len, stdout);
	if (fflush(stdout) == EOF)
		return err_os(errno, "write the result");
	return NULL;
}

static struct err *answer(const struct value_context *c, const struct question *q, bool json)
{
	_cleanup_(rows_destroy) struct rows *rows = json ? rows_create(columns, true) : NULL;
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	bool per_cpu;

	TRY(value_needs_cpu(c, &q->expr, &per_cpu));
	if (per_cpu)
		TRY(read_cpus(c, q, rows, &text));
	else
		TRY(read_one(c, q, UINT64_MAX, rows, &text));
	return emit(rows, &text);
}

/* --- */

struct reading {
	struct config *cfg;
	struct inspect in;
	struct program *program;
};

static void reading_deinit(struct reading *r)
{
	program_destroy(r->program);
	inspect_deinit(&r->in);
}
DEFINE_CLEANUP_STORAGE(struct reading, reading_deinit);

static void add_module(struct program *p, const struct module_files *files, const struct module *m)
{
	_cleanup_(module_file_deinit) struct module_file file = { .state = MODULE_FILE_NONE };

	module_files_find(files, m, &file);
	program_add_module(p, &(struct program_module){
				      .name = m->name,
				      .path = file.state == MODULE_FILE_OTHER ? NULL : file.path,
				      .sections = m->sections,
				      .sections_n = m->sections_n,
				      .percpu = m->percpu,
				      .percpu_size = m->percpu_size,
			      });
}

/* Called when something is not in vmlinux: most of what is asked for is. */
static void add_modules(struct program *p, void *user)
{
	_cleanup_(module_list_deinit) struct module_list list = MODULE_LIST_INIT;
	_cleanup_(module_files_destroy) struct module_files *files = NULL;
	struct reading *r = user;
	struct err *e = module_files_read(r->cfg, &r->in, &list, &files);

	if (e)
		log_warn("%s; variables of modules are not known", err_message(e));
	for (size_t i = 0; !e && i < list.n; i++)
		add_module(p, files, &list.modules[i]);
	err_ignore(e);
}

static struct err *reading_open(struct reading *r)
{
	TRY(inspect_open(r->cfg, &r->in));
	if (!r->in.vmlinux)
		return err_create(ERR_NOT_FOUND,
				  "no vmlinux is known for the kernel with the build ID %s; name it by --vmlinux",
				  r->in.build_id);
	TRY(program_open(r->in.vmlinux, r->in.build_id, &r->program));
	program_set_modules(r->program, add_modules, r);
	return NULL;
}

static struct err *cmd_read(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(question_deinit) struct question q = { 0 };
	_cleanup_(reading_deinit) struct reading r = { .cfg = cfg, .in = INSPECT_INIT };
	_cleanup_(strv_deinit) struct strv notes = STRV_INIT;
	struct value_context c = { .notes = &notes };
	struct err *e;

	(void)rest;
	(void)ret_status;
	TRY(parse(cfg, positional, &q));
	TRY(reading_open(&r));
	c.kernel = r.in.kernel;
	c.program = r.program;
	e = answer(&c, &q, config_bool(cfg, OPT_OUTPUT_JSON));
	for (size_t i = 0; i < notes.n; i++)
		log_warn("%s", notes.v[i]);
	return e;
}

const struct command command_read = {
	.id = COMMAND_READ,
	.name = "read",
	.args = "EXPR",
	.summary = "a variable of the kernel, or what it leads to, with its type",
	.description = "EXPR is a variable and a path from it: .MEMBER, ->MEMBER, [INDEX], *EXPR, &EXPR,\n"
		       "(TYPE)EXPR. A . goes through pointers as -> does, whose > a shell would take for itself.\n"
		       "A per-CPU variable is shown of every CPU, or with [cpu N] of one; [cpu N] also follows a\n"
		       "pointer to per-CPU data. Of several variables of one name 'FILE'::NAME says which,\n"
		       "FUNCTION::NAME is a static variable of a function, and MODULE::NAME one of a module,\n"
		       "which is also found without it if the kernel itself has none of that name. An address\n"
		       "alone needs --type.\n"
		       "\n"
		       "In JSON pointers are text in hexadecimal; what is deeper than --depth or can't be read is\n"
		       "null, and \"complete\" is false then.",
	.examples = "  ktb read jiffies\n"
		    "  ktb read init_task.comm\n"
		    "  ktb read 'runqueues[cpu 1].nr_running'\n"
		    "  ktb read 'init_task.parent->comm'\n"
		    "  ktb read __lru_add_drain_all::lru_drain_gen\n"
		    "  ktb read --depth 1 init_task\n"
		    "  ktb read '&init_task.tasks' --type 'struct list_head'\n"
		    "  ktb read --json init_uts_ns.name",
	.completes = "",
	.run = cmd_read,
};
