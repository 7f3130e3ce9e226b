#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/sym_show.h"
#include "kernel/place_text.h"

struct sym {
	struct inspect in;
	struct symbolizer *code;
	struct address_map map;
	struct sym_names *names;
	struct rows *rows; /* NULL: text */
	struct buf text;
	size_t foreign; /* places in the input that are none of this kernel's */
};

static void sym_deinit(struct sym *s)
{
	rows_destroy(s->rows);
	buf_deinit(&s->text);
	sym_names_destroy(s->names);
	address_map_deinit(&s->map);
	symbolizer_destroy(s->code);
	inspect_deinit(&s->in);
}
DEFINE_CLEANUP_STORAGE(struct sym, sym_deinit);

static struct err *sym_open(struct config *cfg, struct sym *s)
{
	_cleanup_(module_list_deinit) struct module_list modules = MODULE_LIST_INIT;
	_cleanup_(module_files_destroy) struct module_files *files = NULL;

	TRY(inspect_open(cfg, &s->in));
	TRY(inspect_open_code(&s->in, &s->code));
	TRY(module_files_read(cfg, &s->in, &modules, &files));
	module_files_add(files, &modules, s->code);
	address_map_init(&s->map, s->in.kernel, &modules);
	return sym_names_open(&s->in, &s->map, files, &s->names);
}

static void identify(struct sym *s, uint64_t address, bool is_return, struct sym_answer *ret)
{
	*ret = (struct sym_answer){ .address = address };
	address_identify(&s->map, address, &ret->what);
	if (ret->what.kind == ADDRESS_IMAGE || ret->what.kind == ADDRESS_MODULE)
		ret->place = symbolize(s->code, address, is_return);
	if (ret->place && !ret->place->symbol)
		ret->place = NULL;
	ret->has_symbol = sym_names_at(s->names, &ret->what, address, &ret->symbol, &ret->section);
	if (ret->what.caller)
		ret->caller = symbolize(s->code, ret->what.caller, true);
}

static void show(struct sym *s, const char *query, uint64_t address)
{
	struct sym_answer a;

	identify(s, address, false, &a);
	if (s->rows)
		sym_show_row(s->rows, query, s->code, &a);
	else
		sym_show_text(&s->text, s->code, &a);
}

/* --- What was asked for --- */

static struct err *not_found(const struct sym *s, const struct place_text *p)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *list = NULL;

	if (*p->module)
		return err_create(ERR_NOT_FOUND,
				  "there is no symbol %s in module %s, or that isn't loaded, or its file isn't known: "
				  "see ktb lsmod",
				  p->name, p->module);
	sym_names_near(s->names, p->name, &near);
	list = strv_join(&near, ", ");
	return err_create(ERR_NOT_FOUND, "there is no symbol %s in this kernel%s%s", p->name,
			  near.n ? "; similar: " : "", list);
}

/* The kernel counts a module's last function up to the end of its pages, or up to the next section's first. */
static bool has_size(struct sym *s, const struct sym_answer *function, uint64_t size)
{
	const struct place *last;

	if (size == function->place->size || !function->place->module || size < function->place->size)
		return size == function->place->size;
	last = symbolize(s->code, function->address + size - 1, false);
	return !last->symbol || last->symbol == function->place->symbol;
}

/* Whether the place can be meant: an offset that leads out of a function, or another size, is of another kernel. */
static bool fits(struct sym *s, uint64_t address, const struct place_text *p)
{
	struct sym_answer start, there;

	identify(s, address, false, &start);
	if (!start.place)
		return !p->size;
	identify(s, address + p->offset, p->is_return, &there);
	return there.place && there.place->symbol == start.place->symbol &&
	       address + p->offset - there.place->offset == address && (!p->size || has_size(s, &start, p->size));
}

/* Keeps the targets that fit. False if there are none, though there were some. */
static bool keep_fitting(struct sym *s, const struct place_text *p, struct sym_targets *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (fits(s, t->addresses[i], p))
			t->addresses[n++] = t->addresses[i];
	}
	t->n = n;
	return n;
}

static struct err *look_up_symbol(struct sym *s, const char *query, const struct place_text *p)
{
	_cleanup_(sym_targets_deinit) struct sym_targets targets = { 0 };

	sym_names_find(s->names, p->name, p->module, &targets);
	if (!targets.n)
		return not_found(s, p);
	if (!keep_fitting(s, p, &targets))
		return err_create(ERR_NOT_FOUND,
				  "%s: in this kernel %s has another size; the text is of another kernel, or of "
				  "another build of it",
				  query, p->name);
	for (size_t i = 0; i < targets.n; i++)
		show(s, query, targets.addresses[i] + p->offset);
	return NULL;
}

/* A place, or a line with places in it. */
static struct err *look_up(struct sym *s, const char *query)
{
	struct place_text p;
	size_t at = 0;
	bool any = false;

	if (place_text_parse(query, &p)) {
		if (*p.name)
			return look_up_symbol(s, query, &p);
		show(s, query, p.offset);
		return NULL;
	}
	while (place_text_next(query, strlen(query), &at, &p)) {
		any = true;
		if (*p.name)
			TRY(look_up_symbol(s, query, &p));
		else
			show(s, query, p.offset);
	}
	if (any)
		return NULL;
	return err_create(ERR_USAGE,
			  "'%s' is neither an address (0xffffffff81000000) nor a symbol (kernel_clone), nor what the "
			  "kernel prints (kernel_clone+0x12/0x80 [module])",
			  query);
}

/* --- A text that is annotated --- */

