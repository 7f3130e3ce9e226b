/*
 * libelf reads the file in pieces, with pread(): mapped, a file that is rewritten meanwhile (a kernel being built
 * again) would kill us with SIGBUS. What it hands out is checked against the file's size by libelf; string offsets are
 * checked by elf_strptr().
 */
#include "debuginfo/symbols.h"

#include <gelf.h>
#include <libelf.h>
#include <limits.h>

#include "base/elf_file.h"
#include "base/near.h"

/* Functions, and variables. */
struct symbol {
	const char *name; /* in the string table that libelf holds */
	uint64_t address;
	uint64_t size;
	bool is_function;
	bool is_global;
};

struct section {
	bool executable; /* holds code */
	bool placed;     /* of a module: it is loaded */
	bool loaded;     /* it has a place in memory */
	const char *name;
	uint64_t address, size;
};

struct symbols {
	int fd;
	Elf *elf;
	bool debug_info;
	struct section *sections; /* by index */
	size_t sections_n;
	struct symbol *all; /* in the file's order */
	size_t all_n;
	size_t functions_n;
	struct symbol **by_address; /* sorted; NULL: not yet */
	struct symbol **code;       /* the functions of them */
};

static struct err *bad_elf(const char *path)
{
	return err_create(ERR_BAD_DATA, "%s is a broken ELF file (%s); build it again", path, elf_errmsg(-1));
}

static bool is_debug_info(const char *name, const GElf_Shdr *header)
{
	return name && (streq(name, ".debug_info") || streq(name, ".zdebug_info")) && header->sh_type != SHT_NOBITS &&
	       header->sh_size > 0;
}

static void place_section(struct section *s, const char *name, const struct section_place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!streq(places[i].name, name))
			continue;
		s->placed = true;
		s->address = places[i].address;
	}
}

/* Notes what each section is; *ret_table is the symbol table, if there is one. */
static struct err *read_sections(struct symbols *s, const char *path, const struct section_place *places, size_t n,
				 Elf_Scn **ret_table)
{
	size_t names;

	if (elf_getshdrnum(s->elf, &s->sections_n) < 0 || elf_getshdrstrndx(s->elf, &names) < 0)
		return bad_elf(path);
	s->sections = xcalloc(s->sections_n, sizeof(*s->sections));
	for (Elf_Scn *section = NULL; (section = elf_nextscn(s->elf, section));) {
		size_t i = elf_ndxscn(section);
		const char *name;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || i >= s->sections_n)
			return bad_elf(path);
		name = elf_strptr(s->elf, names, header.sh_name);
		s->sections[i] = (struct section){ .executable = header.sh_flags & SHF_EXECINSTR,
						   .loaded = header.sh_flags & SHF_ALLOC,
						   .name = name,
						   .address = header.sh_addr,
						   .size = header.sh_size };
		if (name && (header.sh_flags & SHF_ALLOC))
			place_section(&s->sections[i], name, places, n);
		if (is_debug_info(name, &header))
			s->debug_info = true;
		if (header.sh_type == SHT_SYMTAB && !*ret_table)
			*ret_table = section;
	}
	return NULL;
}

/* Entry points written in assembler may have no type: in a section of code they count, unless they are local labels. */
static bool is_function(const struct symbols *s, const GElf_Sym *symbol, const char *name)
{
	unsigned char type = GELF_ST_TYPE(symbol->st_info);

	if (!name || !*name || symbol->st_shndx == SHN_UNDEF)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	return type == STT_NOTYPE && *name != '.' && symbol->st_shndx < s->sections_n &&
	       s->sections[symbol->st_shndx].executable;
}

/* Variables have a type in whatever was compiled; in assembler, linker scripts and per-CPU data they may not. */
static bool is_variable(const GElf_Sym *symbol, const char *name)
{
	unsigned char type = GELF_ST_TYPE(symbol->st_info);

	return name && *name && symbol->st_shndx != SHN_UNDEF && (type == STT_OBJECT || type == STT_NOTYPE) &&
	       *name != '.' && *name != '$';
}

