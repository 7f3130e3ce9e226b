#include "kernel/symbolize.h"

#include "base/log.h"
#include "base/util.h"
#include "debuginfo/dwarf_file.h"
#include "debuginfo/lines.h"
#include "debuginfo/source_paths.h"
#include "debuginfo/symbols.h"

/* vmlinux, or a module. */
struct code {
	char *module; /* NULL: vmlinux */
	char *path;
	struct symbolizer_range *ranges;
	size_t ranges_n;
	struct section_place *sections;
	size_t sections_n;
	uint64_t slide;
	bool opened;
	struct symbols *symbols; /* NULL: none */
	struct dwarf_file file;
	struct lines *lines; /* NULL: no debug information */
	struct cfi *cfi;     /* NULL: not asked for yet, or no debug information */
};

struct entry {
	uint64_t address;
	bool is_return;
	struct place place;
	struct place_frame *frames;
};

struct symbolizer {
	struct code **codes; /* vmlinux first */
	size_t codes_n;
	char *source;           /* the source tree with a slash behind it; NULL: not known */
	struct entry **entries; /* open addressing; a power of two */
	size_t entries_n, slots;
};

enum { SLOTS_FIRST = 1024 };

/* --- Files --- */

static struct err *open_debug_info(struct code *c)
{
	if (c->module)
		TRY(dwarf_file_open_module(&c->file, c->path, c->sections, c->sections_n));
	else
		TRY(dwarf_file_open(&c->file, c->path));
	c->lines = lines_create(&c->file);
	return NULL;
}

static struct err *open_code(struct code *c)
{
	c->opened = true;
	if (c->module)
		TRY(symbols_open_module(c->path, c->sections, c->sections_n, &c->symbols));
	else
		TRY(symbols_open(c->path, &c->symbols));
	return symbols_has_debug_info(c->symbols) ? open_debug_info(c) : NULL;
}

static void open_module(struct code *c)
{
	struct err *e = NULL;

	if (c->opened)
		return;
	c->opened = true;
	if (c->path)
		e = open_code(c);
	if (e)
		log_warn("module %s: %s", c->module, err_message(e));
	err_ignore(e);
}

static void code_destroy(struct code *c)
{
	if (!c)
		return;
	cfi_destroy(c->cfi);
	lines_destroy(c->lines);
	dwarf_file_deinit(&c->file);
	symbols_destroy(c->symbols);
	for (size_t i = 0; i < c->sections_n; i++)
		free((char *)c->sections[i].name);
	free(c->sections);
	free(c->ranges);
	free(c->module);
	free(c->path);
	free(c);
}

static struct code *add_code(struct symbolizer *s, const char *path)
{
	struct code *c = xcalloc(1, sizeof(*c));

	c->file = (struct dwarf_file)DWARF_FILE_INIT;
	c->path = path ? xstrdup(path) : NULL;
	s->codes = xreallocarray(s->codes, s->codes_n + 1, sizeof(struct code *));
	s->codes[s->codes_n++] = c;
	return c;
}

struct err *symbolizer_create(const char *vmlinux, uint64_t slide, struct symbolizer **ret)
{
	_cleanup_(symbolizer_destroy) struct symbolizer *s = xcalloc(1, sizeof(*s));
	_cleanup_(free) char *source = NULL;
	struct code *c = add_code(s, vmlinux);

	c->slide = slide;
	TRY(open_code(c));
	source = c->lines ? source_tree_find(&c->file) : NULL;
	if (source)
		s->source = xasprintf("%s/", source);
	s->slots = SLOTS_FIRST;
	s->entries = xcalloc(s->slots, sizeof(struct entry *));
	*ret = steal(&s);
	return NULL;
}

static void entry_destroy(struct entry *e)
{
	for (size_t i = 0; e && i < e->place.frames_n; i++)
		free((char *)e->frames[i].file);
	if (e)
		free(e->frames);
	free(e);
}

void symbolizer_destroy(struct symbolizer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->slots; i++)
		entry_destroy(s->entries[i]);
	for (size_t i = 0; i < s->codes_n; i++)
		code_destroy(s->codes[i]);
	free(s->entries);
	free(s->codes);
	free(s->source);
	free(s);
}

