#include "cmd/gdb_break.h"

#include "base/fs.h"
#include "debuginfo/inlined.h"
#include "debuginfo/old_names.h"

enum { MODULES_ORDER_MAX = 4 << 20, NEAR_NAMES = 6 };

static const char digits[] = "0123456789";
static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.";

void gdb_break_deinit(struct gdb_break *b)
{
	free(b->where);
	*b = (struct gdb_break)GDB_BREAK_INIT;
}

static bool ends_name(char c)
{
	return !c || c == ' ' || c == '\t';
}

/* Whether the .ko at path is the module of that name; file names may have - where the module has _. */
static bool is_module(const char *path, const char *module)
{
	const char *slash = strrchr(path, '/');
	const char *p = slash ? slash + 1 : path;

	for (; *module && (*p == *module || (*p == '-' && *module == '_')); p++)
		module++;
	return !*module && streq(p, ".ko");
}

/*
 * Whether a module of the build has the function; module NULL: any. Kbuild lists them in modules.order, as .ko or,
 * since Linux 6.4, as .o. A list or module that can't be read has no functions.
 */
static bool find_in_modules(const char *build_dir, const char *module, const char *function)
{
	_cleanup_(free) char *order = xasprintf("%s/modules.order", build_dir);
	_cleanup_(buf_deinit) struct buf list = BUF_INIT;
	struct err *e = read_file(order, MODULES_ORDER_MAX, &list);
	char *line, *rest;

	err_ignore(e);
	rest = e || !list.len ? NULL : list.data;
	while ((line = strsep(&rest, "\n"))) {
		_cleanup_(free) char *path = NULL;
		_cleanup_(symbols_destroy) struct symbols *s = NULL;
		const char *dot = strrchr(line, '.');

		if (!dot)
			continue;
		path = xasprintf("%s/%.*s.ko", build_dir, (int)(dot - line), line);
		if (module && !is_module(path, module))
			continue;
		err_ignore(symbols_open(path, &s));
		if (s && symbols_find_function(s, function, NULL))
			return true;
	}
	return false;
}

static struct err *unknown_function(const struct gdb_break_scope *scope, const char *module, const char *function)
{
	_cleanup_(strv_deinit) struct strv near = STRV_INIT;
	_cleanup_(free) char *names = NULL;

	if (module)
		return err_create(ERR_NOT_FOUND, "breakpoint %s:%s: no module %s with a function %s was built", module,
				  function, module, function);
	symbols_near(scope->symbols, function, NEAR_NAMES, &near);
	names = strv_join(&near, ", ");
	return err_create(ERR_NOT_FOUND, "breakpoint %s: neither %s nor a module has a function of that name%s%s",
			  function, scope->vmlinux, near.n ? "; near ones: " : "", names);
}

/* behind: what follows the name, such as a condition. */
static void set_break(struct gdb_break *b, const char *function, const char *behind, bool pending)
{
	b->where = xasprintf("%s%s", function, behind);
	b->pending = pending;
}

static struct err *resolve_function(const struct gdb_break_scope *scope, const char *function, const char *behind,
				    struct gdb_break *ret, char **ret_note)
{
	_cleanup_(free) char *now = NULL, *note = NULL;
	bool inlined = false;

	if (symbols_find_function(scope->symbols, function, NULL)) {
		set_break(ret, function, behind, false);
		return NULL;
	}
	if (old_name_translate(scope->symbols, function, &now, &note)) {
		set_break(ret, now, behind, false);
		*ret_note = steal(&note);
		return NULL;
	}
	if (scope->build_dir && find_in_modules(scope->build_dir, NULL, function)) {
		set_break(ret, function, behind, true);
		return NULL;
	}
	/* Debug information that can't be searched is GDB's to complain about. */
	err_ignore(inlined_find(scope->vmlinux, function, &inlined));
	if (!inlined)
		return unknown_function(scope, NULL, function);
	set_break(ret, function, behind, false);
	return NULL;
}

static struct err *resolve_in_module(const struct gdb_break_scope *scope, const char *module, const char *rest,
				     struct gdb_break *ret)
{
	size_t n = strspn(rest, name_characters);
	_cleanup_(free) char *function = xstrndup(rest, n);

	if (!scope->build_dir || !find_in_modules(scope->build_dir, module, function))
		return unknown_function(scope, module, function);
	set_break(ret, function, rest + n, true);
	return NULL;
}

/* NAME:REST is a module's function unless NAME is a file, or a function with a label, or REST is a line. */
static bool names_module(const struct gdb_break_scope *scope, const char *name, const char *rest)
{
	return !strchr(name, '.') && *rest && *rest != ':' && !strchr(digits, *rest) &&
	       ends_name(rest[strspn(rest, name_characters)]) && !symbols_find_function(scope->symbols, name, NULL);
}

struct err *gdb_break_resolve(const struct gdb_break_scope *scope, const char *where, struct gdb_break *ret,
			      char **ret_note)
{
	size_t n;

	where += strspn(where, " \t");
	n = strspn(where, name_characters);
	_cleanup_(free) char *name = xstrndup(where, n);
	bool keyword = streq(name, "if") || streq(name, "thread") || streq(name, "task");

	*ret_note = NULL;
	if (n && !strchr(digits, *name) && !keyword) {
		if (ends_name(where[n]))
			return resolve_function(scope, name, where + n, ret, ret_note);
		if (where[n] == ':' && names_module(scope, name, where + n + 1))
			return resolve_in_module(scope, name, where + n + 1, ret);
	}
	set_break(ret, where, "", false);
	return NULL;
}
