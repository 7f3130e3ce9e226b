#include "debuginfo/program.h"

#include <dwarf.h>

#include "base/buildid.h"
#include "base/log.h"
#include "debuginfo/dwarf_file.h"
#include "debuginfo/symbols.h"

enum { NEAR_NAMES = 4, FOUND_MAX = 64, SHOWN_MAX = 4 };

struct program {
	char *path;
	struct dwarf_file file;
	struct names *names;
	struct symbols *symbols;
	bool symbols_tried;
	struct ctype_source source;
};

/*
 * What an entry leads to. An index is kept in a file, and that may be damaged: what is there must have that name and
 * be of that kind.
 */
static bool follow(struct program *p, const struct name_entry *entry, const char *name, Dwarf_Die *ret)
{
	static const struct {
		int tag;
		enum name_kind kind;
	} kinds[] = {
		{ DW_TAG_variable, NAME_VARIABLE }, { DW_TAG_structure_type, NAME_STRUCT },
		{ DW_TAG_union_type, NAME_UNION },  { DW_TAG_enumeration_type, NAME_ENUM },
		{ DW_TAG_typedef, NAME_TYPEDEF },   { DW_TAG_base_type, NAME_BASE },
	};
	const char *own;

	if (!dwarf_offdie(p->file.dwarf, entry->die, ret))
		return false;
	own = dwarf_diename(ret);
	for (size_t i = 0; own && i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind == entry->kind)
			return dwarf_tag(ret) == kinds[i].tag && streq(own, name);
	}
	return false;
}

static struct err *damaged(const struct program *p, const char *name)
{
	return err_create(
		ERR_BAD_DATA,
		"what is kept about %s leads nowhere for '%s'; remove the cache's folder layout and try again", p->path,
		name);
}

static bool define(const char *name, int tag, Dwarf_Die *ret, void *user)
{
	struct program *p = user;
	struct name_entry entry;

	return names_find(p->names, name, tag == DW_TAG_union_type ? NAME_UNION : NAME_STRUCT, &entry, 1) &&
	       follow(p, &entry, name, ret);
}

static struct program *create(const char *path)
{
	struct program *p = xcalloc(1, sizeof(*p));

	p->path = xstrdup(path);
	p->file = (struct dwarf_file)DWARF_FILE_INIT;
	p->source = (struct ctype_source){ define, p };
	return p;
}

struct err *program_open(const char *path, const char *build_id, struct program **ret)
{
	_cleanup_(program_destroy) struct program *p = create(path);

	TRY(build_id_check(path, build_id));
	TRY(names_load(build_id, path, &p->names));
	TRY(dwarf_file_open(&p->file, path));
	*ret = steal(&p);
	return NULL;
}

struct err *program_open_uncached(const char *path, struct program **ret)
{
	_cleanup_(program_destroy) struct program *p = create(path);

	TRY(names_build(path, &p->names));
	TRY(dwarf_file_open(&p->file, path));
	*ret = steal(&p);
	return NULL;
}

void program_destroy(struct program *p)
{
	if (!p)
		return;
	symbols_destroy(p->symbols);
	names_destroy(p->names);
	dwarf_file_deinit(&p->file);
	free(p->path);
	free(p);
}

const struct ctype_source *program_types(struct program *p)
{
	return &p->source;
}

/* --- Variables --- */

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

static struct err *not_found(struct program *p, const char *what, const char *name, unsigned int kinds)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *list = NULL;

	names_near(p->names, name, kinds, NEAR_NAMES, &near);
	list = strv_join(&near, ", ");
	return err_create(ERR_NOT_FOUND, "%s knows no %s '%s'%s%s", p->path, what, name, near.n ? "; there is " : "",
			  near.n ? list : "");
}

static struct err *no_variable(struct program *p, const char *file, const char *name, size_t elsewhere)
{
	uint64_t address;

