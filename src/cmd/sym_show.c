#include "cmd/sym_show.h"

#include <inttypes.h>

const struct rows_column sym_columns[] = {
	{ NULL, "query", ROWS_TEXT },       { NULL, "address", ROWS_TEXT },  { NULL, "kind", ROWS_TEXT },
	{ NULL, "symbol", ROWS_TEXT },      { NULL, "offset", ROWS_NUMBER }, { NULL, "size", ROWS_NUMBER },
	{ NULL, "module", ROWS_TEXT },      { NULL, "section", ROWS_TEXT },  { NULL, "frames", ROWS_TEXT },
	{ NULL, "start", ROWS_TEXT },       { NULL, "length", ROWS_NUMBER }, { NULL, "cpu", ROWS_NUMBER },
	{ NULL, "pid", ROWS_NUMBER },       { NULL, "command", ROWS_TEXT },  { NULL, "task", ROWS_TEXT },
	{ NULL, "stack", ROWS_TEXT },       { NULL, "cache", ROWS_TEXT },    { NULL, "in_object", ROWS_TEXT },
	{ NULL, "caller", ROWS_TEXT },      { NULL, "page_of", ROWS_TEXT },  { NULL, "physical", ROWS_TEXT },
	{ NULL, "description", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT },
};

static const struct rows_column frame_columns[] = {
	{ NULL, "function", ROWS_TEXT }, { NULL, "file", ROWS_TEXT }, { NULL, "line", ROWS_NUMBER },
	{ NULL, "inlined", ROWS_TEXT },  { NULL, NULL, ROWS_TEXT },
};

/* --- Code --- */

void sym_show_place(struct buf *b, const struct place *p)
{
	buf_printf(b, "%s+0x%" PRIx64 "/0x%" PRIx64, p->symbol, p->offset, p->size);
	if (p->module)
		buf_printf(b, " [%s]", p->module);
}

static bool put_line(struct buf *b, const struct symbolizer *s, const struct place_frame *f)
{
	if (!f->file || !f->line)
		return false;
	buf_printf(b, "%s:%" PRIu32, symbolizer_short_path(s, f->file), f->line);
	return true;
}

void sym_show_lines(struct buf *b, const struct symbolizer *s, const struct place *p)
{
	const char *before = " at ";

	for (size_t i = 0; i < p->frames_n; i++) {
		_cleanup_(buf_deinit) struct buf line = BUF_INIT;

		if (!put_line(&line, s, &p->frames[i]))
			continue;
		buf_printf(b, "%s%s", before, buf_str(&line));
		if (i + 1 < p->frames_n)
			buf_printf(b, " (%s, inlined)", p->frames[i].function ? p->frames[i].function : "?");
		before = ", ";
	}
}

static void put_code(struct buf *b, const struct symbolizer *s, const struct place *p)
{
	sym_show_place(b, p);
	if (p->frames_n < 2) {
		sym_show_lines(b, s, p);
		return;
	}
	for (size_t i = 0; i < p->frames_n; i++) {
		const struct place_frame *f = &p->frames[i];
		_cleanup_(buf_deinit) struct buf line = BUF_INIT;

		buf_printf(b, "\n    %s%s", f->function ? f->function : "?", i + 1 < p->frames_n ? " (inlined)" : "");
		if (put_line(&line, s, f))
			buf_printf(b, " at %s", buf_str(&line));
	}
}

/* --- Data --- */

static void put_task(struct buf *b, const struct address *a)
{
	if (a->task.known & TASK_KNOWS_IDS)
		buf_printf(b, "PID %" PRIu32, a->task.pid);
	else
		buf_puts(b, "PID ?");
	if (a->task.known & TASK_KNOWS_COMM)
		buf_printf(b, " (%s)", a->task.comm);
}

