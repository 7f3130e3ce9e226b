/*
 * Statements. Each is a line that a keyword begins; the keywords are a table. A config, choice, menu or comment is an
 * entry, and the lines that follow it are its attributes, up to the next statement that isn't one. Choices, menus and
 * ifs are blocks as well: `block` is the innermost open one, and the parent of every entry that comes.
 */
#include "kbuild/kconfig_parse.h"

#include <string.h>

#include "base/util.h"
#include "kbuild/kconfig_parser.h"

enum { BLOCK_DEPTH_MAX = 100 };

static bool at_end_of_line(const struct kconfig_parser *p)
{
	return p->token.kind == KCONFIG_TOKEN_NEWLINE || p->token.kind == KCONFIG_TOKEN_END;
}

static struct err *expect_end_of_line(struct kconfig_parser *p)
{
	if (!at_end_of_line(p))
		return kconfig_syntax_error(p, "there is something more at the end of the line");
	return NULL;
}

/* The symbol that the token names, for config, select and the like; NULL if it is no name. */
static struct kconfig_builder_symbol *symbol_here(const struct kconfig_parser *p)
{
	if (p->token.kind != KCONFIG_TOKEN_WORD || p->token.opaque)
		return NULL;
	return kconfig_intern(p->builder, p->token.text, p->token.len);
}

static struct err *name_is_missing(const struct kconfig_parser *p)
{
	return kconfig_syntax_error(p, "the name of an option is missing");
}

/* Text in quotes; older kernels have single words without. */
static struct err *parse_text(struct kconfig_parser *p, const char **ret)
{
	if (p->token.kind != KCONFIG_TOKEN_QUOTED && p->token.kind != KCONFIG_TOKEN_WORD)
		return kconfig_syntax_error(p, "a text in quotes is missing");
	*ret = pool_strndup(&p->builder->pool, p->token.text, p->token.len);
	return kconfig_advance(p);
}

/* `if` and a condition, or nothing. */
static struct err *parse_if(struct kconfig_parser *p, const struct kconfig_expr **ret)
{
	*ret = NULL;
	if (!kconfig_at_word(p, "if"))
		return NULL;
	TRY(kconfig_advance(p));
	return kconfig_parse_expr(p, ret);
}

static struct kconfig_entry *add_entry(struct kconfig_parser *p, enum kconfig_entry_kind kind)
{
	struct kconfig_builder *b = p->builder;
	struct kconfig_entry *e = pool_alloc(&b->pool, sizeof(*e));

	e->kind = kind;
	e->parent = p->block;
	e->depth = p->block ? p->block->depth + 1 : 0;
	e->file = p->file->name;
	e->line = p->line;
	if (b->entries_n)
		b->entries[b->entries_n - 1]->next = e;
	if (!(b->entries_n & (b->entries_n - 1)))
		b->entries = xreallocarray(b->entries, b->entries_n ? 2 * b->entries_n : 1, sizeof(*b->entries));
	b->entries[b->entries_n++] = e;
	p->entry = e;
	p->last_property = NULL;
	return e;
}

static struct err *open_block(struct kconfig_parser *p, const struct kconfig_entry *e)
{
	if (e->depth >= BLOCK_DEPTH_MAX)
		return kconfig_syntax_error(p, "blocks are nested more than %d deep", BLOCK_DEPTH_MAX);
	p->block = e;
	return expect_end_of_line(p);
}

static struct err *parse_config(struct kconfig_parser *p)
{
	struct kconfig_builder_symbol *s = symbol_here(p);
	struct kconfig_entry *e;

	if (!s)
		return name_is_missing(p);
	TRY(kconfig_advance(p));
	e = add_entry(p, KCONFIG_ENTRY_CONFIG);
	e->symbol = &s->symbol;
	if (s->last_entry)
		s->last_entry->next_of = e;
	else
		s->symbol.entries = e;
	s->last_entry = e;
	return expect_end_of_line(p);
}

static struct err *parse_choice(struct kconfig_parser *p)
{
	struct kconfig_entry *e = add_entry(p, KCONFIG_ENTRY_CHOICE);

	/* Older kernels give some choices a name; nothing refers to it. */
	if (p->token.kind == KCONFIG_TOKEN_WORD)
		TRY(kconfig_advance(p));
	e->type = KCONFIG_BOOL;
	return open_block(p, e);
}

static struct err *parse_menu(struct kconfig_parser *p)
{
	struct kconfig_entry *e = add_entry(p, KCONFIG_ENTRY_MENU);

