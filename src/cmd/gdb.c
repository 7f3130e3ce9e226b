#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/sock.h"
#include "cmd/cmd.h"
#include "cmd/gdb_args.h"
#include "cmd/gdb_break.h"
#include "cmd/gdb_program.h"
#include "cmd/gdb_running.h"
#include "debuginfo/source_paths.h"
#include "debuginfo/symbols.h"
#include "supervisor/rundir.h"

/* Everything that GDB's command line is made of, and who owns it. */
struct session {
	struct vm_record *vm;
	struct symbols *symbols;
	char *vmlinux;
	char *build_id;
	char *index_dir;
	char *scripts_target;
	struct gdb_program program;
	const char *init;
	struct strv moved;
	struct gdb_break *breaks;
	size_t breaks_n;
};

static void session_deinit(struct session *s)
{
	for (size_t i = 0; i < s->breaks_n; i++)
		gdb_break_deinit(&s->breaks[i]);
	free(s->breaks);
	strv_deinit(&s->moved);
	gdb_program_deinit(&s->program);
	free(s->scripts_target);
	free(s->index_dir);
	free(s->build_id);
	free(s->vmlinux);
	symbols_destroy(s->symbols);
	if (s->vm)
		vm_record_destroy(s->vm);
}
DEFINE_CLEANUP_STORAGE(struct session, session_deinit);

static struct err *find_vm(const struct config *cfg, struct session *s)
{
	/* Unless the user names one, the only one that runs is meant, whatever it is called. */
	const char *name = config_origin(cfg, OPT_VM_NAME) ? config_string(cfg, OPT_VM_NAME) : NULL;

	TRY(rundir_find(name, &s->vm));
	if (!s->vm->port)
		return err_create(ERR_UNSUPPORTED,
				  "the VM %s has no debug port; start it again without vm.port = off (--port)",
				  s->vm->name);
	if (config_bool(cfg, OPT_GDB_KGDB) && !s->vm->kgdb)
		return err_create(
			ERR_UNSUPPORTED,
			"the debug port of the VM %s leads to QEMU's stub; start it with ktb vm --kgdb for the "
			"kernel's own debugger",
			s->vm->name);
	return NULL;
}

static struct err *check_build_id(const struct session *s)
{
	if (!s->vm->build_id || streq(s->vm->build_id, s->build_id))
		return NULL;
	return err_create(ERR_BAD_DATA,
			  "%s is not the kernel that runs: its build ID is %s, the VM's is %s; boot it "
			  "(ktb stop, ktb vm), or name the vmlinux of the running one with --vmlinux",
			  s->vmlinux, s->build_id, s->vm->build_id);
}

/* The vmlinux must be the one that runs, and have something in it for GDB. */
static struct err *open_vmlinux(const struct config *cfg, struct session *s)
{
	const char *vmlinux = config_string(cfg, OPT_GDB_VMLINUX);

	if (!vmlinux)
		vmlinux = s->vm->vmlinux;
	if (!vmlinux)
		return err_create(ERR_NOT_FOUND, "the VM %s was started without a vmlinux; name it with --vmlinux",
				  s->vm->name);
	s->vmlinux = xstrdup(vmlinux);
	TRY(symbols_open(s->vmlinux, &s->symbols));
	TRY(build_id_read(s->vmlinux, &s->build_id));
	TRY(check_build_id(s));
	TRY(gdb_check_running(s->vm, s->vmlinux, s->build_id));
	if (!symbols_functions_n(s->symbols))
		return err_create(
			ERR_BAD_DATA,
			"%s has no symbols (it was stripped, or isn't a vmlinux); build it with ktb build, or "
			"name another with --vmlinux",
			s->vmlinux);
	if (!symbols_has_debug_info(s->symbols))
		return err_create(
			ERR_BAD_DATA,
			"%s has no debug information (CONFIG_DEBUG_INFO is off, or it was stripped); build it "
			"with ktb build, or name another with --vmlinux",
			s->vmlinux);
	return NULL;
}

static struct err *resolve_breaks(const struct config *cfg, struct session *s)
{
	const struct strv *wanted = config_list(cfg, OPT_GDB_BREAK);
	const struct gdb_break_scope scope = { s->symbols, s->vmlinux, s->vm->build_dir };

	s->breaks = xcalloc(wanted->n, sizeof(*s->breaks));
	for (size_t i = 0; i < wanted->n; i++) {
		_cleanup_(free) char *note = NULL;

		TRY(gdb_break_resolve(&scope, wanted->v[i], &s->breaks[i], &note));
		s->breaks_n++;
		if (note)
			log_info("%s", note);
	}
	return NULL;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

static void note_moved(struct strv *moved, const char *then, const char *now)
{
	if (!now || streq(then, now) || !is_directory(now) || same_folder(then, now))
		return;
	strv_add(moved, then);
	strv_add(moved, now);
}

/* Where debug information says nothing of it, sources are looked for as GDB does by itself. */
static void find_moved_folders(struct session *s)
{
	_cleanup_(free) char *build = NULL, *source = NULL;
	struct err *e = source_paths_read(s->vmlinux, &build, &source);

	if (e) {
		log_debug("%s", err_message(e));
		err_destroy(e);
		return;
	}
	/* GDB takes the first rule that fits: of two folders, one in the other, the inner one comes first. */
	if (skip_prefix(build, source)) {
		note_moved(&s->moved, build, s->vm->build_dir);
		note_moved(&s->moved, source, s->vm->srctree);
	} else {
		note_moved(&s->moved, source, s->vm->srctree);
		note_moved(&s->moved, build, s->vm->build_dir);
	}
}

static struct err *find_gdb(const struct config *cfg, struct session *s)
{
	char real[PATH_MAX];

