#include "cmd/gdb_args.h"

static void add_setup(struct strv *argv, const char *command)
{
	strv_add(argv, "-iex");
	strv_add(argv, command);
}

static void add_command(struct strv *argv, const char *command)
{
	strv_add(argv, "-ex");
	strv_add(argv, command);
}

static void add_index(const struct gdb_start *start, struct strv *argv)
{
	_cleanup_(free) char *dir = xasprintf("set index-cache directory %s", start->index_dir);

	add_setup(argv, dir);
	/* GDB 12 gave it another name, and warns about the old one. */
	add_setup(argv, start->major >= 12 ? "set index-cache enabled on" : "set index-cache on");
}

static void allow_script(struct strv *argv, const char *path)
{
	_cleanup_(free) char *command = xasprintf("add-auto-load-safe-path %s", path);

	add_setup(argv, command);
}

/* GDB splits these arguments like a shell. */
static void add_moved(struct strv *argv, const char *then, const char *now)
{
	_cleanup_(free) char *from = shell_quote(then), *to = shell_quote(now);
	_cleanup_(free) char *command = xasprintf("set substitute-path %s %s", from, to);

	add_setup(argv, command);
}

/* GDB loads VMLINUX-gdb.py by itself if it may. */
static bool loads_itself(const struct gdb_start *start)
{
	const char *rest = skip_prefix(start->scripts, start->vmlinux);

	return rest && streq(rest, "-gdb.py");
}

static void add_break(struct strv *argv, const struct gdb_break *b)
{
	_cleanup_(free) char *command = xasprintf("break %s", b->where);

	if (b->pending)
		add_command(argv, "set breakpoint pending on");
	add_command(argv, command);
	if (b->pending)
		add_command(argv, "set breakpoint pending auto");
}

void gdb_args_build(const struct gdb_start *start, struct strv *argv)
{
	_cleanup_(free) char *connect = xasprintf("target remote 127.0.0.1:%u", start->port);

	strv_add(argv, start->program);
	strv_add(argv, "-q");
	if (start->index_dir)
		add_index(start, argv);
	if (start->scripts)
		allow_script(argv, start->scripts);
	if (start->scripts && start->scripts_target)
		allow_script(argv, start->scripts_target);
	for (size_t i = 0; start->moved && i + 1 < start->moved->n; i += 2)
		add_moved(argv, start->moved->v[i], start->moved->v[i + 1]);
	/* A port on this machine is open or it is not: trying for 15 s would hide that the VM is gone. */
	add_setup(argv, "set tcp auto-retry off");
	if (start->patient)
		add_setup(argv, "set remotetimeout 20");
	/* What the server names (vmlinux, modules) lies here: GDB would ask it for the content, and warn that it can't. */
	add_setup(argv, "set sysroot");
	strv_add(argv, start->vmlinux);
	if (start->scripts && !loads_itself(start)) {
		_cleanup_(free) char *source = xasprintf("source %s", start->scripts);

		add_command(argv, source);
	}
	add_command(argv, connect);
	for (size_t i = 0; i < start->breaks_n; i++)
		add_break(argv, &start->breaks[i]);
	if (start->init) {
		strv_add(argv, "-x");
		strv_add(argv, start->init);
	}
	for (size_t i = 0; start->rest && i < start->rest->n; i++)
		strv_add(argv, start->rest->v[i]);
}
