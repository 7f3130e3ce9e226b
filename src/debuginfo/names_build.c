/*
 * In a kernel a header's types are described in every unit that includes it, a hundred times and more. What tells two types
 * of one name apart is their size and the line that they are declared on; that is cheap to look at.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "debuginfo/names_private.h"

enum { TABLE_BITS_MIN = 12, NAMES_MAX = 1 << 24, TEXT_MAX = 1 << 30, NAME_LEN_MAX = 1024, BLOCKS_MAX = 32 };

struct found {
	const char *name; /* libdw's; while the index is put together our own */
	struct names_entry entry;
	uint64_t size, line;
	uint32_t next; /* another of the same hash, plus 1; 0: none */
	bool declared; /* only */
};

struct builder {
	struct strv made; /* names that nobody else has */
	struct found *v;
	size_t n, cap;
	uint32_t *table; /* by hash: the first, plus 1 */
	unsigned int bits;
};

static uint32_t hash(const char *s)
{
	uint32_t h = 0x811c9dc5;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x01000193;
	return h ^ h >> 15;
}

static uint32_t *bucket(struct builder *b, const char *name)
{
	return &b->table[hash(name) & ((UINT32_C(1) << b->bits) - 1)];
}

static void grow(struct builder *b)
{
	b->cap = b->cap ? 2 * b->cap : (size_t)1 << TABLE_BITS_MIN;
	b->v = xreallocarray(b->v, b->cap, sizeof(*b->v));
	b->bits = b->bits ? b->bits + 1 : TABLE_BITS_MIN;
	free(b->table);
	b->table = xcalloc((size_t)1 << b->bits, sizeof(*b->table));
	for (size_t i = 0; i < b->n; i++) {
		uint32_t *first = bucket(b, b->v[i].name);

		b->v[i].next = *first;
		*first = (uint32_t)i + 1;
	}
}

static bool is_same(const struct found *a, const struct found *b)
{
	if (a->entry.kind != b->entry.kind || a->declared != b->declared || !streq(a->name, b->name))
		return false;
	if (a->entry.kind & (NAME_VARIABLE | NAME_STATIC))
		return a->declared || a->entry.address == b->entry.address;
	return a->size == b->size && a->line == b->line;
}

static void add(struct builder *b, const struct found *f)
{
	uint32_t *first;

	if (b->n == b->cap && b->n < NAMES_MAX)
		grow(b);
	if (b->n == b->cap)
		return;
	first = bucket(b, f->name);
	for (uint32_t i = *first; i; i = b->v[i - 1].next) {
		if (is_same(&b->v[i - 1], f))
			return;
	}
	b->v[b->n] = *f;
	b->v[b->n].next = *first;
	*first = (uint32_t)++b->n;
}

/* --- What debug information has --- */

static uint64_t number(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, &value) == 0 ? value : 0;
}

/* A place outside of functions is an address and nothing else; clang has a table of them (DW_OP_addrx). */
static bool address_of(Dwarf_Die *variable, uint64_t *ret)
{
	Dwarf_Attribute attribute, entry;
	Dwarf_Op *operations;
	Dwarf_Addr address;
	size_t n;

	if (!dwarf_attr(variable, DW_AT_location, &attribute) || dwarf_getlocation(&attribute, &operations, &n) != 0 ||
	    n != 1)
		return false;
	if (operations[0].atom == DW_OP_addr) {
		*ret = operations[0].number;
		return true;
	}
	if (operations[0].atom != DW_OP_addrx || dwarf_getlocation_attr(&attribute, &operations[0], &entry) != 0 ||
	    dwarf_formaddr(&entry, &address) != 0)
		return false;
	*ret = address;
	return true;
}

static bool look_at_variable(Dwarf_Die *die, struct found *f)
{
	Dwarf_Attribute attribute;

	f->declared = dwarf_hasattr(die, DW_AT_declaration);
	f->entry.global = dwarf_attr_integrate(die, DW_AT_external, &attribute) != NULL;
	return f->declared || address_of(die, &f->entry.address);
}

static unsigned int kind_of(int tag)
{
	switch (tag) {
	case DW_TAG_variable:
		return NAME_VARIABLE;
	case DW_TAG_structure_type:
		return NAME_STRUCT;
	case DW_TAG_union_type:
		return NAME_UNION;
	case DW_TAG_enumeration_type:
		return NAME_ENUM;
	case DW_TAG_typedef:
		return NAME_TYPEDEF;
	case DW_TAG_base_type:
		return NAME_BASE;
	default:
		return 0;
	}
}

/*
 * A variable of a function counts if it has an address: then it is a static one. Of a function that was inlined, or made into
 * several, it is described where the function itself is.
 */
static void look_at_local(struct builder *b, Dwarf_Die *die, const char *function)
{
	struct found f = { .name = dwarf_diename(die), .entry = { .kind = NAME_STATIC } };
	char *full;
	size_t n;

	/* Some thousands, which nobody asks for. */
	if (!f.name || !*f.name || skip_prefix(f.name, "__UNIQUE_ID_") || streq(f.name, "__func__") ||
	    streq(f.name, "__PRETTY_FUNCTION__") || !address_of(die, &f.entry.address))
		return;
	f.entry.die = dwarf_dieoffset(die);
	full = xasprintf("%s::%s", function, f.name);
	if (strlen(full) > NAME_LEN_MAX) {
		free(full);
		return;
	}
	add(b, &f);
	n = b->n;
	f.name = full;
	add(b, &f);
	if (b->n > n)
		strv_take(&b->made, full);
	else
		free(full);
}