	TRY(gdb_program_find(config_string(cfg, OPT_GDB_PROGRAM), &s->program));
	if (!s->program.python)
		log_info("%s was built without Python: the kernel's lx-* commands are missing", s->program.path);
	else if (s->vm->gdb_scripts && realpath(s->vm->gdb_scripts, real) && !streq(real, s->vm->gdb_scripts))
		s->scripts_target = xstrdup(real);
	return NULL;
}

/* GDB would only complain once it has stopped the VM. */
static struct err *find_init(const struct config *cfg, struct session *s)
{
	_cleanup_(close) int fd = -1;

	s->init = config_string(cfg, OPT_GDB_INIT);
	if (!s->init)
		return NULL;
	fd = open(s->init, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_os(errno, "--init: open the file of GDB commands %s", s->init);
	return is_directory(s->init) ? err_create(ERR_USAGE, "--init: %s is a folder", s->init) : NULL;
}

/* Without an index GDB starts slowly; that is no reason not to start it. */
static void find_index(struct session *s)
{
	_cleanup_(free) char *dir = NULL;
	struct err *e = gdb_index_dir(&dir);

	if (!e && gdb_index_exists(dir, s->build_id))
		s->index_dir = steal(&dir);
	else if (!e)
		e = gdb_index_start(&s->program, s->vmlinux, dir, s->build_id);
	if (e) {
		log_debug("no index for GDB: %s", err_message(e));
		err_destroy(e);
	}
}

static struct err *check_port(const struct vm_record *vm)
{
	bool listening;

	TRY(sock_port_listening(vm->port, &listening));
	/* It would be turned away, and GDB would run the user's commands without a target, and end with 0. */
	if (listening && sock_port_connected(vm->port))
		return err_create(
			ERR_UNSUPPORTED,
			"a debugger is attached to the VM %s (127.0.0.1:%u), and one at a time is served; leave it "
			"first (detach or quit there)",
			vm->name, vm->port);
	if (listening)
		return NULL;
	return err_create(ERR_CLOSED,
			  "the VM %s (process %d) no longer answers on 127.0.0.1:%u: it has ended, or is ending; start "
			  "another with ktb vm",
			  vm->name, (int)vm->pid, vm->port);
}

/* Becomes GDB: the terminal, its signals and its job control are GDB's alone. Returns only where that failed. */
static struct err *run_gdb(const struct session *s, const struct strv *rest)
{
	const struct sigaction as_usual = { .sa_handler = SIG_DFL };
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT;
	const struct gdb_start start = {
		.program = s->program.path,
		.major = s->program.major,
		.vmlinux = s->vmlinux,
		.port = s->vm->port,
		.patient = s->vm->kgdb,
		.index_dir = s->index_dir,
		.scripts = s->program.python ? s->vm->gdb_scripts : NULL,
		.scripts_target = s->scripts_target,
		.moved = &s->moved,
		.breaks = s->breaks,
		.breaks_n = s->breaks_n,
		.init = s->init,
		.rest = rest,
	};
	_cleanup_(free) char *line = NULL;

	gdb_args_build(&start, &argv);
	line = strv_join(&argv, " ");
	log_debug("%s", line);
	/* What is ignored would stay so in GDB and in all that it starts. */
	sigaction(SIGPIPE, &as_usual, NULL);
	execv(s->program.path, argv.v);
	return err_os(errno, "start %s", s->program.path);
}

static struct err *cmd_gdb(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	_cleanup_(session_deinit) struct session s = { 0 };

	(void)positional;
	(void)ret_status;
	TRY(find_vm(cfg, &s));
	TRY(open_vmlinux(cfg, &s));
	TRY(resolve_breaks(cfg, &s));
	TRY(find_init(cfg, &s));
	TRY(find_gdb(cfg, &s));
	find_moved_folders(&s);
	TRY(check_port(s.vm));
	find_index(&s);
	return run_gdb(&s, rest);
}

const struct command command_gdb = {
	.id = COMMAND_GDB,
	.name = "gdb",
	.args = "",
	.summary = "GDB on a running VM, with everything in place",
	.description =
		"Starts GDB with the symbols of the running kernel, its sources, its lx-* commands and your\n"
		"breakpoints (--break, gdb.break), connected to the VM. Then a file of your own commands is run\n"
		"(--init, gdb.init). What stands behind -- is given to GDB last, so that its commands run once\n"
		"all that is done. Names of functions are checked before; those of older kernels (do_fork,\n"
		"sys_read) are translated; MODULE:FUNCTION is one of a module that may not be loaded yet.",
	.examples = "  ktb gdb\n"
		    "  ktb gdb --break kernel_clone --break 'vfs_read if count > 4096'\n"
		    "  ktb gdb --init my.gdb\n"
		    "  ktb gdb -- -batch -ex bt -ex 'info registers'",
	.takes_rest = true,
	.run = cmd_gdb,
};
