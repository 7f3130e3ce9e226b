#include "debuginfo/inlined.h"

#include <dwarf.h>

#include "base/util.h"
#include "debuginfo/dwarf_file.h"

struct search {
	const char *name;
	bool found;
};

static int look_at_function(Dwarf_Die *die, void *data)
{
	struct search *search = data;
	const char *name = dwarf_diename(die);

	if (!name || !streq(name, search->name) || !dwarf_func_inline(die))
		return DWARF_CB_OK;
	search->found = true;
	return DWARF_CB_ABORT;
}

struct err *inlined_find(const char *path, const char *name, bool *ret)
{
	struct search search = { .name = name };
	_cleanup_(dwarf_file_deinit) struct dwarf_file file = DWARF_FILE_INIT;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;

	TRY(dwarf_file_open(&file, path));
	while (!search.found && dwarf_get_units(file.dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0) {
		if (dwarf_tag(&die) == DW_TAG_compile_unit && dwarf_getfuncs(&die, look_at_function, &search, 0) < 0)
			return dwarf_file_error(path);
	}
	*ret = search.found;
	return NULL;
}