static void look_into_block(struct builder *b, Dwarf_Die *block, const char *function, int depth)
{
	Dwarf_Die die;

	if (depth > BLOCKS_MAX || dwarf_child(block, &die) != 0)
		return;
	do {
		if (dwarf_tag(&die) == DW_TAG_variable)
			look_at_local(b, &die, function);
		else if (dwarf_tag(&die) == DW_TAG_lexical_block)
			look_into_block(b, &die, function, depth + 1);
	} while (dwarf_siblingof(&die, &die) == 0);
}

static void look_into_function(struct builder *b, Dwarf_Die *die)
{
	const char *name = dwarf_hasattr(die, DW_AT_declaration) ? NULL : dwarf_diename(die);

	if (name && *name)
		look_into_block(b, die, name, 0);
}

static void look_at(struct builder *b, Dwarf_Die *die)
{
	struct found f = { .entry = { .kind = (uint16_t)kind_of(dwarf_tag(die)) } };

	if (dwarf_tag(die) == DW_TAG_subprogram)
		look_into_function(b, die);
	if (!f.entry.kind)
		return;
	f.name = dwarf_diename(die);
	if (!f.name || !*f.name || strlen(f.name) > NAME_LEN_MAX)
		return;
	f.entry.die = dwarf_dieoffset(die);
	if (f.entry.kind == NAME_VARIABLE) {
		/* The kernel's macros make a hundred thousand of these, which nobody asks for. */
		if (skip_prefix(f.name, "__UNIQUE_ID_") || !look_at_variable(die, &f))
			return;
	} else if (dwarf_hasattr(die, DW_AT_declaration)) {
		return;
	} else {
		f.size = number(die, DW_AT_byte_size);
		f.line = number(die, DW_AT_decl_line);
	}
	add(b, &f);
}

static struct err *walk(struct builder *b, const struct dwarf_file *file, const char *path)
{
	struct dwarf_walk w = { .file = file };
	Dwarf_Die unit, die;

	while (dwarf_walk_next(&w, &unit)) {
		if (dwarf_child(&unit, &die) != 0)
			continue;
		do
			look_at(b, &die);
		while (dwarf_siblingof(&die, &die) == 0);
	}
	return w.damaged ? dwarf_file_error(path) : NULL;
}

/* --- What only the symbol table knows --- */

/* A variable that is declared, and has no definition that others can see, is where the symbol is. */
static void look_at_symbol(const char *name, uint64_t address, uint64_t size, bool global, void *user)
{
	struct builder *b = user;
	struct found *declared = NULL;

	(void)size;
	for (uint32_t i = b->n && global ? *bucket(b, name) : 0; i; i = b->v[i - 1].next) {
		struct found *f = &b->v[i - 1];

		if (f->entry.kind != NAME_VARIABLE || !streq(f->name, name))
			continue;
		if (!f->declared && f->entry.global)
			return;
		if (f->declared)
			declared = f;
	}
	if (declared) {
		declared->entry.address = address;
		declared->declared = false;
	}
}

static struct err *read_symbols(struct builder *b, const struct symbols *symbols, const char *path)
{
	if (!symbols_has_debug_info(symbols))
		return err_create(ERR_BAD_DATA,
				  "%s has no debug information, which says of which types variables are; it was "
				  "stripped, or built without CONFIG_DEBUG_INFO",
				  path);
	symbols_each(symbols, look_at_symbol, b);
	return NULL;
}

/* --- The index --- */

static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	if (x->entry.kind != y->entry.kind)
		return x->entry.kind < y->entry.kind ? -1 : 1;
	if (x->entry.global != y->entry.global)
		return x->entry.global ? -1 : 1;
	return x->entry.die < y->entry.die ? -1 : x->entry.die > y->entry.die;
}

static struct names *make(struct builder *b)
{
	struct names *n = xcalloc(1, sizeof(*n));
	struct buf text = BUF_INIT;
	const char *last = NULL;
	size_t at = 0;

	if (b->n)
		qsort(b->v, b->n, sizeof(*b->v), compare);
	for (size_t i = 0; i < b->n; i++) {
		struct found *f = &b->v[i];

		if (f->declared || text.len > TEXT_MAX)
			continue;
		if (!last || !streq(last, f->name)) {
			at = text.len;
			buf_append(&text, f->name, strlen(f->name) + 1);
		}
		last = f->name;
		f->entry.name = (uint32_t)at;
		buf_append(&n->bytes, &f->entry, sizeof(f->entry));
		n->n++;
	}
	buf_putc(&text, '\0');
	n->text = n->bytes.len;
	n->text_len = text.len;
	buf_append(&n->bytes, text.data, text.len);
	buf_deinit(&text);
	return n;
}

struct err *names_build_from(const struct dwarf_file *file, const struct symbols *symbols, const char *path,
			     struct names **ret)
{
	struct builder b = { .made = STRV_INIT };
	struct err *e = walk(&b, file, path);

	if (!e)
		e = read_symbols(&b, symbols, path);
	if (!e)
		*ret = make(&b);
	strv_deinit(&b.made);
	free(b.v);
	free(b.table);
	return e;
}

struct err *names_build(const char *path, struct names **ret)
{
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;

	TRY(dwarf_file_open(&file, path));
	TRY(symbols_open(path, &symbols));
	return names_build_from(&file, symbols, path, ret);
}
