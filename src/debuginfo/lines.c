/*
 * Theory of operation. .debug_aranges says which compile unit has the code at an address; what is not in there (clang writes
 * none) is found by the ranges that the units have themselves. Of a unit that is asked about for the first time, the
 * outermost level is walked once, for the functions with code and their ranges; that is the expensive part, since all the
 * types are there too. Then an address is looked up in the sorted list of functions, and only that function's DIE is gone
 * into, for the DW_TAG_inlined_subroutine that have it. The line is that of the unit's line table (libdw reads it once);
 * each function around an inlined one is where it was called from (DW_AT_call_file, DW_AT_call_line).
 */
#include "debuginfo/lines.h"

#include <dwarf.h>

#include "base/util.h"

/* Blocks within blocks; debug information may be damaged. */
enum { DEPTH_MAX = 256 };

/* Of one address range of a function; one that was split has several. */
struct function {
	uint64_t low, high;
	Dwarf_Off die;
};

struct unit {
	Dwarf_Off offset; /* of its DIE */
	Dwarf_Die die;
	struct function *functions; /* sorted by low */
	size_t n;
};

/* Code of a unit, by its own word. */
struct range {
	uint64_t low, high;
	Dwarf_Off unit;
};

struct lines {
	Dwarf *dwarf;
	Dwarf_Aranges *aranges; /* NULL: there are none */
	struct range *ranges;   /* for what is not in there; sorted */
	size_t ranges_n;
	bool ranges_read;
	struct unit **units; /* those read so far, sorted by offset */
	size_t units_n;
};

struct lines *lines_create(const struct dwarf_file *f)
{
	struct lines *l = xcalloc(1, sizeof(*l));
	size_t n;

	l->dwarf = f->dwarf;
	if (dwarf_getaranges(l->dwarf, &l->aranges, &n) != 0)
		l->aranges = NULL;
	return l;
}

void lines_destroy(struct lines *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->units_n; i++) {
		free(l->units[i]->functions);
		free(l->units[i]);
	}
	free(l->units);
	free(l->ranges);
	free(l);
}

/* The next DIE of the same level, behind this one: a damaged file may lead back. */
static bool next_sibling(Dwarf_Die *die)
{
	Dwarf_Off before = dwarf_dieoffset(die);

	return dwarf_siblingof(die, die) == 0 && dwarf_dieoffset(die) > before;
}

/* --- Units --- */

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static void *grow(void *array, size_t n, size_t size)
{
	/* Doubled whenever n is a power of two. */
	return n & (n - 1) ? array : xreallocarray(array, n ? 2 * n : 1, size);
}

static void add_ranges_of_unit(struct lines *l, Dwarf_Die *die)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		if (low >= high)
			continue;
		l->ranges = grow(l->ranges, l->ranges_n, sizeof(*l->ranges));
		l->ranges[l->ranges_n++] = (struct range){ low, high, dwarf_dieoffset(die) };
	}
}

static void read_ranges(struct lines *l)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;

	l->ranges_read = true;
	while (dwarf_get_units(l->dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0)
		add_ranges_of_unit(l, &die);
	if (l->ranges_n)
		qsort(l->ranges, l->ranges_n, sizeof(*l->ranges), compare_ranges);
}

/* The DIE of the unit that has code at the address. */
static bool find_unit_die(struct lines *l, uint64_t address, Dwarf_Die *ret)
{
	Dwarf_Arange *arange = l->aranges ? dwarf_getarange_addr(l->aranges, address) : NULL;
	size_t low = 0, high;
	Dwarf_Off offset;

	if (arange)
		return dwarf_getarangeinfo(arange, NULL, NULL, &offset) == 0 && dwarf_offdie(l->dwarf, offset, ret);
	if (!l->ranges_read)
		read_ranges(l);
	high = l->ranges_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < l->ranges[low - 1].high && dwarf_offdie(l->dwarf, l->ranges[low - 1].unit, ret);
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static void read_functions(struct unit *u)
{
	Dwarf_Die die;

	if (dwarf_child(&u->die, &die) != 0)
		return;
	do {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (dwarf_tag(&die) != DW_TAG_subprogram)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0) {
			if (low >= high)
				continue;
			u->functions = grow(u->functions, u->n, sizeof(*u->functions));
			u->functions[u->n++] = (struct function){ low, high, dwarf_dieoffset(&die) };
		}
	} while (next_sibling(&die));
	if (u->n)
		qsort(u->functions, u->n, sizeof(*u->functions), compare_functions);
}

static struct unit *get_unit(struct lines *l, uint64_t address)
{
	size_t low = 0, high = l->units_n;
	struct unit *u;
	Dwarf_Off offset;
	Dwarf_Die die;

