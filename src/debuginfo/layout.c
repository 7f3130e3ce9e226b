#include "debuginfo/layout.h"

#include <dwarf.h>

#include "base/buildid.h"
#include "base/util.h"
#include "debuginfo/dwarf_file.h"
#include "debuginfo/symbols.h"
#include "debuginfo/types.h"

struct search {
	const struct layout_question *questions;
	size_t n;
	struct layout_answer *answers;
	bool *settled;   /* by question: nothing more is to be found out */
	size_t open;     /* not settled */
	size_t *symbols; /* questions for symbols, sorted by name */
	size_t symbols_n;
	bool *global; /* by question: the symbol found is a global one */
};

static void settle(struct search *s, size_t i)
{
	if (!s->settled[i])
		s->open--;
	s->settled[i] = true;
}

/* --- Symbols --- */

static int compare_questions(const void *a, const void *b, void *data)
{
	const struct search *s = data;

	return strcmp(s->questions[*(const size_t *)a].name, s->questions[*(const size_t *)b].name);
}

static void sort_symbols(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->questions[i].kind == LAYOUT_SYMBOL)
			s->symbols[s->symbols_n++] = i;
	}
	qsort_r(s->symbols, s->symbols_n, sizeof(*s->symbols), compare_questions, s);
}

/* The question for the symbol of that name; SIZE_MAX: nobody asks. */
static size_t find_question(const struct search *s, const char *name)
{
	size_t low = 0, high = s->symbols_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, s->questions[s->symbols[middle]].name);

		if (!order)
			return s->symbols[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return SIZE_MAX;
}

/* Several files may have a variable of one name: a global one is the one that is meant, else the first. */
static void look_at_symbol(const char *name, uint64_t address, uint64_t size, bool global, void *user)
{
	struct search *s = user;
	size_t i = find_question(s, name);

	if (i == SIZE_MAX || (s->answers[i].found && (s->global[i] || !global)))
		return;
	s->global[i] = global;
	s->answers[i] = (struct layout_answer){
		.found = true, .value = address, .size = (uint32_t)MIN(size, (uint64_t)LAYOUT_SIZE_MAX), .count = 1
	};
}

/* Whether there is a symbol, which another question depends on. */
static bool has_symbol(const struct search *s, const char *name)
{
	size_t i = find_question(s, name);

	return i != SIZE_MAX && s->answers[i].found;
}

static struct err *resolve_symbols(struct search *s, const char *path, bool *ret_debug_info)
{
	_cleanup_(symbols_destroy) struct symbols *symbols = NULL;

	TRY(symbols_open(path, &symbols));
	if (!symbols_functions_n(symbols))
		return err_create(ERR_NOT_FOUND,
				  "%s has no symbols: it was stripped; name a vmlinux that has its debug information",
				  path);
	sort_symbols(s);
	symbols_each(symbols, look_at_symbol, s);
	for (size_t i = 0; i < s->n; i++) {
		const struct layout_question *q = &s->questions[i];

		if (q->kind == LAYOUT_SYMBOL || (q->if_symbol && !has_symbol(s, q->if_symbol)))
			settle(s, i);
	}
	*ret_debug_info = symbols_has_debug_info(symbols);
	return NULL;
}

/* --- Types --- */

static void look_at_enumerators(struct search *s, Dwarf_Die *type)
{
	Dwarf_Die die;

	if (dwarf_child(type, &die) != 0)
		return;
	do {
		const char *name = dwarf_diename(&die);

		for (size_t i = 0; name && i < s->n; i++) {
			Dwarf_Attribute attribute;
			Dwarf_Sword value;

			if (s->settled[i] || s->questions[i].kind != LAYOUT_ENUMERATOR ||
			    !streq(s->questions[i].name, name) || !dwarf_attr(&die, DW_AT_const_value, &attribute) ||
			    dwarf_formsdata(&attribute, &value) != 0)
				continue;
			s->answers[i] =
				(struct layout_answer){ .found = true, .is_signed = true, .value = (uint64_t)value };
			settle(s, i);
		}
	} while (dwarf_siblingof(&die, &die) == 0);
}

static void answer_about_type(struct search *s, size_t i, Dwarf_Die *type)
{
	Dwarf_Word size;
	Dwarf_Die member;

	settle(s, i);
	if (s->questions[i].kind == LAYOUT_MEMBER) {
		if (!types_member(type, s->questions[i].name, &s->answers[i], &member))
			s->answers[i] = (struct layout_answer){ 0 };
	} else if (dwarf_aggregate_size(type, &size) == 0 && size <= LAYOUT_SIZE_MAX) {
		s->answers[i] = (struct layout_answer){ .found = true, .size = (uint32_t)size, .count = 1 };
	}
}

static bool look_at_type(Dwarf_Die *type, int tag, void *user)
{
	struct search *s = user;
	const char *name;

	if (tag == DW_TAG_enumeration_type) {
		look_at_enumerators(s, type);
		return s->open > 0;
	}
	name = dwarf_diename(type);
	for (size_t i = 0; name && i < s->n; i++) {
		const struct layout_question *q = &s->questions[i];

		if (!s->settled[i] && (q->kind == LAYOUT_MEMBER || q->kind == LAYOUT_TYPE) && streq(q->type, name))
			answer_about_type(s, i, type);
	}
	return s->open > 0;
}

/* --- */

static struct err *resolve_build_id(struct search *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++) {
		struct layout_answer a = { .found = true, .count = 1 };

		if (s->questions[i].kind != LAYOUT_BUILD_ID)
			continue;
		TRY(build_id_locate(path, &a.value, &a.size));
		s->answers[i] = a;
		settle(s, i);
	}
	return NULL;
}

static struct err *resolve(struct search *s, const char *path)
{
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	bool debug_info;

	TRY(resolve_symbols(s, path, &debug_info));
	TRY(resolve_build_id(s, path));
	if (!s->open)
		return NULL;
	if (!debug_info)
		return err_create(
			ERR_BAD_DATA,
			"%s has no debug information, which says how the kernel's structures are laid out; it "
			"was stripped, or built without CONFIG_DEBUG_INFO",
			path);
	TRY(dwarf_file_open(&file, path));
	return types_walk(&file, path, look_at_type, s);
}

struct err *layout_resolve(const char *path, const struct layout_question *questions, size_t n,
			   struct layout_answer *ret)
{
	_cleanup_(free) struct layout_answer *answers = xcalloc(n, sizeof(*answers));
	_cleanup_(free) bool *settled = xcalloc(n, sizeof(*settled)), *global = xcalloc(n, sizeof(*global));
	_cleanup_(free) size_t *symbols = xcalloc(n, sizeof(*symbols));
	struct search s = { .questions = questions,
			    .n = n,
			    .answers = answers,
			    .settled = settled,
			    .open = n,
			    .symbols = symbols,
			    .global = global };

	TRY(resolve(&s, path));
	memcpy(ret, answers, n * sizeof(*answers));
	return NULL;
}
