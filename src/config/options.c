#include "config/options.h"

#include <stdio.h>

#include "base/util.h"

const struct option options[OPTIONS_N] = {
#define OPTION(id, section, name, short_flag, type, def, arg, commands, help)                                          \
	[OPT_##id] = { section, name, short_flag, OPTION_TYPE_##type, def, arg, commands, help },
#include "config/options.def"
#undef OPTION
};

bool option_is_list(enum option_type type)
{
	return type == OPTION_TYPE_LIST || type == OPTION_TYPE_PATH_LIST;
}

static bool is_name_taken(const struct option *o)
{
	for (const struct option *earlier = options; earlier < o; earlier++) {
		if (earlier->commands & o->commands && streq(earlier->name, o->name))
			return true;
	}
	return false;
}

void option_flag(const struct option *o, char ret[OPTION_FLAG_MAX])
{
	bool taken = is_name_taken(o);

	snprintf(ret, OPTION_FLAG_MAX, "%s%s%s", taken ? o->section : "", taken ? "-" : "", o->name);
	for (char *p = ret; *p; p++) {
		if (*p == '_')
			*p = '-';
	}
}
