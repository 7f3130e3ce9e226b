#include "cmd/bt_show.h"

#include <inttypes.h>

#include "base/printable.h"
#include "base/util.h"

const struct rows_column bt_columns[] = {
	{ NULL, "pid", ROWS_NUMBER },     { NULL, "command", ROWS_TEXT }, { NULL, "state", ROWS_TEXT },
	{ NULL, "cpu", ROWS_NUMBER },     { NULL, "task", ROWS_TEXT },    { NULL, "frame", ROWS_NUMBER },
	{ NULL, "function", ROWS_TEXT },  { NULL, "inlined", ROWS_TEXT }, { NULL, "symbol", ROWS_TEXT },
	{ NULL, "offset", ROWS_NUMBER },  { NULL, "size", ROWS_NUMBER },  { NULL, "module", ROWS_TEXT },
	{ NULL, "file", ROWS_TEXT },      { NULL, "line", ROWS_NUMBER },  { NULL, "pc", ROWS_TEXT },
	{ NULL, "sp", ROWS_TEXT },        { NULL, "stack", ROWS_TEXT },   { NULL, "regs", ROWS_TEXT },
	{ NULL, "reliable", ROWS_TEXT },  { NULL, "end", ROWS_TEXT },     { NULL, "why", ROWS_TEXT },
	{ NULL, "syscall", ROWS_NUMBER }, { NULL, NULL, ROWS_TEXT },
};

static const char *const ends[] = {
	[STACK_END_USER] = "user",       [STACK_END_START] = "start",     [STACK_END_LOST] = "lost",
	[STACK_END_RUNNING] = "running", [STACK_END_CHANGED] = "changed", [STACK_END_GONE] = "gone",
};

/* --- JSON --- */

static void add_address(struct rows *rows, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	rows_str(rows, text);
}

static void add_known(struct rows *rows, bool known, uint64_t value)
{
	if (known)
		rows_u64(rows, value);
	else
		rows_unknown(rows);
}

static void begin_row(struct rows *rows, const struct task *t)
{
	const char state[] = { t->state, '\0' };

	rows_begin(rows);
	add_known(rows, t->known & TASK_KNOWS_IDS, t->pid);
	rows_str(rows, t->known & TASK_KNOWS_COMM ? t->comm : NULL);
	rows_str(rows, t->known & TASK_KNOWS_STATE ? state : NULL);
	add_known(rows, t->known & TASK_KNOWS_CPU, t->cpu);
	add_address(rows, t->address);
}

/* One of the functions that are at the place of a frame; i counts from the innermost. */
static void add_frame_row(struct bt_show *show, const struct task *t, const struct stack_frame *f,
			  const struct place *p, size_t i, size_t number)
{
	const struct place_frame *function = i < p->frames_n ? &p->frames[i] : NULL;
	bool inlined = i + 1 < p->frames_n;
	struct rows *rows = show->rows;

	begin_row(rows, t);
	rows_u64(rows, number);
	rows_str(rows, function ? function->function : NULL);
	rows_bool(rows, inlined);
	rows_str(rows, p->symbol);
	add_known(rows, p->symbol, p->offset);
	add_known(rows, p->symbol, p->size);
	rows_str(rows, p->module);
	rows_str(rows, function ? function->file : NULL);
	add_known(rows, function && function->line, function ? function->line : 0);
	add_address(rows, f->pc);
	add_address(rows, f->sp);
	rows_str(rows, f->on);
	if (f->regs)
		add_address(rows, f->regs);
	else
		rows_str(rows, NULL);
	rows_bool(rows, f->reliable);
	rows_str(rows, NULL);
	rows_str(rows, NULL);
	rows_str(rows, NULL);
}

/* The last row of each task: how its stack ends. */
static void add_end_row(struct bt_show *show, const struct task *t, const struct stack *s)
{
	enum { COLUMNS_BETWEEN = 14 };

	begin_row(show->rows, t);
	for (int i = 0; i < COLUMNS_BETWEEN; i++)
		rows_str(show->rows, NULL);
	rows_str(show->rows, ends[s->end]);
	rows_str(show->rows, s->why);
	add_known(show->rows, s->end == STACK_END_USER && s->syscall >= 0, (uint64_t)s->syscall);
}

/* --- Text --- */

