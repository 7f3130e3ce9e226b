/*
 * What a name means: in the program, and if it means nothing there, in its modules.
 */
#include <dwarf.h>

#include "debuginfo/program_private.h"

enum { NEAR_NAMES = 4, FOUND_MAX = 1 << 14, SHOWN_MAX = 4 };

static struct err *damaged(const struct program_object *o, const char *name)
{
	return err_create(
		ERR_BAD_DATA,
		"what is kept about %s leads nowhere for '%s'; remove the cache's folder layout and try again", o->path,
		name);
}

/* --- What isn't there --- */

/* Of which modules nothing is known; NULL: of none. */
static char *unknown_modules(const struct program *p)
{
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;
	_cleanup_(free) char *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->modules_n; i++) {
		if (p->modules[i].names)
			continue;
		if (n++ < SHOWN_MAX)
			strv_add(&names, p->modules[i].module);
	}
	if (!n)
		return NULL;
	list = strv_join(&names, ", ");
	return xasprintf("; nothing is known of what is in module%s %s%s, see ktb lsmod", n == 1 ? "" : "s", list,
			 n > SHOWN_MAX ? ", ..." : "");
}

static struct err *not_found(struct program *p, const char *what, const char *name, unsigned int kinds)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *list = NULL, *unknown = unknown_modules(p);

	names_near(p->own.names, name, kinds, NEAR_NAMES, &near);
	for (size_t i = 0; i < p->modules_n && !near.n; i++) {
		if (p->modules[i].names)
			names_near(p->modules[i].names, name, kinds, NEAR_NAMES, &near);
	}
	list = strv_join(&near, ", ");
	return err_create(ERR_NOT_FOUND, "%s%s knows no %s '%s'%s%s%s", p->own.path,
			  p->modules_n ? ", with the modules that are loaded," : "", what, name,
			  near.n ? "; there is " : "", near.n ? list : "", unknown ? unknown : "");
}

/* A function's name as written, "FUNCTION::NAME". */
static char *full_name(const char *scope, const char *name)
{
	return scope ? xasprintf("%s::%s", scope, name) : xstrdup(name);
}

static struct err *no_variable(struct program *p, const struct program_name *name, size_t elsewhere)
{
	_cleanup_(free) char *full = full_name(name->scope, name->name);
	const struct symbols *symbols = program_object_symbols(&p->own);
	uint64_t address;

	if (name->file && elsewhere)
		return err_create(ERR_NOT_FOUND, "%s has no variable '%s' in %s, but in %zu other file%s", p->own.path,
				  full, name->file, elsewhere, elsewhere == 1 ? "" : "s");
	if (!name->scope && symbols && symbols_find_function(symbols, name->name, &address))
		return err_create(ERR_NOT_FOUND, "'%s' is a function (0x%llx as linked), and has no value to be read",
				  name->name, (unsigned long long)address);
	return not_found(p, "variable", full, NAME_VARIABLE | NAME_STATIC);
}

/* --- Variables --- */

struct choice {
	struct program_object *object;
	struct name_entry entry;
	Dwarf_Die die;
};

struct choices {
	struct choice *v;
	size_t n;
	size_t elsewhere; /* those that are in another file than the one asked for */
};

static void choices_deinit(struct choices *c)
{
	free(c->v);
}
DEFINE_CLEANUP_STORAGE(struct choices, choices_deinit);

/* The source file of what is described at die; "?" if nothing says. */
static const char *file_of(Dwarf_Die *die)
{
	Dwarf_Die unit;
	const char *name = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_diename(&unit) : NULL;

	return name ? name : "?";
}

/* Whether path ends with file, and that is a whole part of it. */
static bool is_file(const char *path, const char *file)
{
	size_t n = strlen(path), m = strlen(file);

	return m && n >= m && streq(path + n - m, file) && (n == m || path[n - m - 1] == '/' || *file == '/');
}

static struct err *collect_kind(struct program_object *o, const struct program_name *name, enum name_kind kind,
				struct choices *c)
{
	_cleanup_(free) char *full = full_name(name->scope, name->name);
	size_t n = MIN(names_find(o->names, full, kind, NULL, 0), (size_t)FOUND_MAX);
	_cleanup_(free) struct name_entry *entries = xcalloc(n, sizeof(*entries));