	if (file && elsewhere)
		return err_create(ERR_NOT_FOUND, "%s has no variable '%s' in %s, but in %zu other file%s", p->path,
				  name, file, elsewhere, elsewhere == 1 ? "" : "s");
	if (!p->symbols_tried) {
		struct err *e = symbols_open(p->path, &p->symbols);

		p->symbols_tried = true;
		err_ignore(e);
	}
	if (p->symbols && symbols_find_function(p->symbols, name, &address))
		return err_create(ERR_NOT_FOUND, "'%s' is a function (0x%llx as linked), and has no value to be read",
				  name, (unsigned long long)address);
	return not_found(p, "variable", name, NAME_VARIABLE);
}

struct choice {
	struct name_entry entry;
	Dwarf_Die die;
};

/* Which one was taken, and where the others are. */
static char *note_choice(const char *name, struct choice *v, size_t n)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%zu variables are called %s; this is that of %s", n, name, file_of(&v[0].die));
	for (size_t i = 1; i < MIN(n, (size_t)SHOWN_MAX); i++)
		buf_printf(&b, "%s '%s'::%s", i == 1 ? "; others:" : ",", file_of(&v[i].die), name);
	if (n > SHOWN_MAX)
		buf_puts(&b, ", ...");
	return buf_steal(&b);
}

struct err *program_variable(struct program *p, const char *file, const char *name, struct program_variable *ret,
			     char **ret_note)
{
	struct name_entry entries[FOUND_MAX];
	struct choice choices[FOUND_MAX];
	size_t n = names_find(p->names, name, NAME_VARIABLE, entries, FOUND_MAX), left = 0;

	for (size_t i = 0; i < MIN(n, (size_t)FOUND_MAX); i++) {
		struct choice *c = &choices[left];

		c->entry = entries[i];
		if (!follow(p, &entries[i], name, &c->die))
			return damaged(p, name);
		left += !file || is_file(file_of(&c->die), file);
	}
	if (!left)
		return no_variable(p, file, name, n);
	if (left > 1 && !choices[0].entry.global)
		*ret_note = note_choice(name, choices, left);
	*ret = (struct program_variable){ ctype_of_thing(&choices[0].die), choices[0].entry.address };
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

struct err *program_type(struct program *p, char tag, const char *name, struct ctype *ret, char **ret_note)
{
	const char *own = tag ? NULL : spell(name);
	struct name_entry entry;
	size_t n;
	Dwarf_Die die;

	/* clang spells as people do. */
	n = names_find(p->names, name, kinds_of(tag), &entry, 1);
	if (!n && own) {
		n = names_find(p->names, own, NAME_BASE, &entry, 1);
		name = own;
	}
	if (!n) {
		_cleanup_(err_destroy) struct err *e = not_found(p, what_of(tag), name, kinds_of(tag));

		if (names_find(p->names, name, NAME_TYPES, &entry, 1))
			return err_create(ERR_NOT_FOUND, "%s; but there is a %s of that name", err_message(e),
					  entry.kind == NAME_STRUCT  ? "struct"
					  : entry.kind == NAME_UNION ? "union"
					  : entry.kind == NAME_ENUM  ? "enum"
								     : "typedef");
		return steal(&e);
	}
	if (!follow(p, &entry, name, &die))
		return damaged(p, name);
	if (n > 1)
		*ret_note = note_types(what_of(tag), name, n, &die);
	*ret = ctype_of(&die);
	return NULL;
}

/* --- Symbols --- */

bool program_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret)
{
	struct symbols_place place;

	if (!p->symbols_tried) {
		struct err *e = symbols_open(p->path, &p->symbols);

		p->symbols_tried = true;
		if (e)
			log_debug("%s", err_message(e));
		err_ignore(e);
	}
	if (!p->symbols || !symbols_at(p->symbols, address, &place) ||
	    (!place.size && (!place.is_function || place.address != address)))
		return false;
	*ret = (struct program_symbol){ place.name, address - place.address, place.size, place.is_function };
	return true;
}