	TRY(parse_text(p, &e->prompt));
	return open_block(p, e);
}

static struct err *parse_if_block(struct kconfig_parser *p)
{
	struct kconfig_entry *e = add_entry(p, KCONFIG_ENTRY_IF);

	TRY(kconfig_parse_expr(p, &e->depends));
	p->entry = NULL;
	return open_block(p, e);
}

static struct err *parse_comment(struct kconfig_parser *p)
{
	struct kconfig_entry *e = add_entry(p, KCONFIG_ENTRY_COMMENT);

	TRY(parse_text(p, &e->prompt));
	return expect_end_of_line(p);
}

static struct err *end_block(struct kconfig_parser *p, enum kconfig_entry_kind kind, const char *what)
{
	if (p->block == p->file->parent || p->block->kind != kind)
		return kconfig_syntax_error(p, "'end%s' without an open '%s'", what, what);
	p->block = p->block->parent;
	p->entry = NULL;
	return expect_end_of_line(p);
}

static struct err *parse_endchoice(struct kconfig_parser *p)
{
	return end_block(p, KCONFIG_ENTRY_CHOICE, "choice");
}

static struct err *parse_endmenu(struct kconfig_parser *p)
{
	return end_block(p, KCONFIG_ENTRY_MENU, "menu");
}

static struct err *parse_endif(struct kconfig_parser *p)
{
	return end_block(p, KCONFIG_ENTRY_IF, "if");
}

static struct err *parse_mainmenu(struct kconfig_parser *p)
{
	const char *title;

	TRY(parse_text(p, &title));
	return expect_end_of_line(p);
}

static struct err *parse_source(struct kconfig_parser *p)
{
	const char *path = NULL;

	if (p->token.opaque)
		return kconfig_syntax_error(p, "the name of the file to source depends on a macro that isn't known");
	TRY(parse_text(p, &path));
	TRY(expect_end_of_line(p));
	p->entry = NULL;
	return err_wrap(p->file->source(p->file->user, path, p->block), "%s:%d", p->file->name, p->line);
}

static void set_type(struct kconfig_parser *p, enum kconfig_type type)
{
	p->entry->type = type;
	if (p->entry->symbol && p->entry->symbol->type == KCONFIG_UNKNOWN)
		p->entry->symbol->type = type;
}

static struct err *parse_prompt(struct kconfig_parser *p)
{
	TRY(parse_text(p, &p->entry->prompt));
	TRY(parse_if(p, &p->entry->prompt_if));
	return expect_end_of_line(p);
}

static struct err *parse_type(struct kconfig_parser *p, enum kconfig_type type)
{
	set_type(p, type);
	return at_end_of_line(p) ? NULL : parse_prompt(p);
}

static struct err *parse_bool(struct kconfig_parser *p)
{
	return parse_type(p, KCONFIG_BOOL);
}

static struct err *parse_tristate(struct kconfig_parser *p)
{
	return parse_type(p, KCONFIG_TRISTATE);
}

static struct err *parse_int(struct kconfig_parser *p)
{
	return parse_type(p, KCONFIG_INT);
}

static struct err *parse_hex(struct kconfig_parser *p)
{
	return parse_type(p, KCONFIG_HEX);
}

static struct err *parse_string(struct kconfig_parser *p)
{
	return parse_type(p, KCONFIG_STRING);
}

static struct kconfig_property *add_property(struct kconfig_parser *p, enum kconfig_property_kind kind)
{
	struct kconfig_property *prop = pool_alloc(&p->builder->pool, sizeof(*prop));

	prop->kind = kind;
	prop->entry = p->entry;
	prop->line = p->line;
	if (p->last_property)
		p->last_property->next = prop;
	else
		p->entry->properties = prop;
	p->last_property = prop;
	return prop;
}

static struct err *parse_default(struct kconfig_parser *p)
{
	struct kconfig_property *prop = add_property(p, KCONFIG_DEFAULT);

	TRY(kconfig_parse_expr(p, &prop->value));
	TRY(parse_if(p, &prop->condition));
	return expect_end_of_line(p);
}

static struct err *parse_def_bool(struct kconfig_parser *p)
{
	set_type(p, KCONFIG_BOOL);
	return parse_default(p);
}

static struct err *parse_def_tristate(struct kconfig_parser *p)
{
	set_type(p, KCONFIG_TRISTATE);
	return parse_default(p);
}