static void put_symbol(struct buf *b, const struct sym_answer *a)
{
	if (a->has_symbol)
		buf_printf(b, "%s+0x%" PRIx64 "/0x%" PRIx64, a->symbol.name, a->address - a->symbol.address,
			   a->symbol.size);
	else if (a->section)
		buf_puts(b, "no symbol");
	else
		buf_puts(b, "no symbol is known");
	if (a->what.module)
		buf_printf(b, " [%s]", a->what.module->name);
	if (a->section)
		buf_printf(b, ", in %s", a->section);
}

static void put_per_cpu(struct buf *b, const struct sym_answer *a)
{
	if (a->has_symbol)
		buf_printf(b, "%s+0x%" PRIx64 "/0x%" PRIx64 ", per-CPU variable", a->symbol.name,
			   a->address - a->symbol.address, a->symbol.size);
	else if (a->what.module)
		buf_printf(b, "per-CPU variable of module %s", a->what.module->name);
	else
		buf_puts(b, "per-CPU memory");
	buf_printf(b, " of CPU %" PRIu32, a->what.cpu);
}

static void put_stack(struct buf *b, const struct sym_answer *a)
{
	const struct address *w = &a->what;

	if (w->has_task) {
		buf_puts(b, "stack of ");
		put_task(b, w);
	} else {
		buf_printf(b, "%s stack of CPU %" PRIu32, w->stack, w->cpu);
	}
	buf_printf(b, ", +0x%" PRIx64 " of 0x%" PRIx64, a->address - w->start, w->size);
}

static void put_slab(struct buf *b, const struct sym_answer *a)
{
	const struct address *w = &a->what;

	if (!w->is_object) {
		buf_printf(b, "slab of %s, but in no object", w->cache);
		return;
	}
	if (w->has_task) {
		buf_puts(b, "task_struct of ");
		put_task(b, w);
		buf_puts(b, ", ");
	}
	buf_printf(b, "slab object of %s, +0x%" PRIx64 " of 0x%" PRIx64, w->cache, a->address - w->start, w->size);
}

static void put_vmalloc(struct buf *b, const struct symbolizer *s, const struct sym_answer *a)
{
	const struct address *w = &a->what;

	if (!w->size) {
		buf_puts(b, "vmalloc's range, but in no area");
		return;
	}
	buf_printf(b, "area of vmalloc's, +0x%" PRIx64 " of 0x%" PRIx64, a->address - w->start, w->size);
	if (a->caller && a->caller->symbol) {
		buf_puts(b, ", asked for by ");
		sym_show_place(b, a->caller);
		sym_show_lines(b, s, a->caller);
	}
}

static void put_data(struct buf *b, const struct symbolizer *s, const struct sym_answer *a)
{
	switch (a->what.kind) {
	case ADDRESS_IMAGE:
	case ADDRESS_MODULE:
		put_symbol(b, a);
		break;
	case ADDRESS_PER_CPU:
		put_per_cpu(b, a);
		break;
	case ADDRESS_STACK:
		put_stack(b, a);
		break;
	case ADDRESS_SLAB:
		put_slab(b, a);
		break;
	case ADDRESS_VMALLOC:
		put_vmalloc(b, s, a);
		break;
	case ADDRESS_PAGE:
		buf_printf(b, "struct page of physical 0x%" PRIx64 ", +0x%" PRIx64, a->what.described,
			   a->address - a->what.start);
		break;
	case ADDRESS_DIRECT:
		buf_puts(b, "direct map");
		break;
	case ADDRESS_USER:
		buf_puts(b, "not in the kernel's half");
		return;
	case ADDRESS_OTHER:
		buf_puts(b, "no part of the kernel that is known here");
		break;
	}
	if (a->what.is_mapped)
		buf_printf(b, "; physical 0x%" PRIx64, a->what.phys);
	else
		buf_puts(b, "; not mapped");
}

static void put_description(struct buf *b, const struct symbolizer *s, const struct sym_answer *a)
{
	if (a->place)
		put_code(b, s, a->place);
	else
		put_data(b, s, a);
}