static void put_head(struct bt_show *show, const struct task *t)
{
	struct buf *b = show->text;

	if (!show->first)
		buf_printf(b, "\n");
	if (t->known & TASK_KNOWS_IDS)
		buf_printf(b, "PID %" PRIu32, t->pid);
	else
		buf_printf(b, "PID ?");
	buf_printf(b, "  %c", t->known & TASK_KNOWS_STATE ? t->state : '?');
	if (t->known & TASK_KNOWS_CPU)
		buf_printf(b, "  CPU %" PRIu32, t->cpu);
	if (show->is_long)
		buf_printf(b, "  task 0x%" PRIx64, t->address);
	buf_printf(b, "  ");
	if (t->known & TASK_KNOWS_COMM)
		printable_append(b, t->comm, strlen(t->comm));
	else
		buf_printf(b, "?");
	buf_printf(b, "\n");
}

/* The way the kernel shows which stack one is on. */
static void put_stack_change(struct buf *b, const char *from, const char *to)
{
	bool was = from && !streq(from, "task"), is = to && !streq(to, "task");

	if (from && to && streq(from, to))
		return;
	if (was)
		buf_printf(b, "    </%s>\n", from);
	if (is)
		buf_printf(b, "    <%s>\n", to);
}

static void put_line(struct bt_show *show, const struct place_frame *f)
{
	if (f->file && f->line)
		buf_printf(show->text, " at %s:%" PRIu32, symbolizer_short_path(show->symbolizer, f->file), f->line);
}

static void put_frame(struct bt_show *show, const struct stack_frame *f, const struct place *p, size_t i, size_t number)
{
	const struct place_frame *function = i < p->frames_n ? &p->frames[i] : NULL;
	bool inlined = i + 1 < p->frames_n;
	struct buf *b = show->text;

	buf_printf(b, "#%-3zu ", number);
	if (show->is_long)
		buf_printf(b, "[%" PRIx64 "] 0x%" PRIx64 " ", f->sp, f->pc);
	if (!f->reliable)
		buf_printf(b, "? ");
	if (inlined)
		buf_printf(b, "%s (inlined)", function->function ? function->function : "?");
	else if (p->symbol)
		buf_printf(b, "%s+0x%" PRIx64 "/0x%" PRIx64, p->symbol, p->offset, p->size);
	else
		buf_printf(b, "0x%" PRIx64, f->pc);
	if (p->module)
		buf_printf(b, " [%s]", p->module);
	if (function)
		put_line(show, function);
	buf_printf(b, "\n");
}

static void put_end(struct bt_show *show, const struct task *t, const struct stack *s)
{
	struct buf *b = show->text;

	switch (s->end) {
	case STACK_END_USER:
		buf_printf(b, "    --- %s, ", s->n ? "entered from user mode" : "in user mode");
		if (s->syscall >= 0)
			buf_printf(b, "system call %" PRId64 ", ", s->syscall);
		buf_printf(b, "RIP 0x%" PRIx64 ", RSP 0x%" PRIx64 " ---\n", s->user_pc, s->user_sp);
		break;
	case STACK_END_START:
		break;
	case STACK_END_LOST:
		buf_printf(b, "    --- lost here: %s ---\n", s->why);
		break;
	case STACK_END_RUNNING:
		if (show->is_core)
			buf_printf(b, "    --- was on CPU %" PRIu32 ", and the core has no registers of that ---\n",
				   t->cpu);
		else
			buf_printf(b, "    --- runs on CPU %" PRIu32 "; with --stop its stack can be read ---\n",
				   t->cpu);
		break;
	case STACK_END_CHANGED:
		buf_printf(b, "    --- ran whenever its stack was read; --stop keeps it from that ---\n");
		break;
	case STACK_END_GONE:
		buf_printf(b, "    --- has ended, and has no stack any more ---\n");
		break;
	}
}

/* --- Both --- */

static void show_frame(struct bt_show *show, const struct task *t, const struct stack_frame *f, size_t *number)
{
	const struct place *p = symbolize(show->symbolizer, f->pc, f->is_return);

	for (size_t i = 0; i < MAX(p->frames_n, (size_t)1); i++) {
		if (show->rows)
			add_frame_row(show, t, f, p, i, *number);
		else
			put_frame(show, f, p, i, *number);
		++*number;
	}
}

void bt_show_stack(struct bt_show *show, const struct task *t, const struct stack *s)
{
	const char *on = "task";
	size_t number = 0;

	if (!show->rows)
		put_head(show, t);
	show->first = false;
	for (size_t i = 0; i < s->n; i++) {
		const struct stack_frame *f = &s->frames[i];

		if (!show->rows) {
			put_stack_change(show->text, on, f->on);
			if (f->regs)
				buf_printf(show->text, "    --- interrupted, registers at 0x%" PRIx64 " ---\n",
					   f->regs);
		}
		on = f->on;
		show_frame(show, t, f, &number);
	}
	if (show->rows)
		add_end_row(show, t, s);
	else
		put_end(show, t, s);
}
