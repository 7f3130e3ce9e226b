#include "debuginfo/old_names.h"

struct old_name {
	const char *old;
	const char *now;
	const char *why;
};

/* What does not follow the rule for system calls below. */
static const struct old_name old_names[] = {
	{ "do_fork", "kernel_clone", "that is its name since Linux 5.10" },
	{ "_do_fork", "kernel_clone", "that is its name since Linux 5.10" },
	{ "sys_open", "__x64_sys_openat",
	  "the C library's open() makes the system call openat; programs that still call open are in __x64_sys_open" },
};

/* Since 4.17 each system call of x86-64 is entered through __x64_sys_NAME; before, sys_NAME and SyS_NAME were it. */
static const char *system_call(const char *name)
{
	const char *call = skip_prefix(name, "sys_");

	if (!call)
		call = skip_prefix(name, "SyS_");
	return call && *call ? call : NULL;
}

static bool translate(const struct symbols *s, const char *name, char *now, const char *why, char **ret_name,
		      char **ret_note)
{
	_cleanup_(free) char *owned = now;

	if (!symbols_find_function(s, owned, NULL))
		return false;
	*ret_note = xasprintf("%s is now %s: %s", name, owned, why);
	*ret_name = steal(&owned);
	return true;
}

bool old_name_translate(const struct symbols *s, const char *name, char **ret_name, char **ret_note)
{
	const char *call = system_call(name);
	_cleanup_(free) char *plain = call ? xasprintf("sys_%s", call) : xstrdup(name);

	if (symbols_find_function(s, name, NULL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(old_names); i++) {
		if (streq(plain, old_names[i].old) &&
		    translate(s, name, xstrdup(old_names[i].now), old_names[i].why, ret_name, ret_note))
			return true;
	}
	return call && translate(s, name, xasprintf("__x64_sys_%s", call),
				 "system calls are entered there since Linux 4.17", ret_name, ret_note);
}