void symbolizer_add_module(struct symbolizer *s, const struct symbolizer_module *module)
{
	struct code *c = add_code(s, module->path);

	c->module = xstrdup(module->name);
	c->ranges = xcalloc(module->ranges_n, sizeof(*c->ranges));
	for (; c->ranges_n < module->ranges_n; c->ranges_n++)
		c->ranges[c->ranges_n] = module->ranges[c->ranges_n];
	c->sections = xcalloc(module->sections_n, sizeof(*c->sections));
	for (; c->sections_n < module->sections_n; c->sections_n++) {
		const struct section_place *from = &module->sections[c->sections_n];

		c->sections[c->sections_n] = (struct section_place){ xstrdup(from->name), from->address };
	}
}

/* --- Addresses --- */

static bool has_address(const struct code *c, uint64_t address)
{
	for (size_t i = 0; i < c->ranges_n; i++) {
		if (address - c->ranges[i].start < c->ranges[i].size)
			return true;
	}
	return false;
}

/* Whose code the address is: a module's, or else perhaps the kernel's own. */
static struct code *find_code(struct symbolizer *s, uint64_t address)
{
	for (size_t i = 1; i < s->codes_n; i++) {
		if (has_address(s->codes[i], address)) {
			open_module(s->codes[i]);
			return s->codes[i];
		}
	}
	return s->codes[0];
}

static void take_lines(const struct code *c, uint64_t address, struct entry *e)
{
	struct lines_frame frames[LINES_FRAMES_MAX];
	size_t n = lines_at(c->lines, address, frames);

	e->frames = xcalloc(MAX(n, (size_t)1), sizeof(*e->frames));
	for (size_t i = 0; i < n; i++) {
		const char *file = frames[i].file;

		e->frames[i] = (struct place_frame){
			.function = frames[i].function,
			.file = !file          ? NULL
				: *file == '/' ? source_path_normalize(file)
					       : xstrdup(file),
			.line = frames[i].line,
		};
	}
	e->place.frames_n = n;
}

static struct entry *look_up(struct symbolizer *s, uint64_t address, bool is_return)
{
	/* A call of a function that doesn't return may be the last instruction. */
	uint64_t meant = is_return ? address - 1 : address;
	struct code *c = find_code(s, meant);
	struct entry *e = xcalloc(1, sizeof(*e));
	struct symbols_place symbol;

	e->address = address;
	e->is_return = is_return;
	e->place.module = c->module;
	if (!c->symbols || !symbols_function_at(c->symbols, meant - c->slide, &symbol))
		return e;
	e->place.symbol = symbol.name;
	e->place.offset = address - c->slide - symbol.address;
	e->place.size = symbol.size;
	if (c->lines)
		take_lines(c, meant - c->slide, e);
	if (!e->place.frames_n) {
		free(e->frames);
		e->frames = xcalloc(1, sizeof(*e->frames));
		e->place.frames_n = 1;
	}
	if (!e->frames[e->place.frames_n - 1].function)
		e->frames[e->place.frames_n - 1].function = symbol.name;
	e->place.frames = e->frames;
	return e;
}

static size_t slot_of(const struct symbolizer *s, uint64_t address, bool is_return)
{
	size_t i = (size_t)((address ^ (uint64_t)is_return << 63) * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	for (i &= s->slots - 1; s->entries[i]; i = (i + 1) & (s->slots - 1)) {
		if (s->entries[i]->address == address && s->entries[i]->is_return == is_return)
			break;
	}
	return i;
}

static void grow(struct symbolizer *s)
{
	struct entry **old = s->entries;
	size_t n = s->slots;

	s->slots = 2 * n;
	s->entries = xcalloc(s->slots, sizeof(struct entry *));
	for (size_t i = 0; i < n; i++) {
		if (old[i])
			s->entries[slot_of(s, old[i]->address, old[i]->is_return)] = old[i];
	}
	free(old);
}

const struct place *symbolize(struct symbolizer *s, uint64_t address, bool is_return)
{
	size_t i = slot_of(s, address, is_return);

	if (s->entries[i])
		return &s->entries[i]->place;
	if (++s->entries_n > s->slots / 2) {
		grow(s);
		i = slot_of(s, address, is_return);
	}
	s->entries[i] = look_up(s, address, is_return);
	return &s->entries[i]->place;
}

struct cfi *symbolizer_cfi(struct symbolizer *s, uint64_t address, uint64_t *ret_slide)
{
	struct code *c = find_code(s, address);

	if (!c->cfi && c->lines)
		c->cfi = cfi_create(&c->file);
	*ret_slide = c->slide;
	return c->cfi;
}

const char *symbolizer_short_path(const struct symbolizer *s, const char *file)
{
	const char *rest = s->source ? skip_prefix(file, s->source) : NULL;

	/* What was made while building is in the build folder. */
	if (!rest)
		rest = skip_prefix(file, "./");
	return rest ? rest : file;
}