/* "select" or "imply": the target keeps a list of either kind, in the order of the files. */
static struct err *parse_reverse(struct kconfig_parser *p, enum kconfig_property_kind kind)
{
	struct kconfig_property *prop = add_property(p, kind);
	struct kconfig_builder_symbol *target = symbol_here(p);
	const struct kconfig_property **first;
	struct kconfig_property **last;

	if (!target)
		return name_is_missing(p);
	TRY(kconfig_advance(p));
	TRY(parse_if(p, &prop->condition));
	prop->target = &target->symbol;
	first = kind == KCONFIG_SELECT ? &target->symbol.selects : &target->symbol.implies;
	last = kind == KCONFIG_SELECT ? &target->last_select : &target->last_imply;
	if (*last)
		(*last)->next_source = prop;
	else
		*first = prop;
	*last = prop;
	return expect_end_of_line(p);
}

static struct err *parse_select(struct kconfig_parser *p)
{
	return parse_reverse(p, KCONFIG_SELECT);
}

static struct err *parse_imply(struct kconfig_parser *p)
{
	return parse_reverse(p, KCONFIG_IMPLY);
}

static struct err *parse_range(struct kconfig_parser *p)
{
	struct kconfig_property *prop = add_property(p, KCONFIG_RANGE);

	TRY(kconfig_parse_operand(p, &prop->low));
	TRY(kconfig_parse_operand(p, &prop->high));
	TRY(parse_if(p, &prop->condition));
	return expect_end_of_line(p);
}

/* `depends on A if B` means that A must hold where B does. */
static struct err *parse_depends(struct kconfig_parser *p)
{
	const struct kconfig_expr *e = NULL, *condition = NULL;

	if (!kconfig_at_word(p, "on"))
		return kconfig_syntax_error(p, "'on' is missing behind 'depends'");
	TRY(kconfig_advance(p));
	TRY(kconfig_parse_expr(p, &e));
	TRY(parse_if(p, &condition));
	if (condition)
		TRY(kconfig_implication(p, condition, e, &e));
	TRY(kconfig_conjoin(p, p->entry->depends, e, &p->entry->depends));
	return expect_end_of_line(p);
}

static struct err *parse_visible(struct kconfig_parser *p)
{
	const struct kconfig_expr *e = NULL;

	TRY(parse_if(p, &e));
	TRY(kconfig_conjoin(p, p->entry->visible_if, e, &p->entry->visible_if));
	return expect_end_of_line(p);
}

static struct err *parse_help(struct kconfig_parser *p)
{
	TRY(expect_end_of_line(p));
	if (p->token.kind == KCONFIG_TOKEN_NEWLINE)
		kconfig_lex_help(&p->lexer, &p->entry->help, &p->entry->help_len);
	return NULL;
}

static struct err *parse_modules(struct kconfig_parser *p)
{
	p->builder->modules = p->entry->symbol;
	return expect_end_of_line(p);
}

static struct err *parse_optional(struct kconfig_parser *p)
{
	p->entry->optional = true;
	return expect_end_of_line(p);
}

static struct err *parse_transitional(struct kconfig_parser *p)
{
	return expect_end_of_line(p);
}

/* Until 5.x: `option modules`, `option env="NAME"` and others that say nothing here. */
static struct err *parse_option(struct kconfig_parser *p)
{
	if (kconfig_at_word(p, "modules"))
		p->builder->modules = p->entry->symbol;
	while (!at_end_of_line(p))
		TRY(kconfig_advance(p));
	return NULL;
}

/* To which entries an attribute may belong; 0: the keyword is a statement of its own. */
enum {
	OF_CONFIG = 1 << KCONFIG_ENTRY_CONFIG,
	OF_CHOICE = 1 << KCONFIG_ENTRY_CHOICE,
	OF_MENU = 1 << KCONFIG_ENTRY_MENU,
	OF_COMMENT = 1 << KCONFIG_ENTRY_COMMENT,
	OF_OPTION = OF_CONFIG | OF_CHOICE,
	OF_ALL = OF_OPTION | OF_MENU | OF_COMMENT,
};