	names_find(o->names, full, kind, entries, n);
	c->v = xreallocarray(c->v, c->n + n, sizeof(*c->v));
	for (size_t i = 0; i < n; i++) {
		struct choice *v = &c->v[c->n];

		*v = (struct choice){ .object = o, .entry = entries[i] };
		if (!program_follow(o, &entries[i], name->name, &v->die))
			return damaged(o, full);
		if (!name->file || is_file(file_of(&v->die), name->file))
			c->n++;
		else
			c->elsewhere++;
	}
	return NULL;
}

static struct err *collect(struct program_object *o, const struct program_name *name, struct choices *c)
{
	size_t before = c->n;

	if (!name->scope)
		TRY(collect_kind(o, name, NAME_VARIABLE, c));
	if (c->n == before)
		TRY(collect_kind(o, name, NAME_STATIC, c));
	return NULL;
}

/* What is in front of the name may be the module itself. */
static struct err *collect_in_modules(struct program *p, const struct program_name *name, struct choices *c)
{
	const struct program_name plain = { name->file, NULL, name->name };

	program_list_modules(p);
	for (size_t i = 0; i < p->modules_n; i++) {
		struct program_object *o = &p->modules[i];

		if (!name->scope || !streq(o->module, name->scope))
			continue;
		if (!o->path)
			return err_create(ERR_NOT_FOUND,
					  "the variables of module %s are not known: no file of it was found, or that "
					  "was built again since; see ktb lsmod",
					  o->module);
		if (program_object_open(o))
			TRY(collect(o, &plain, c));
	}
	for (size_t i = 0; i < p->modules_n && !(name->scope && c->n); i++) {
		if (program_object_open(&p->modules[i]))
			TRY(collect(&p->modules[i], name, c));
	}
	return NULL;
}

static char *function_of(Dwarf_Die *die)
{
	Dwarf_Die *scopes = NULL;
	int n = dwarf_getscopes_die(die, &scopes);
	char *name = NULL;

	for (int i = 0; i < n && !name; i++) {
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram && dwarf_diename(&scopes[i]))
			name = xstrdup(dwarf_diename(&scopes[i]));
	}
	free(scopes);
	return name;
}

/* As it can be asked for. */
static void put_choice(struct buf *b, struct choice *v, const char *name)
{
	_cleanup_(free) char *function = v->entry.kind == NAME_STATIC ? function_of(&v->die) : NULL;

	buf_printf(b, "'%s'::", file_of(&v->die));
	if (function)
		buf_printf(b, "%s::", function);
	buf_puts(b, name);
}

/* Which one was taken, and where the others are. */
static char *note_choice(const char *name, struct choice *v, size_t n)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%zu variables are called %s; this is ", n, name);
	put_choice(&b, &v[0], name);
	for (size_t i = 1; i < MIN(n, (size_t)SHOWN_MAX); i++) {
		buf_puts(&b, i == 1 ? "; others: " : ", ");
		put_choice(&b, &v[i], name);
	}
	if (n > SHOWN_MAX)
		buf_puts(&b, ", ...");
	return buf_steal(&b);
}

struct err *program_variable(struct program *p, const struct program_name *name, struct program_variable *ret,
			     char **ret_note)
{
	_cleanup_(choices_deinit) struct choices c = { .n = 0 };
	const struct program_object *o;
	uint64_t address;

	TRY(collect(&p->own, name, &c));
	if (!c.n)
		TRY(collect_in_modules(p, name, &c));
	if (!c.n)
		return no_variable(p, name, c.elsewhere);
	if (c.n > 1 && !c.v[0].entry.global)
		*ret_note = note_choice(name->name, c.v, c.n);
	o = c.v[0].object;
	address = c.v[0].entry.address;
	*ret = (struct program_variable){ .type = ctype_of_thing(&c.v[0].die),
					  .address = address,
					  .in_module = o->module,
					  .is_per_cpu = o->module && address - o->percpu < o->percpu_size };
	return NULL;
}

/* --- Types --- */

/*
 * How GCC calls C's own types, whichever way they are spelled: "unsigned long", "long long unsigned int". Words may come in
 * any order. NULL: it is none of them.
 */
