#include "debuginfo/program.h"

#include <dwarf.h>

#include "base/buildid.h"
#include "base/log.h"
#include "debuginfo/program_private.h"

/* Where the compiler puts a module's per-CPU variables. The kernel lists this section nowhere, since it copies it. */
#define PER_CPU_SECTION ".data..percpu"

bool program_follow(const struct program_object *o, const struct name_entry *entry, const char *name, Dwarf_Die *ret)
{
	static const struct {
		int tag;
		enum name_kind kind;
	} kinds[] = {
		{ DW_TAG_variable, NAME_VARIABLE }, { DW_TAG_structure_type, NAME_STRUCT },
		{ DW_TAG_union_type, NAME_UNION },  { DW_TAG_enumeration_type, NAME_ENUM },
		{ DW_TAG_typedef, NAME_TYPEDEF },   { DW_TAG_base_type, NAME_BASE },
		{ DW_TAG_variable, NAME_STATIC },
	};
	const char *own;

	if (!dwarf_offdie(o->file.dwarf, entry->die, ret))
		return false;
	own = dwarf_diename(ret);
	for (size_t i = 0; own && i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind == entry->kind)
			return dwarf_tag(ret) == kinds[i].tag && streq(own, name);
	}
	return false;
}

static bool define_in(const struct program_object *o, const char *name, int tag, Dwarf_Die *ret)
{
	struct name_entry entry;

	return o->names && names_find(o->names, name, tag == DW_TAG_union_type ? NAME_UNION : NAME_STRUCT, &entry, 1) &&
	       program_follow(o, &entry, name, ret);
}

static bool define(const char *name, int tag, Dwarf_Die *ret, void *user)
{
	struct program *p = user;

	if (define_in(&p->own, name, tag, ret))
		return true;
	for (size_t i = 0; i < p->modules_n; i++) {
		if (define_in(&p->modules[i], name, tag, ret))
			return true;
	}
	return false;
}

static struct program *create(const char *path)
{
	struct program *p = xcalloc(1, sizeof(*p));

	p->own.path = xstrdup(path);
	p->own.file = (struct dwarf_file)DWARF_FILE_INIT;
	p->source = (struct ctype_source){ define, p };
	return p;
}

struct err *program_open(const char *path, const char *build_id, struct program **ret)
{
	_cleanup_(program_destroy) struct program *p = create(path);

	TRY(build_id_check(path, build_id));
	TRY(names_load(build_id, path, &p->own.names));
	TRY(dwarf_file_open(&p->own.file, path));
	*ret = steal(&p);
	return NULL;
}

struct err *program_open_uncached(const char *path, struct program **ret)
{
	_cleanup_(program_destroy) struct program *p = create(path);

	TRY(names_build(path, &p->own.names));
	TRY(dwarf_file_open(&p->own.file, path));
	*ret = steal(&p);
	return NULL;
}

static void object_deinit(struct program_object *o)
{
	symbols_destroy(o->symbols);
	names_destroy(o->names);
	dwarf_file_deinit(&o->file);
	for (size_t i = 0; i < o->places_n; i++)
		free((char *)o->places[i].name);
	free(o->places);
	free(o->module);
	free(o->path);
}

void program_destroy(struct program *p)
{
	if (!p)
		return;
	object_deinit(&p->own);
	for (size_t i = 0; i < p->modules_n; i++)
		object_deinit(&p->modules[i]);
	free(p->modules);
	free(p);
}

const struct ctype_source *program_types(struct program *p)
{
	return &p->source;
}

/* --- Modules --- */

void program_set_modules(struct program *p, program_modules_callback callback, void *user)
{
	p->callback = callback;
	p->user = user;
}

static void add_place(struct program_object *o, const char *name, uint64_t address)
{
	o->places = xreallocarray(o->places, o->places_n + 1, sizeof(*o->places));
	o->places[o->places_n++] = (struct section_place){ xstrdup(name), address };
}

void program_add_module(struct program *p, const struct program_module *module)
{
	struct program_object *o;

	p->modules = xreallocarray(p->modules, p->modules_n + 1, sizeof(*p->modules));
	o = &p->modules[p->modules_n++];
	*o = (struct program_object){
		.module = xstrdup(module->name),
		.path = module->path ? xstrdup(module->path) : NULL,
		.file = DWARF_FILE_INIT,
		.percpu = module->percpu,
		.percpu_size = module->percpu_size,
	};
	for (size_t i = 0; i < module->sections_n; i++)
		add_place(o, module->sections[i].name, module->sections[i].address);
	if (module->sections_n && module->percpu_size)
		add_place(o, PER_CPU_SECTION, module->percpu);
}

void program_list_modules(struct program *p)
{
	program_modules_callback callback = steal(&p->callback);

	if (callback)
		callback(p, p->user);
}

struct symbols *program_object_symbols(struct program_object *o)
{
	struct err *e = NULL;

	if (o->symbols_tried || !o->path)
		return o->symbols;
	o->symbols_tried = true;
	e = o->module ? symbols_open_module(o->path, o->places, o->places_n, &o->symbols)
		      : symbols_open(o->path, &o->symbols);
	if (e)
		log_debug("%s", err_message(e));
	err_ignore(e);
	return o->symbols;
}

static struct err *open_module(struct program_object *o)
{
	if (!o->symbols)
		TRY(symbols_open_module(o->path, o->places, o->places_n, &o->symbols));
	TRY(dwarf_file_open_module(&o->file, o->path, o->places, o->places_n));
	return names_build_from(&o->file, o->symbols, o->path, &o->names);
}

bool program_object_open(struct program_object *o)
{
	struct err *e;

	if (o->tried || !o->path || !o->module)
		return o->names;
	o->tried = o->symbols_tried = true;
	e = open_module(o);
	if (e)
		log_warn("module %s: %s; its variables and types are not known", o->module, err_message(e));
	err_ignore(e);
	return o->names;
}

void program_open_modules(struct program *p)
{
	program_list_modules(p);
	for (size_t i = 0; i < p->modules_n; i++)
		program_object_open(&p->modules[i]);
}

/* --- Symbols --- */

static bool symbol_in(struct program_object *o, uint64_t address, struct program_symbol *ret)
{
	struct symbols *symbols = program_object_symbols(o);
	struct symbols_place place;

	if (!symbols || !symbols_at(symbols, address, &place) ||
	    (!place.size && (!place.is_function || place.address != address)))
		return false;
	*ret = (struct program_symbol){ place.name, o->module, address - place.address, place.size, place.is_function };
	return true;
}

bool program_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret)
{
	return symbol_in(&p->own, address, ret);
}

/* How far behind the start of one of its sections; UINT64_MAX: it lies before all of them. */
static uint64_t distance(const struct program_object *o, uint64_t address)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < o->places_n; i++) {
		if (o->places[i].address <= address)
			best = MIN(best, address - o->places[i].address);
	}
	return best;
}

bool program_module_symbol_at(struct program *p, uint64_t address, struct program_symbol *ret)
{
	struct program_object *nearest = NULL;
	uint64_t best = UINT64_MAX;

	program_list_modules(p);
	for (size_t i = 0; i < p->modules_n; i++) {
		uint64_t n = distance(&p->modules[i], address);

		if (n >= best)
			continue;
		best = n;
		nearest = &p->modules[i];
	}
	return nearest && symbol_in(nearest, address, ret);
}