/* Where a symbol of a module went. False: nowhere. */
static bool place_symbol(const struct symbols *s, GElf_Sym *symbol)
{
	if (symbol->st_shndx >= s->sections_n || !s->sections[symbol->st_shndx].placed)
		return false;
	symbol->st_value += s->sections[symbol->st_shndx].address;
	return true;
}

static struct err *read_symbols(struct symbols *s, const char *path, Elf_Scn *table, bool module)
{
	GElf_Shdr header;
	Elf_Data *data;
	size_t n, entry_size;

	if (!gelf_getshdr(table, &header))
		return bad_elf(path);
	data = elf_getdata(table, NULL);
	entry_size = gelf_fsize(s->elf, ELF_T_SYM, 1, EV_CURRENT);
	if (!data || !entry_size)
		return bad_elf(path);
	/* What was read, not what a header says, bounds the walk and the allocation. */
	n = MIN(data->d_size / entry_size, (size_t)INT_MAX);
	s->all = xcalloc(n, sizeof(*s->all));
	for (size_t i = 0; i < n; i++) {
		GElf_Sym symbol;
		const char *name;
		bool function;

		if (!gelf_getsym(data, (int)i, &symbol))
			return bad_elf(path);
		name = elf_strptr(s->elf, header.sh_link, symbol.st_name);
		function = is_function(s, &symbol, name);
		if ((!function && !is_variable(&symbol, name)) || (module && !place_symbol(s, &symbol)))
			continue;
		s->functions_n += function;
		s->all[s->all_n++] = (struct symbol){ name, symbol.st_value, symbol.st_size, function,
						      GELF_ST_BIND(symbol.st_info) != STB_LOCAL };
	}
	return NULL;
}

static struct err *open_file(const char *path, const struct section_place *places, size_t n, struct symbols **ret)
{
	_cleanup_(symbols_destroy) struct symbols *s = xcalloc(1, sizeof(*s));
	Elf_Scn *table = NULL;

	s->fd = -1;
	TRY(elf_file_open(path, &s->fd, &s->elf));
	TRY(read_sections(s, path, places, n, &table));
	if (table)
		TRY(read_symbols(s, path, table, places != NULL));
	*ret = steal(&s);
	return NULL;
}

struct err *symbols_open(const char *path, struct symbols **ret)
{
	return open_file(path, NULL, 0, ret);
}

struct err *symbols_open_module(const char *path, const struct section_place *places, size_t n, struct symbols **ret)
{
	static const struct section_place nowhere = { "", 0 };

	return open_file(path, n ? places : &nowhere, n, ret);
}

void symbols_destroy(struct symbols *s)
{
	if (!s)
		return;
	elf_end(s->elf);
	if (s->fd >= 0)
		close(s->fd);
	free(s->sections);
	free(s->all);
	free(s->by_address);
	free(s->code);
	free(s);
}

bool symbols_has_debug_info(const struct symbols *s)
{
	return s->debug_info;
}

size_t symbols_functions_n(const struct symbols *s)
{
	return s->functions_n;
}

/* The name without what the compiler puts behind it: .isra.0, .constprop.0, .part.0, .cold, .llvm.123 */
static size_t base_length(const char *name)
{
	return strcspn(name, ".");
}

bool symbols_find_function(const struct symbols *s, const char *name, uint64_t *ret_address)
{
	const struct symbol *clone = NULL;
	size_t n = strlen(name);

	if (!n)
		return false;
	for (size_t i = 0; i < s->all_n; i++) {
		const struct symbol *f = &s->all[i];

		if (!f->is_function || strncmp(f->name, name, n) != 0)
			continue;
		if (!f->name[n]) {
			if (ret_address)
				*ret_address = f->address;
			return true;
		}
		if (f->name[n] == '.' && !clone)
			clone = f;
	}
	if (clone && ret_address)
		*ret_address = clone->address;
	return clone != NULL;
}