static const struct rows_column line_columns[] = {
	{ NULL, "line", ROWS_TEXT },
	{ NULL, "places", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

/* Finds the code that a place in the text is. False: it is none of this kernel's. */
static bool find_code(struct sym *s, const struct place_text *p, struct sym_answer *ret)
{
	_cleanup_(sym_targets_deinit) struct sym_targets targets = { 0 };

	if (!*p->name) {
		identify(s, p->offset, p->is_return, ret);
		return ret->place;
	}
	sym_names_find(s->names, p->name, p->module, &targets);
	if (!targets.n || !keep_fitting(s, p, &targets)) {
		s->foreign++;
		return false;
	}
	identify(s, targets.addresses[0] + p->offset, p->is_return, ret);
	return ret->place;
}

/* Behind the line. Of an address, the line doesn't say which function it is in. */
static void put_note(struct sym *s, const struct place_text *p, const char *query, const struct place *place)
{
	if (!*p->name) {
		buf_printf(&s->text, " (%s is ", query);
		sym_show_place(&s->text, place);
	}
	sym_show_lines(&s->text, s->code, place);
	if (!*p->name)
		buf_putc(&s->text, ')');
}

static void annotate_line(struct sym *s, const char *line, size_t len)
{
	_cleanup_(rows_destroy) struct rows *places = s->rows ? rows_create(sym_columns, true) : NULL;
	struct place_text p;
	size_t at = 0;

	buf_clear(&s->text);
	buf_append(&s->text, line, len);
	while (place_text_next(line, len, &at, &p)) {
		_cleanup_(free) char *query = xstrndup(line + p.begin, p.end - p.begin);
		struct sym_answer a;

		if (!find_code(s, &p, &a))
			continue;
		if (places)
			sym_show_row(places, query, s->code, &a);
		else
			put_note(s, &p, query, a.place);
	}
	if (!places) {
		buf_putc(&s->text, '\n');
		fwrite(s->text.data, 1, s->text.len, stdout);
		return;
	}
	rows_begin(s->rows);
	rows_str(s->rows, buf_str(&s->text));
	rows_nested(s->rows, places);
}

static struct err *annotate(struct sym *s)
{
	_cleanup_(free) char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (isatty(STDIN_FILENO))
		log_info("paste the text, and end it with Ctrl-D");
	while ((n = getline(&line, &cap, stdin)) >= 0) {
		size_t len = (size_t)n;

		/* A serial line's log has carriage returns. */
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			len--;
		annotate_line(s, line, len);
	}
	if (ferror(stdin))
		return err_os(errno, "read from standard input");
	if (s->foreign)
		log_warn("%zu places were left as they are: this kernel has no such function, or one of another size; "
			 "was it another build, or are modules no longer loaded?",
			 s->foreign);
	return NULL;
}

/* --- */

/* The shell makes two words of "func+0x1/0x2 [mod]". */
static char *join_module(const struct strv *args, size_t *i)
{
	const char *next = *i + 1 < args->n ? args->v[*i + 1] : NULL;

	if (!next || *next != '[')
		return xstrdup(args->v[*i]);
	++*i;
	return xasprintf("%s %s", args->v[*i - 1], next);
}

static struct err *run(struct sym *s, const struct strv *args)
{
	if (args->n == 1 && streq(args->v[0], "-"))
		return annotate(s);
	for (size_t i = 0; i < args->n; i++) {
		_cleanup_(free) char *query = join_module(args, &i);

		TRY(look_up(s, query));
	}
	return NULL;
}

static struct err *flush(const struct sym *s, bool annotates)
{
	if (!annotates)
		fwrite(s->text.data, 1, s->text.len, stdout);
	if (fflush(stdout) == EOF || ferror(stdout))
		return err_os(errno, "write the result");
	return NULL;
}

static struct err *cmd_sym(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	bool json = config_bool(cfg, OPT_OUTPUT_JSON);
	_cleanup_(sym_deinit) struct sym s = { .in = INSPECT_INIT, .map = ADDRESS_MAP_INIT, .text = BUF_INIT };
	bool annotates = positional->n == 1 && streq(positional->v[0], "-");
	struct err *e, *shown;

	(void)rest;
	(void)ret_status;
	if (!positional->n)
		return err_create(ERR_USAGE, "sym needs an address, a symbol, or - for a text on standard input");
	TRY(sym_open(cfg, &s));
	if (json)
		s.rows = rows_create(annotates ? line_columns : sym_columns, true);
	e = run(&s, positional);
	/* What was found before is shown, whatever came then. */
	shown = s.rows ? rows_emit(s.rows, stdout) : flush(&s, annotates);
	if (e)
		err_ignore(shown);
	return e ? e : shown;
}

const struct command command_sym = {
	.id = COMMAND_SYM,
	.name = "sym",
	.args = "ADDRESS|SYMBOL|TEXT...|-",
	.summary = "what an address or a symbol of a guest's kernel is, or all those in an oops",
	.description =
		"Of code: symbol, offset, file and line, and what was inlined there. Of data: variable, per-CPU\n"
		"variable and its CPU, whose stack, which slab's object, which area of vmalloc's, or the physical\n"
		"address. Places may be as the kernel prints them: kernel_clone+0x12/0x80, or with a module behind\n"
		"it in brackets. With - a text on standard input, such as an oops, is printed with the lines of\n"
		"code that its addresses stand for: return addresses for the call.",
	.examples = "  ktb sym kernel_clone+0x12\n"
		    "  ktb sym 0xffffffff81000000 init_task\n"
		    "  ktb dmesg | ktb sym -",
	.run = cmd_sym,
};