	if (!find_unit_die(l, address, &die))
		return NULL;
	offset = dwarf_dieoffset(&die);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->units[middle]->offset == offset)
			return l->units[middle];
		if (l->units[middle]->offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	u = xcalloc(1, sizeof(*u));
	u->offset = offset;
	u->die = die;
	read_functions(u);
	l->units = grow(l->units, l->units_n, sizeof(*l->units));
	memmove(&l->units[low + 1], &l->units[low], (l->units_n++ - low) * sizeof(*l->units));
	l->units[low] = u;
	return u;
}

/* --- Functions --- */

static bool find_function(struct lines *l, const struct unit *u, uint64_t address, Dwarf_Die *ret)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (u->functions[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < u->functions[low - 1].high && dwarf_offdie(l->dwarf, u->functions[low - 1].die, ret);
}

/* The block or inlined function right below *die that has the address; becomes *die. False if there is none. */
static bool go_into(Dwarf_Die *die, uint64_t address)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
		    dwarf_haspc(&child, address) == 1) {
			*die = child;
			return true;
		}
	} while (next_sibling(&child));
	return false;
}

/* The function's DIE, and those of what is inlined there, the outermost first. */
static size_t find_chain(Dwarf_Die *function, uint64_t address, Dwarf_Die chain[LINES_FRAMES_MAX])
{
	Dwarf_Die die = *function;
	size_t n = 1;

	chain[0] = die;
	for (int depth = 0; depth < DEPTH_MAX && n < LINES_FRAMES_MAX && go_into(&die, address); depth++) {
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			chain[n++] = die;
	}
	return n;
}

/* --- Lines --- */

static bool line_address(Dwarf_Lines *lines, size_t i, uint64_t *ret)
{
	Dwarf_Line *line = dwarf_onesrcline(lines, i);
	Dwarf_Addr address;

	if (!line || dwarf_lineaddr(line, &address) != 0)
		return false;
	*ret = address;
	return true;
}

/*
 * The row of the line table that covers the address: the last one that is not behind it. Of several at one address the
 * last counts, unless only others begin a statement. NULL: none.
 */
static Dwarf_Line *find_row(struct unit *u, uint64_t address)
{
	size_t n, low = 0, high;
	uint64_t own, before;
	Dwarf_Lines *lines;
	Dwarf_Line *row;
	bool flag;

	if (dwarf_getsrclines(&u->die, &lines, &n) != 0)
		return NULL;
	high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (!line_address(lines, middle, &own))
			return NULL;
		if (own <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !line_address(lines, --low, &own))
		return NULL;
	row = dwarf_onesrcline(lines, low);
	if (dwarf_lineendsequence(row, &flag) != 0 || flag)
		return NULL;
	for (size_t i = low; dwarf_linebeginstatement(row, &flag) == 0 && !flag && i > 0; i--) {
		if (!line_address(lines, i - 1, &before) || before != own)
			return dwarf_onesrcline(lines, low);
		row = dwarf_onesrcline(lines, i - 1);
	}
	return row;
}

static void take_row(struct unit *u, uint64_t address, struct lines_frame *f)
{
	Dwarf_Line *row = find_row(u, address);
	int number;

	if (!row || dwarf_lineno(row, &number) != 0 || number <= 0)
		return;
	f->line = (uint32_t)number;
	f->file = dwarf_linesrc(row, NULL, NULL);
}

static bool number(Dwarf_Die *die, unsigned int name, uint64_t *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0)
		return false;
	*ret = value;
	return true;
}

/* Where the inlined function was called from. */
static void take_call(struct unit *u, Dwarf_Die *inlined, struct lines_frame *f)
{
	uint64_t file, line;
	Dwarf_Files *files;
	size_t n;

	if (!number(inlined, DW_AT_call_line, &line) || !line || line > UINT32_MAX ||
	    !number(inlined, DW_AT_call_file, &file) || dwarf_getsrcfiles(&u->die, &files, &n) != 0 || file >= n)
		return;
	f->line = (uint32_t)line;
	f->file = dwarf_filesrc(files, file, NULL, NULL);
}

size_t lines_at(struct lines *l, uint64_t address, struct lines_frame ret[LINES_FRAMES_MAX])
{
	struct unit *u = get_unit(l, address);
	Dwarf_Die function, chain[LINES_FRAMES_MAX];
	size_t n;

	if (!u)
		return 0;
	memset(ret, 0, LINES_FRAMES_MAX * sizeof(*ret));
	take_row(u, address, &ret[0]);
	/* Assembler has lines, but may have no functions. */
	if (!find_function(l, u, address, &function))
		return ret[0].line ? 1 : 0;
	n = find_chain(&function, address, chain);
	for (size_t i = 0; i < n; i++) {
		Dwarf_Die *die = &chain[n - 1 - i];

		ret[i].function = dwarf_diename(die);
		if (i + 1 < n)
			take_call(u, die, &ret[i + 1]);
	}
	return n;
}