void symbols_each(const struct symbols *s, symbols_callback callback, void *user)
{
	for (size_t i = 0; i < s->all_n; i++) {
		const struct symbol *symbol = &s->all[i];

		callback(symbol->name, symbol->address, symbol->size, symbol->is_global, user);
	}
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/*
 * Of several at one address the first one in this order is the one that is shown: functions, global ones, sized ones,
 * those with fewer underscores in front.
 */
static int compare_addresses(const void *a, const void *b)
{
	const struct symbol *x = *(struct symbol *const *)a, *y = *(struct symbol *const *)b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->is_function != y->is_function)
		return x->is_function ? -1 : 1;
	if (x->is_global != y->is_global)
		return x->is_global ? -1 : 1;
	if (!x->size != !y->size)
		return x->size ? -1 : 1;
	if (underscores(x->name) != underscores(y->name))
		return underscores(x->name) < underscores(y->name) ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void sort_by_address(struct symbols *s)
{
	size_t n = 0;

	s->by_address = xcalloc(s->all_n, sizeof(struct symbol *));
	for (size_t i = 0; i < s->all_n; i++)
		s->by_address[i] = &s->all[i];
	qsort(s->by_address, s->all_n, sizeof(struct symbol *), compare_addresses);
	s->code = xcalloc(s->functions_n, sizeof(struct symbol *));
	for (size_t i = 0; i < s->all_n; i++) {
		if (s->by_address[i]->is_function)
			s->code[n++] = s->by_address[i];
	}
}

/*
 * The first of those symbols that have the highest address not behind the given one; SIZE_MAX: none. The first symbol
 * behind them is *ret_next, or n.
 */
static size_t find_symbol(struct symbol *const *symbols, size_t n, uint64_t address, size_t *ret_next)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols[middle]->address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_next = low;
	if (!low)
		return SIZE_MAX;
	low--;
	while (low && symbols[low - 1]->address == symbols[low]->address)
		low--;
	return low;
}

bool symbols_at(struct symbols *s, uint64_t address, struct symbols_place *ret)
{
	const struct symbol *found;
	size_t i, next;

	if (!s->by_address)
		sort_by_address(s);
	i = find_symbol(s->by_address, s->all_n, address, &next);
	if (i == SIZE_MAX)
		return false;
	found = s->by_address[i];
	if (found->size && address - found->address >= found->size)
		return false;
	*ret = (struct symbols_place){ found->name, found->address, found->size, found->is_function };
	return true;
}

const char *symbols_section_at(const struct symbols *s, uint64_t address)
{
	for (size_t i = 0; i < s->sections_n; i++) {
		const struct section *section = &s->sections[i];

		if (section->loaded && address - section->address < section->size)
			return section->name;
	}
	return NULL;
}

/* Where the section of code ends that the address is in. */
static uint64_t end_of_code(const struct symbols *s, uint64_t address)
{
	for (size_t i = 0; i < s->sections_n; i++) {
		const struct section *section = &s->sections[i];

		if (section->executable && address - section->address < section->size)
			return section->address + section->size;
	}
	return address;
}

bool symbols_function_at(struct symbols *s, uint64_t address, struct symbols_place *ret)
{
	const struct symbol *found;
	uint64_t end;
	size_t i, next;

	if (!s->by_address)
		sort_by_address(s);
	i = find_symbol(s->code, s->functions_n, address, &next);
	if (i == SIZE_MAX)
		return false;
	found = s->code[i];
	end = end_of_code(s, found->address);
	if (next < s->functions_n)
		end = MIN(end, s->code[next]->address);
	if (address >= end)
		return false;
	*ret = (struct symbols_place){ found->name, found->address, end - found->address, true };
	return true;
}

void symbols_near(const struct symbols *s, const char *name, size_t max, struct strv *ret)
{
	struct near near;

	near_init(&near, name, max);
	for (size_t i = 0; i < s->all_n; i++) {
		const char *own = s->all[i].name;

		/* Padding before functions and the like, which nobody means. */
		if (s->all[i].is_function && !skip_prefix(own, "__pfx_") && !skip_prefix(own, "__cfi_"))
			near_offer(&near, own, base_length(own));
	}
	near_take(&near, ret);
}