static const char *spell(const char *name)
{
	static const char *const words[] = { "unsigned", "signed", "short", "int", "long", "char" };
	unsigned int n[ARRAY_SIZE(words)] = { 0 };
	enum { UNSIGNED, SIGNED, SHORT, INT, LONG, CHAR };

	while (*name) {
		size_t len = strcspn(name, " "), i = 0;

		while (i < ARRAY_SIZE(words) && (strlen(words[i]) != len || strncmp(words[i], name, len) != 0))
			i++;
		if (i == ARRAY_SIZE(words))
			return NULL;
		n[i]++;
		name += len + strspn(name + len, " ");
	}
	if (n[CHAR])
		return n[UNSIGNED] ? "unsigned char" : n[SIGNED] ? "signed char" : "char";
	if (n[SHORT])
		return n[UNSIGNED] ? "short unsigned int" : "short int";
	if (n[LONG] > 1)
		return n[UNSIGNED] ? "long long unsigned int" : "long long int";
	if (n[LONG])
		return n[UNSIGNED] ? "long unsigned int" : "long int";
	return n[UNSIGNED] ? "unsigned int" : "int";
}

static unsigned int kinds_of(char tag)
{
	switch (tag) {
	case 's':
		return NAME_STRUCT;
	case 'u':
		return NAME_UNION;
	case 'e':
		return NAME_ENUM;
	default:
		return NAME_TYPEDEF | NAME_BASE;
	}
}

static const char *what_of(char tag)
{
	switch (tag) {
	case 's':
		return "struct";
	case 'u':
		return "union";
	case 'e':
		return "enum";
	default:
		return "type";
	}
}

static char *note_types(const char *tag, const char *name, size_t n, Dwarf_Die *first)
{
	return xasprintf("%zu types are called %s%s%s and differ; this is that of %s", n, streq(tag, "type") ? "" : tag,
			 streq(tag, "type") ? "" : " ", name, file_of(first));
}

/* The first type of those kinds, in the program or in a module, and how many the program or that module has. */
static struct err *find_type(struct program_object *o, const char *name, unsigned int kinds, Dwarf_Die *ret,
			     size_t *ret_n)
{
	struct name_entry entry;

	*ret_n = names_find(o->names, name, kinds, &entry, 1);
	if (*ret_n && !program_follow(o, &entry, name, ret))
		return damaged(o, name);
	return NULL;
}

/* In its own spelling, or in GCC's; clang spells as people do. */
static struct err *find_spelled(struct program_object *o, const char *name, unsigned int kinds, Dwarf_Die *ret,
				size_t *ret_n)
{
	const char *own = kinds & NAME_BASE ? spell(name) : NULL;

	TRY(find_type(o, name, kinds, ret, ret_n));
	return *ret_n || !own ? NULL : find_type(o, own, NAME_BASE, ret, ret_n);
}

static struct err *no_type(struct program *p, char tag, const char *name)
{
	_cleanup_(err_destroy) struct err *e = not_found(p, what_of(tag), name, kinds_of(tag));
	struct name_entry entry;

	if (names_find(p->own.names, name, NAME_TYPES, &entry, 1))
		return err_create(ERR_NOT_FOUND, "%s; but there is a %s of that name", err_message(e),
				  entry.kind == NAME_STRUCT  ? "struct"
				  : entry.kind == NAME_UNION ? "union"
				  : entry.kind == NAME_ENUM  ? "enum"
							     : "typedef");
	return steal(&e);
}

struct err *program_type(struct program *p, char tag, const char *name, struct ctype *ret, char **ret_note)
{
	Dwarf_Die die;
	size_t n;

	TRY(find_spelled(&p->own, name, kinds_of(tag), &die, &n));
	if (!n)
		program_list_modules(p);
	for (size_t i = 0; i < p->modules_n && !n; i++) {
		if (program_object_open(&p->modules[i]))
			TRY(find_spelled(&p->modules[i], name, kinds_of(tag), &die, &n));
	}
	if (!n)
		return no_type(p, tag, name);
	if (n > 1)
		*ret_note = note_types(what_of(tag), name, n, &die);
	*ret = ctype_of(&die);
	return NULL;
}