static const struct keyword {
	const char *name;
	struct err *(*parse)(struct kconfig_parser *p);
	unsigned of;
} keywords[] = {
	/* The most frequent ones first. */
	{ "config", parse_config, 0 },
	{ "depends", parse_depends, OF_ALL },
	{ "help", parse_help, OF_OPTION },
	{ "select", parse_select, OF_OPTION },
	{ "tristate", parse_tristate, OF_OPTION },
	{ "bool", parse_bool, OF_OPTION },
	{ "default", parse_default, OF_OPTION },
	{ "source", parse_source, 0 },
	{ "if", parse_if_block, 0 },
	{ "endif", parse_endif, 0 },
	{ "int", parse_int, OF_OPTION },
	{ "hex", parse_hex, OF_OPTION },
	{ "string", parse_string, OF_OPTION },
	{ "menuconfig", parse_config, 0 },
	{ "menu", parse_menu, 0 },
	{ "endmenu", parse_endmenu, 0 },
	{ "choice", parse_choice, 0 },
	{ "endchoice", parse_endchoice, 0 },
	{ "comment", parse_comment, 0 },
	{ "mainmenu", parse_mainmenu, 0 },
	{ "prompt", parse_prompt, OF_OPTION },
	{ "def_bool", parse_def_bool, OF_OPTION },
	{ "def_tristate", parse_def_tristate, OF_OPTION },
	{ "imply", parse_imply, OF_OPTION },
	{ "range", parse_range, OF_OPTION },
	{ "visible", parse_visible, OF_MENU },
	{ "modules", parse_modules, OF_CONFIG },
	{ "optional", parse_optional, OF_CHOICE },
	{ "transitional", parse_transitional, OF_CONFIG },
	{ "option", parse_option, OF_CONFIG },
	{ "---help---", parse_help, OF_OPTION },
};

static const struct keyword *find_keyword(const struct kconfig_parser *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
		if (kconfig_at_word(p, keywords[i].name))
			return &keywords[i];
	return NULL;
}

/* `name` was read, and the token is the operator behind it. */
static struct err *parse_assignment(struct kconfig_parser *p, const struct kconfig_token *name)
{
	enum kconfig_assignment how = p->token.kind == KCONFIG_TOKEN_COLON_EQUAL  ? KCONFIG_ASSIGN_SIMPLE
				      : p->token.kind == KCONFIG_TOKEN_PLUS_EQUAL ? KCONFIG_ASSIGN_APPEND
										  : KCONFIG_ASSIGN_RECURSIVE;
	const char *value;
	size_t len;

	kconfig_lex_rest(&p->lexer, &value, &len);
	TRY(err_wrap(kconfig_macros_set(&p->builder->macros, name->text, name->len, how, value, len), "%s:%d",
		     p->file->name, p->line));
	return kconfig_advance(p);
}

static bool is_assignment(enum kconfig_token_kind kind)
{
	return kind == KCONFIG_TOKEN_EQUAL || kind == KCONFIG_TOKEN_COLON_EQUAL || kind == KCONFIG_TOKEN_PLUS_EQUAL;
}

/* A macro at the beginning of a line: $(error-if,...), for its effects only. */
static struct err *skip_line(struct kconfig_parser *p)
{
	while (!at_end_of_line(p))
		TRY(kconfig_advance(p));
	return NULL;
}

static struct err *parse_statement(struct kconfig_parser *p)
{
	struct kconfig_token first = p->token;
	const struct keyword *k;

	p->line = first.line;
	if (first.kind != KCONFIG_TOKEN_WORD)
		return kconfig_syntax_error(p, "a line must begin with a keyword");
	if (first.opaque)
		return skip_line(p);
	k = find_keyword(p);
	TRY(kconfig_advance(p));
	if (is_assignment(p->token.kind))
		return parse_assignment(p, &first);
	if (!k)
		return kconfig_syntax_error(p, "'%.*s' is no keyword", (int)MIN(first.len, (size_t)60), first.text);
	if (k->of && (!p->entry || !(k->of & 1U << p->entry->kind)))
		return kconfig_syntax_error(p, "'%s' can't stand here", k->name);
	return k->parse(p);
}

struct err *kconfig_parse_file(struct kconfig_builder *b, const struct kconfig_parse_file *f)
{
	struct kconfig_parser p = { .builder = b, .file = f, .block = f->parent };

	kconfig_lexer_init(&p.lexer, f->data, f->len, &b->macros, &b->pool);
	TRY(kconfig_advance(&p));
	while (p.token.kind != KCONFIG_TOKEN_END) {
		if (p.token.kind != KCONFIG_TOKEN_NEWLINE)
			TRY(parse_statement(&p));
		if (p.token.kind == KCONFIG_TOKEN_NEWLINE)
			TRY(kconfig_advance(&p));
	}
	if (p.block != f->parent)
		return err_create(ERR_BAD_DATA, "%s:%d: what begins here has no end in this file", f->name,
				  p.block->line);
	return NULL;
}