void sym_show_text(struct buf *b, const struct symbolizer *s, const struct sym_answer *a)
{
	buf_printf(b, "0x%" PRIx64 ": ", a->address);
	put_description(b, s, a);
	buf_putc(b, '\n');
}

/* --- JSON --- */

static void add_address(struct rows *rows, bool known, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	rows_str(rows, known ? text : NULL);
}

static void add_number(struct rows *rows, bool known, uint64_t value)
{
	if (known)
		rows_u64(rows, value);
	else
		rows_unknown(rows);
}

static const char *kind_name(const struct sym_answer *a)
{
	static const char *const names[] = {
		[ADDRESS_USER] = "user",       [ADDRESS_IMAGE] = "image", [ADDRESS_MODULE] = "module",
		[ADDRESS_PER_CPU] = "per-cpu", [ADDRESS_STACK] = "stack", [ADDRESS_SLAB] = "slab",
		[ADDRESS_VMALLOC] = "vmalloc", [ADDRESS_PAGE] = "page",   [ADDRESS_DIRECT] = "direct-map",
		[ADDRESS_OTHER] = "other",
	};

	return a->place ? "code" : names[a->what.kind];
}

static void add_frames(struct rows *rows, const struct place *p)
{
	_cleanup_(rows_destroy) struct rows *frames = rows_create(frame_columns, true);

	for (size_t i = 0; p && i < p->frames_n; i++) {
		const struct place_frame *f = &p->frames[i];

		rows_begin(frames);
		rows_str(frames, f->function);
		rows_str(frames, f->file);
		add_number(frames, f->line, f->line);
		rows_bool(frames, i + 1 < p->frames_n);
	}
	rows_nested(rows, frames);
}

static void add_symbol(struct rows *rows, const struct sym_answer *a)
{
	const char *module = a->what.module ? a->what.module->name : NULL;

	if (a->place) {
		rows_str(rows, a->place->symbol);
		rows_u64(rows, a->place->offset);
		rows_u64(rows, a->place->size);
		rows_str(rows, a->place->module);
	} else {
		rows_str(rows, a->has_symbol ? a->symbol.name : NULL);
		add_number(rows, a->has_symbol, a->address - a->symbol.address);
		add_number(rows, a->has_symbol && a->symbol.size, a->symbol.size);
		rows_str(rows, module);
	}
	rows_str(rows, a->section);
}

void sym_show_row(struct rows *rows, const char *query, const struct symbolizer *s, const struct sym_answer *a)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	const struct address *w = &a->what;

	rows_begin(rows);
	rows_str(rows, query);
	add_address(rows, true, a->address);
	rows_str(rows, kind_name(a));
	add_symbol(rows, a);
	add_frames(rows, a->place);
	add_address(rows, w->size, w->start);
	add_number(rows, w->size, w->size);
	add_number(rows, w->kind == ADDRESS_PER_CPU || (w->kind == ADDRESS_STACK && !w->has_task), w->cpu);
	add_number(rows, w->has_task && w->task.known & TASK_KNOWS_IDS, w->task.pid);
	rows_str(rows, w->has_task && w->task.known & TASK_KNOWS_COMM ? w->task.comm : NULL);
	add_address(rows, w->has_task, w->task.address);
	rows_str(rows, w->stack);
	rows_str(rows, w->kind == ADDRESS_SLAB ? w->cache : NULL);
	if (w->kind == ADDRESS_SLAB)
		rows_bool(rows, w->is_object);
	else
		rows_str(rows, NULL);
	rows_str(rows, a->caller ? a->caller->symbol : NULL);
	add_address(rows, w->kind == ADDRESS_PAGE, w->described);
	add_address(rows, w->is_mapped, w->phys);
	put_description(&text, s, a);
	rows_str(rows, buf_str(&text));
}
