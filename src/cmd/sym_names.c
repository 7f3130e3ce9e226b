#include "cmd/sym_names.h"

#include "kernel/cpu.h"

enum { NEAR = 3 };

/* vmlinux, or a module. */
struct table {
	const struct module *module; /* NULL: vmlinux */
	struct symbols *symbols;
};

struct sym_names {
	const struct kernel *k;
	struct table *tables; /* vmlinux first; those of modules whose files are known */
	size_t tables_n;
};

void sym_targets_deinit(struct sym_targets *t)
{
	free(t->addresses);
	*t = (struct sym_targets){ 0 };
}

static void add_table(struct sym_names *n, const struct module *module, struct symbols *symbols)
{
	n->tables = xreallocarray(n->tables, n->tables_n + 1, sizeof(*n->tables));
	n->tables[n->tables_n++] = (struct table){ module, symbols };
}

/* A file that can't be read was told of when it was made known to the symbolizer. */
static void add_module(struct sym_names *n, const struct module *m, const struct module_files *files)
{
	_cleanup_(module_file_deinit) struct module_file file = { .state = MODULE_FILE_NONE };
	struct symbols *symbols;
	struct err *e;

	module_files_find(files, m, &file);
	if (file.state != MODULE_FILE_SAME && file.state != MODULE_FILE_UNKNOWN)
		return;
	e = symbols_open_module(file.path, m->sections, m->sections_n, &symbols);
	if (!e)
		add_table(n, m, symbols);
	err_ignore(e);
}

struct err *sym_names_open(const struct inspect *in, const struct address_map *map, const struct module_files *files,
			   struct sym_names **ret)
{
	_cleanup_(sym_names_destroy) struct sym_names *n = xcalloc(1, sizeof(*n));
	struct symbols *symbols;

	n->k = in->kernel;
	TRY(symbols_open(in->vmlinux, &symbols));
	add_table(n, NULL, symbols);
	for (size_t i = 0; files && i < map->modules.n; i++)
		add_module(n, &map->modules.modules[i], files);
	*ret = steal(&n);
	return NULL;
}

void sym_names_destroy(struct sym_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->tables_n; i++)
		symbols_destroy(n->tables[i].symbols);
	free(n->tables);
	free(n);
}

/* --- By name --- */

struct search {
	const struct sym_names *names;
	const struct table *table;
	const char *name;
	bool clones; /* only those */
	struct sym_targets *found;
};

static void add_target(struct search *s, uint64_t address)
{
	struct sym_targets *t = s->found;

	/* Of two names for one thing, one is enough. */
	for (size_t i = 0; i < t->n; i++) {
		if (t->addresses[i] == address)
			return;
	}
	t->addresses = xreallocarray(t->addresses, t->n + 1, sizeof(*t->addresses));
	t->addresses[t->n++] = address;
}

/* "foo.isra.0" of "foo". */
static bool is_named(const struct search *s, const char *name)
{
	const char *rest = skip_prefix(name, s->name);

	return rest && (s->clones ? *rest == '.' : !*rest);
}

static void look_at(const char *name, uint64_t address, uint64_t size, bool global, void *user)
{
	struct search *s = user;
	const struct kernel *k = s->names->k;
	uint64_t at;

	(void)size;
	(void)global;
	if (!is_named(s, name))
		return;
	if (s->table->module) {
		add_target(s, address);
		return;
	}
	if (!address_of_per_cpu(k, address, 0, &at)) {
		add_target(s, address + kernel_slide(k));
		return;
	}
	for (uint32_t cpu = 0; cpu < cpu_count(k); cpu++) {
		if (address_of_per_cpu(k, address, cpu, &at))
			add_target(s, at);
	}
}

void sym_names_find(struct sym_names *n, const char *name, const char *module, struct sym_targets *ret)
{
	struct search s = { .names = n, .name = name, .found = ret };

	*ret = (struct sym_targets){ 0 };
	for (int clones = 0; clones < 2 && !ret->n; clones++) {
		s.clones = clones;
		for (size_t i = 0; i < n->tables_n; i++) {
			const struct module *m = n->tables[i].module;

			s.table = &n->tables[i];
			if (!*module || (m && streq(m->name, module)))
				symbols_each(n->tables[i].symbols, look_at, &s);
		}
	}
}

void sym_names_near(const struct sym_names *n, const char *name, struct strv *ret)
{
	symbols_near(n->tables[0].symbols, name, NEAR, ret);
}

/* --- By address --- */

static struct table *table_of(struct sym_names *n, const struct module *m)
{
	for (size_t i = 0; i < n->tables_n; i++) {
		if (n->tables[i].module == m)
			return &n->tables[i];
	}
	return NULL;
}

/* The last section in that area of the module that begins before the address. */
static const char *section_of(const struct address *a, uint64_t address)
{
	const struct section_place *best = NULL;

	for (size_t i = 0; i < a->module->sections_n; i++) {
		const struct section_place *s = &a->module->sections[i];

		if (s->address <= address && s->address >= a->start && (!best || s->address >= best->address))
			best = s;
	}
	return best ? best->name : NULL;
}

bool sym_names_at(struct sym_names *n, const struct address *a, uint64_t address, struct symbols_place *ret_symbol,
		  const char **ret_section)
{
	struct table *t = table_of(n, a->kind == ADDRESS_MODULE ? a->module : NULL);
	/* From an address in the guest to one in the table. */
	uint64_t linked = a->kind == ADDRESS_MODULE ? address
			  : a->has_linked           ? a->linked
						    : address - kernel_slide(n->k);

	*ret_section = NULL;
	if (a->kind == ADDRESS_MODULE)
		*ret_section = section_of(a, address);
	else if (a->kind == ADDRESS_PER_CPU ? a->has_linked : a->kind == ADDRESS_IMAGE || a->kind == ADDRESS_STACK)
		*ret_section = symbols_section_at(n->tables[0].symbols, linked);
	else
		return false;
	if (!t || !symbols_at(t->symbols, linked, ret_symbol))
		return false;
	ret_symbol->address = address - (linked - ret_symbol->address);
	return true;
}
