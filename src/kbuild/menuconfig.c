/*
 * make and what it starts stay in our process group: menuconfig needs the terminal. So a Ctrl-C reaches all of us;
 * make and menuconfig end by it, and we note it and clean up.
 */
#include "kbuild/menuconfig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/util.h"
#include "kbuild/configure.h"
#include "kbuild/environment.h"

/* A folder in which somebody edits has a locked file in it; the others are those of runs that were killed. */
static void sweep(const char *parent)
{
	_cleanup_(closedir) DIR *dir = opendir(parent);

	for (struct dirent *d; dir && (d = readdir(dir));) {
		_cleanup_(free) char *folder = xasprintf("%s/%s", parent, d->d_name);
		_cleanup_(free) char *lock = xasprintf("%s/lock", folder);
		_cleanup_(close) int fd = -1;
		struct err *e;

		if (*d->d_name == '.' || !is_directory(folder))
			continue;
		e = lock_file(lock, true, NULL, NULL, &fd);
		if (!e)
			e = remove_tree(folder);
		err_ignore(e);
	}
}

/* *ret_lock holds it as ours. */
static struct err *make_folder(const char *cache, char **ret, int *ret_lock)
{
	_cleanup_(free) char *parent = xasprintf("%s/edit", cache), *all = xasprintf("%s/lock", parent);
	_cleanup_(free) char *folder = xasprintf("%s/XXXXXX", parent), *lock = NULL, *out = NULL;
	_cleanup_(close) int all_fd = -1;

	TRY(mkdir_parents(parent, 0700));
	TRY(lock_file(all, false, NULL, NULL, &all_fd));
	sweep(parent);
	if (!mkdtemp(folder))
		return err_os(errno, "create folder %s", folder);
	lock = xasprintf("%s/lock", folder);
	out = xasprintf("%s/out", folder);
	TRY(mkdir_parents(out, 0700));
	TRY(lock_file(lock, false, NULL, NULL, ret_lock));
	*ret = steal(&folder);
	return NULL;
}

struct editor {
	struct loop *loop;
	struct process make;
	int signal_number; /* that came; 0: none */
};

static void editor_deinit(struct editor *ed)
{
	process_deinit(&ed->make);
	loop_destroy(ed->loop);
}
DEFINE_CLEANUP_STORAGE(struct editor, editor_deinit);

/* make ends what it has started when it gets SIGTERM. Of SIGINT it knows: the terminal tells all of us. */
static struct err *on_signal(struct loop_source *source, int fd, short revents, void *data)
{
	struct editor *ed = data;

	(void)source;
	(void)revents;
	ed->signal_number = fd;
	if (fd != SIGINT)
		process_kill(&ed->make, SIGTERM);
	return NULL;
}

static struct err *on_end(struct loop_source *source, int fd, short revents, void *data)
{
	struct editor *ed = data;

	(void)source;
	(void)fd;
	(void)revents;
	loop_quit(ed->loop);
	return NULL;
}

/* Signals first: from the moment on that something is on the terminal, a Ctrl-C must find us ready. */
static struct err *run_to_end(struct editor *ed, const struct process_options *o, int *ret_status)
{
	TRY(loop_add_signal(ed->loop, SIGINT, on_signal, ed));
	TRY(loop_add_signal(ed->loop, SIGTERM, on_signal, ed));
	TRY(loop_add_signal(ed->loop, SIGHUP, on_signal, ed));
	TRY(process_spawn(o, &ed->make));
	loop_add_fd(ed->loop, ed->make.pidfd, POLLIN, on_end, ed);
	TRY(loop_run(ed->loop));
	return process_wait(&ed->make, ret_status);
}

static struct err *run_make(const struct strv *argv, const struct strv *env)
{
	_cleanup_(editor_deinit) struct editor ed = { .make = PROCESS_INIT };
	struct process_options o = PROCESS_OPTIONS_INIT;
	bool have_mode;
	struct termios mode;
	int status;

	o.argv = (const char *const *)argv->v;
	o.env = (const char *const *)env->v;
	o.die_with_parent = true;
	have_mode = tcgetattr(STDIN_FILENO, &mode) == 0;
	ed.loop = loop_create();
	TRY(run_to_end(&ed, &o, &status));
	if (!ed.signal_number && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return NULL;
	/* menuconfig may have had no time to put the terminal back. */
	if (have_mode)
		tcsetattr(STDIN_FILENO, TCSANOW, &mode);
	if (ed.signal_number) {
		const char *name = sigabbrev_np(ed.signal_number);

		return err_create(ERR_CLOSED, "interrupted by SIG%s; nothing was saved", name ? name : "?");
	}
	return err_create(ERR_OS, "the kernel's menuconfig failed; nothing was saved");
}

static struct err *edit(const char *tree, const struct toolchain *toolchain, const char *folder, struct buf *ret)
{
	_cleanup_(free) char *out = xasprintf("%s/out", folder);
	_cleanup_(strv_deinit) struct strv argv = STRV_INIT, env = STRV_INIT, variables = STRV_INIT;

	TRY(environment_prepare(toolchain, folder, out, &env, &variables));
	/* Not in parallel: of several jobs make would give the terminal to one. */
	strv_add_all(&argv, (const char *const[]){ "make", "-s", "--no-print-directory", "-C", tree, NULL });
	strv_addf(&argv, "O=%s", out);
	for (size_t i = 0; i < variables.n; i++)
		strv_add(&argv, variables.v[i]);
	strv_add(&argv, "menuconfig");
	TRY(run_make(&argv, &env));
	return configuration_read(out, ret);
}

struct err *menuconfig_run(const char *tree, const struct toolchain *toolchain, const char *cache,
			   const struct buf *config, struct buf *ret)
{
	_cleanup_(free) char *folder = NULL, *path = NULL;
	_cleanup_(close) int lock = -1;
	struct err *e;

	TRY(toolchain_check());
	TRY(toolchain_check_menuconfig());
	TRY(make_folder(cache, &folder, &lock));
	log_info("starting the kernel's menuconfig on a copy of the configuration");
	path = xasprintf("%s/out/.config", folder);
	e = write_file_atomic(path, config->data, config->len, 0600);
	if (!e)
		e = edit(tree, toolchain, folder, ret);
	err_ignore(remove_tree(folder));
	return e;
}
